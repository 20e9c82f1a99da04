//! The classes of changes, and the consent that each one needs.

use serde::{Deserialize, Serialize};

/// What a change does to data, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeClass {
    /// Nothing.
    None,
    /// Takes effect without a restart.
    InPlace,
    /// Drain, then go on where it stopped.
    Restart,
    /// New columns that may be null.
    SchemaAdd,
    /// New objects under other names; the old ones stay.
    NewLayout,
    /// Columns that are gone or mean something else under a name that has data.
    SchemaBreak,
    /// Records may be written again as new objects.
    Replay,
    /// A guarantee is given up.
    WeakerPromise,
    /// Records may be skipped.
    GapRisk,
    /// Something stops for good; its data and offsets stay.
    Delete,
}

/// What must be said before a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consent {
    /// Nothing: it is made without asking.
    NotNeeded,
    /// This flag of `apply`, or a yes at a terminal.
    Flag(&'static str),
}

impl Consent {
    /// The flag; `None` if nothing is asked.
    #[must_use]
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::NotNeeded => None,
            Self::Flag(flag) => Some(flag),
        }
    }
}

impl ChangeClass {
    /// All of them, the mildest first.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::InPlace,
        Self::Restart,
        Self::SchemaAdd,
        Self::NewLayout,
        Self::SchemaBreak,
        Self::Replay,
        Self::WeakerPromise,
        Self::GapRisk,
        Self::Delete,
    ];

    /// Its name for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "no change",
            Self::InPlace => "in place",
            Self::Restart => "restart",
            Self::SchemaAdd => "schema add",
            Self::NewLayout => "new layout",
            Self::SchemaBreak => "schema break",
            Self::Replay => "replay",
            Self::WeakerPromise => "weaker promise",
            Self::GapRisk => "gap risk",
            Self::Delete => "delete",
        }
    }

    /// What it does, in one line.
    #[must_use]
    pub fn effect(self) -> &'static str {
        match self {
            Self::None => "nothing happens",
            Self::InPlace => "takes effect without a restart",
            Self::Restart => "drains, then goes on where it stopped",
            Self::SchemaAdd => "readers that take columns by name are safe",
            Self::NewLayout => "new objects or records get another place, the old ones stay; readers must know",
            Self::SchemaBreak => "readers of what is there already meet columns that are gone or changed; a new target avoids it",
            Self::Replay => "records may be written again as new ones",
            Self::WeakerPromise => "a guarantee that held no longer holds",
            Self::GapRisk => "records between the old position and the new one may be skipped",
            Self::Delete => "it stops; data and offsets stay",
        }
    }

    /// What must be said before it is made.
    #[must_use]
    pub fn consent(self) -> Consent {
        match self {
            Self::None | Self::InPlace | Self::Restart => Consent::NotNeeded,
            Self::SchemaAdd | Self::NewLayout => Consent::Flag("--yes"),
            Self::SchemaBreak => Consent::Flag("--allow-schema-break"),
            Self::Replay => Consent::Flag("--allow-replay"),
            Self::WeakerPromise => Consent::Flag("--allow-weaker"),
            Self::GapRisk => Consent::Flag("--accept-gap"),
            Self::Delete => Consent::Flag("--allow-delete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole_and_in_order() {
        assert!(ChangeClass::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ChangeClass::ALL.first(), Some(&ChangeClass::None));
        assert_eq!(ChangeClass::ALL.last(), Some(&ChangeClass::Delete));
    }

    #[test]
    fn only_what_touches_no_data_goes_without_consent() {
        for class in ChangeClass::ALL {
            assert_eq!(class.consent() == Consent::NotNeeded, class <= ChangeClass::Restart, "{class:?}");
            assert_eq!(class.consent().flag().is_none(), class <= ChangeClass::Restart);
            assert!(!class.word().is_empty() && !class.effect().is_empty());
        }
    }

    #[test]
    fn the_graver_classes_are_not_covered_by_yes() {
        assert_eq!(ChangeClass::NewLayout.consent(), Consent::Flag("--yes"));
        for class in ChangeClass::ALL.into_iter().filter(|class| *class > ChangeClass::NewLayout) {
            assert_ne!(class.consent(), Consent::Flag("--yes"), "{class:?}");
        }
    }
}
