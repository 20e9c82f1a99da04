//! What can go wrong, how often, and how often it did.

use std::collections::BTreeMap;

/// Numbers from a seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        dice.next();
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of `0..end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// A number of `from..=to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True in so many of a thousand cases.
    pub(super) fn per_mille(&mut self, chance: u32) -> bool {
        chance > 0 && self.below(1_000) < u64::from(chance)
    }

    /// Mostly short, sometimes long: between `from` and `to`, the lower the more probable.
    pub(super) fn skewed(&mut self, from: u64, to: u64) -> u64 {
        let span = self.between(0, to - from);
        from + self.below(span + 1)
    }
}

macro_rules! faults {
    ($($(#[doc = $what:literal])* $name:ident $row:literal $kind:ident $max:literal,)*) => {
        /// A thing that goes wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Fault { $($(#[doc = $what])* $name,)* }

        impl Fault {
            /// All of them: row of the fault list, how its number is meant, and the highest that a seed draws.
            pub(super) const ALL: &[(Fault, &'static str, Meant, u32)] = &[$((Fault::$name, $row, Meant::$kind, $max),)*];
        }
    };
}

impl Fault {
    /// Whether it can happen to a pipeline from MQTT, or to one from Kafka.
    pub(super) fn is_possible(self, is_mqtt: bool) -> bool {
        let of_mqtt = matches!(self, Self::MqttRestart | Self::MqttCut | Self::AckLost);
        let of_group = matches!(
            self,
            Self::RebalanceStorm | Self::Revoke | Self::PartitionAdded | Self::EmptyPartition | Self::ManyFolders | Self::UploadRemoved
        );
        let drawn_at_the_start = matches!(self, Self::EmptyPartition | Self::ManyFolders);
        let of_group = of_group || self.needs_ledger();
        !drawn_at_the_start && if is_mqtt { !of_group } else { !of_mqtt }
    }
}

impl Fault {
    /// Whether only a pipeline with a ledger gets over it.
    pub(super) fn needs_ledger(self) -> bool {
        matches!(self, Self::OffsetsReset | Self::OffsetsExpired | Self::GroupRenamed) || self.asks_for_somebody()
    }

    /// Whether the pipeline may stop and say why: it needs a decision.
    pub(super) fn asks_for_somebody(self) -> bool {
        matches!(
            self,
            Self::RetentionPassed | Self::TopicRecreated | Self::LedgerRemoved | Self::ConditionsIgnored | Self::CommittedUploadRemoved
        )
    }
}

/// How the number of a fault is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// Of a thousand calls that it can hit.
    Calls,
    /// So many times while faults last, at most.
    Times,
}

faults! {
    /// No broker answers for a while.
    BrokersAway "K1" Times 2,
    /// No broker answers when the workers start.
    BrokersAwayAtStart "K2" Times 1,
    /// Offsets cannot be committed for a while.
    CoordinatorAway "K4" Times 2,
    /// Members join and leave each second.
    RebalanceStorm "K5" Times 2,
    /// A member joins for a while and reads nothing: partitions with open files are revoked.
    Revoke "K6" Times 3,
    /// A process stands still for longer than its session, then goes on.
    Zombie "K7" Times 3,
    /// An offset commit is refused.
    CommitRefused "K8" Calls 200,
    /// An offset commit is done, its answer is lost.
    CommitAnswerLost "K9" Calls 200,
    /// A partition is added while the pipeline runs.
    PartitionAdded "K12" Times 1,
    /// Offsets without records: markers of transactions, compaction.
    OffsetGap "K13" Calls 300,
    /// The group's offsets go back.
    OffsetsReset "K10" Times 1,
    /// The group's offsets are gone.
    OffsetsExpired "K10" Times 1,
    /// Every process starts again, as another group.
    GroupRenamed "K10" Times 1,
    /// Retention removes records that may not be read yet.
    RetentionPassed "K10" Times 1,
    /// The topic is deleted and created anew.
    TopicRecreated "K11" Times 1,
    /// Somebody removes the newest records of a ledger, or all of them.
    LedgerRemoved "S12" Times 1,
    /// The store refuses for a moment (500, 503, 429).
    Refused "S1" Calls 80,
    /// A request never arrives.
    RequestLost "S2" Calls 40,
    /// A request is done, its answer is lost.
    AnswerLost "S2" Calls 60,
    /// The caller gave up; the request arrives much later.
    Delayed "S2" Calls 60,
    /// A ledger record is under way while its process stands still past its session, and arrives just before another's of the same number.
    Overtakes "K7" Calls 150,
    /// A request is done and answered with 500.
    ErrorAfter "S2" Calls 60,
    /// Completing is answered with 200 and an error.
    ErrorIn200 "S3" Calls 60,
    /// A conditional request meets another (409).
    Conflict "S4" Calls 80,
    /// The store takes conditional writes and ignores their condition.
    ConditionsIgnored "S4" Times 1,
    /// An upload that a record names is removed before it is completed.
    CommittedUploadRemoved "S6" Times 1,
    /// An upload is removed by somebody else.
    UploadRemoved "S5" Times 3,
    /// The store does not answer for seconds or minutes.
    StoreAway "S1" Times 2,
    /// A process's wall clock jumps.
    ClockJumps "S9" Times 2,
    /// A listing shows what was there a while ago.
    StaleList "S11" Calls 500,
    /// Each request takes seconds.
    Slow "S14" Times 2,
    /// A process is killed.
    Kill "P2" Times 5,
    /// A process is killed before or after its n-th call.
    KillAtCall "P2" Times 5,
    /// A process is asked to stop.
    Terminate "P3" Times 2,
    /// A task panics.
    Panic "P4" Times 2,
    /// A process stands still for a few seconds.
    Starved "P5" Times 3,
    /// A record is read into another folder each time.
    OtherFolder "R14" Calls 1000,
    /// Records of many folders.
    ManyFolders "R11" Times 1,
    /// A partition without records.
    EmptyPartition "R15" Times 1,
    /// Records that cannot be read.
    BadRecord "R1" Calls 100,
    /// The MQTT broker restarts and keeps its sessions.
    MqttRestart "M1" Times 2,
    /// The MQTT connection is cut; what is not acknowledged comes again.
    MqttCut "M2" Times 4,
    /// An acknowledgement is lost with its connection.
    AckLost "M3" Calls 60,
}

/// The numbers of all faults in one seed.
#[derive(Debug)]
pub(super) struct Faults(BTreeMap<Fault, u32>);

impl Faults {
    /// Each seed has its own selection: everything at once hides what two faults do alone.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let density = dice.between(15, 85);
        let mut draw = |(fault, _, _, max): &(Fault, &str, Meant, u32)| {
            let number = dice.between(1, u64::from(*max)) as u32;
            let is_on = dice.below(100) < density;
            (*fault, if is_on && !fault.asks_for_somebody() { number } else { 0 })
        };
        let mut faults: BTreeMap<Fault, u32> = Fault::ALL.iter().map(&mut draw).collect();
        // After one of these the pipeline may have to stop, so most seeds do without.
        let last: Vec<Fault> = Fault::ALL.iter().map(|(fault, ..)| *fault).filter(|fault| fault.asks_for_somebody()).collect();
        if dice.below(12) == 0 {
            faults.insert(last[dice.below(last.len() as u64) as usize], 1);
        }
        Self(faults)
    }

    /// Nothing goes wrong any more.
    pub(super) fn end(&mut self) {
        self.0.clear();
    }

    pub(super) fn leave_out(&mut self, fault: Fault) {
        self.0.remove(&fault);
    }

    pub(super) fn of(&self, fault: Fault) -> u32 {
        self.0.get(&fault).copied().unwrap_or(0)
    }
}
