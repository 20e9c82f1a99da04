//! Mistakes that tests plant into the engine, to see that they would be found. There is none outside tests.

use std::cell::Cell;

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlantedBug {
    /// A batch without rows is dropped with its delta.
    DeltaDroppedAtPartitioning,
    /// The position moves when a set is closed.
    CommittedBeforeTheUpload,
    /// A batch for which there is no room is dropped.
    DroppedWithoutRoom,
    /// A set commits before its dead letters are acknowledged.
    DeadLettersNotAwaited,
    /// A new owner writes no fence, and sweeps all the same.
    NoFence,
    /// A fence that is there already counts as the own one.
    FenceNotRead,
    /// Who finds another's record where its fence was to be keeps the position that it knew before.
    FenceKeepsOldEnd,
    /// Records are written without a condition.
    LedgerOverwrites,
    /// A commit record that is there already counts as the own one.
    ConflictIsSuccess,
    /// A commit record that is there already counts as another's.
    OwnRecordIsForeign,
    /// A commit without an answer is written again, under the next number.
    NextNumberOnRetry,
    /// All records of a number have the same nonce.
    NonceOfNumber,
    /// A new owner does not publish what was committed.
    RecoverySkipped,
    /// A record says that its own files are visible.
    PublishedBeforeItWas,
    /// Files become visible before their record is written.
    PublishedFirst,
    /// An upload that is gone counts as published.
    GoneIsPublished,
    /// A publication is tried once.
    PublishGivesUp,
    /// Uploads of a set are aborted when it is not known whether its record is there.
    AbortsWhenUnknown,
    /// Uploads are swept before the records that name them are read.
    SweepsFirst,
    /// Uploads are swept whatever their age.
    SweepIgnoresAge,
    /// Reading starts where the group stands.
    StartsAtTheGroup,
    /// A topic that was created anew goes on in the ledger of the old one.
    IdentityIgnored,
    /// A store that ignores conditions is trusted.
    NoProbe,
    /// A bookmark names a record before that is there.
    NamedBeforeItIsThere,
    /// A bookmark that forgot the newest records is believed.
    ForgottenBookmark,
    /// A position is committed without the word that names a record.
    WordErased,
    /// A source jumps over what retention removed.
    GapIsSilent,
    /// An MQTT message is acknowledged when it is read.
    AckedAtOnce,
}

thread_local! {
    static PLANTED: Cell<Option<PlantedBug>> = const { Cell::new(None) };
}

/// Plants a mistake into everything that runs on this thread, or takes it out.
pub(crate) fn plant(bug: Option<PlantedBug>) {
    PLANTED.set(bug);
}

/// Whether a mistake is planted here.
pub(crate) fn is_planted(bug: PlantedBug) -> bool {
    PLANTED.get() == Some(bug)
}
