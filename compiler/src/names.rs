//! The rules of the systems for names: Kafka topics, MQTT filters, buckets, folders and files.

use thiserror::Error;

/// Longest name of a Kafka topic.
pub const TOPIC_LENGTH_MAX: usize = 249;
/// Longest MQTT topic filter, in bytes.
pub const FILTER_BYTES_MAX: usize = 65_535;
/// Longest prefix: half of what S3 allows for a whole key, so that folders and the file name find room.
pub const PREFIX_BYTES_MAX: usize = 512;
/// The folder below a prefix that belongs to kpipe.
pub const RESERVED_FOLDER: &str = ".kpipe";

/// Why a name cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing between the quotes.
    #[error("the name is empty")]
    Empty,
    /// A topic of more than 249 characters.
    #[error("a Kafka topic has at most {TOPIC_LENGTH_MAX} characters, this one has {length}")]
    TopicLength {
        /// Its length.
        length: usize,
    },
    /// `.` and `..` are no topics.
    #[error("a Kafka topic cannot be called `{text}`")]
    TopicDots {
        /// The name.
        text: String,
    },
    /// A character that no topic may have.
    #[error("a Kafka topic cannot contain {}", show(*character))]
    TopicCharacter {
        /// The first one.
        character: char,
    },
    /// `a#`, `#/a`.
    #[error("`#` must be the last level of an MQTT filter and stand alone in it, but here is `{level}`")]
    FilterHash {
        /// The level, or the levels from it on.
        level: String,
    },
    /// `+x`.
    #[error("`+` must stand alone in a level of an MQTT filter, but here is `{level}`")]
    FilterPlus {
        /// The level.
        level: String,
    },
    /// U+0000 in a filter.
    #[error("an MQTT filter cannot contain U+0000")]
    FilterNul,
    /// Longer than the protocol can write.
    #[error("an MQTT filter has at most {FILTER_BYTES_MAX} bytes, this one has {length}")]
    FilterLength {
        /// Its length.
        length: usize,
    },
    /// `$share/g`, `$share//a`, `$share/+/a`.
    #[error("a shared subscription is written `$share/group/filter`; {missing}")]
    FilterShare {
        /// What is wrong with it.
        missing: &'static str,
    },
    /// A bucket that S3 would refuse.
    #[error("`{text}` is not a bucket name: {rule}")]
    Bucket {
        /// The name.
        text: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// `a:b:c`.
    #[error("the target has more than one `:`")]
    TwoColons,
    /// `..` and its like in a prefix, a folder or a file.
    #[error("the path `{text}` {rule}")]
    Path {
        /// The path.
        text: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
}

impl NameError {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Empty | Self::TopicDots { .. } | Self::FilterNul | Self::FilterLength { .. } => return None,
            Self::TopicLength { .. } | Self::TopicCharacter { .. } => "a topic is 1 to 249 of: letters A to Z, digits, `.`, `_`, `-`",
            Self::FilterHash { .. } => "`a/#` takes `a` and everything below it",
            Self::FilterPlus { .. } => "`a/+/b` takes any one level between `a` and `b`",
            Self::FilterShare { .. } => "for example `$share/kpipe/telemetry/+`",
            Self::Bucket { .. } => "3 to 63 of: letters a to z, digits, `.`, `-`; a letter or a digit at both ends",
            Self::TwoColons => "the target is `bucket` or `bucket:prefix`",
            Self::Path { .. } => "folders are joined by single `/`, as in `raw/orders`",
        };
        Some(help.to_owned())
    }
}

fn show(character: char) -> String {
    if character.is_control() {
        format!("U+{:04X}", u32::from(character))
    } else if character == ' ' {
        "a blank".to_owned()
    } else {
        format!("`{character}`")
    }
}

/// Checks the name of a Kafka topic.
///
/// # Errors
///
/// The first rule that it breaks.
pub fn check_topic(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some(character) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-')) {
        return Err(NameError::TopicCharacter { character });
    }
    if text == "." || text == ".." {
        return Err(NameError::TopicDots { text: text.to_owned() });
    }
    if text.len() > TOPIC_LENGTH_MAX {
        return Err(NameError::TopicLength { length: text.len() });
    }
    Ok(())
}

/// An MQTT topic filter, its shared group apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttFilter {
    /// The group of `$share/group/filter`.
    pub group: Option<String>,
    /// The levels of the filter itself.
    pub levels: Vec<String>,
}

impl MqttFilter {
    /// Reads a filter by the rules of the MQTT standard.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > FILTER_BYTES_MAX {
            return Err(NameError::FilterLength { length: text.len() });
        }
        if text.contains('\0') {
            return Err(NameError::FilterNul);
        }
        let (group, filter) = match text.strip_prefix("$share/") {
            None if text == "$share" => return Err(NameError::FilterShare { missing: "the group is missing" }),
            None => (None, text),
            Some(shared) => {
                let (group, filter) = split_share(shared)?;
                (Some(group.to_owned()), filter)
            }
        };
        let levels: Vec<String> = filter.split('/').map(str::to_owned).collect();
        for (index, level) in levels.iter().enumerate() {
            if level.contains('#') && (level != "#" || index + 1 < levels.len()) {
                return Err(NameError::FilterHash { level: levels[index..].join("/") });
            }
            if level.contains('+') && level != "+" {
                return Err(NameError::FilterPlus { level: level.to_owned() });
            }
        }
        Ok(Self { group, levels })
    }

    /// True if some topic matches both filters, whatever their groups are.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let system = |level: &String| level.starts_with('$');
        let wild = |level: &String| level == "#" || level == "+";
        // A wildcard in the first level does not match `$SYS` and its like.
        if let (Some(a), Some(b)) = (self.levels.first(), other.levels.first())
            && ((wild(a) && system(b)) || (system(a) && wild(b)))
        {
            return false;
        }
        overlap(&self.levels, &other.levels)
    }
}

fn split_share(shared: &str) -> Result<(&str, &str), NameError> {
    let (group, filter) = shared.split_once('/').ok_or(NameError::FilterShare { missing: "the filter is missing" })?;
    if group.is_empty() {
        return Err(NameError::FilterShare { missing: "the group is empty" });
    }
    if group.contains(['+', '#']) {
        return Err(NameError::FilterShare { missing: "the group cannot have a wildcard" });
    }
    if filter.is_empty() {
        return Err(NameError::FilterShare { missing: "the filter is missing" });
    }
    Ok((group, filter))
}

fn overlap(a: &[String], b: &[String]) -> bool {
    match (a.split_first(), b.split_first()) {
        (None, None) => true,
        // `a/#` matches `a` too.
        (Some((level, _)), None) | (None, Some((level, _))) => level == "#",
        (Some((x, a)), Some((y, b))) => x == "#" || y == "#" || ((x == y || x == "+" || y == "+") && overlap(a, b)),
    }
}

/// `bucket` or `bucket:prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketTarget {
    /// The bucket.
    pub bucket: String,
    /// What stands behind the `:`, without a `/` at its end.
    pub prefix: Option<String>,
}

impl BucketTarget {
    /// Reads a target and checks both parts.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (bucket, prefix) = match text.split_once(':') {
            None => (text, None),
            Some((bucket, prefix)) => (bucket, Some(prefix)),
        };
        check_bucket(bucket)?;
        let prefix = match prefix {
            None => None,
            Some(prefix) if prefix.contains(':') => return Err(NameError::TwoColons),
            Some(prefix) => Some(check_folder(prefix)?),
        };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }
}

/// Checks the name of a bucket.
///
/// # Errors
///
/// The first rule that it breaks.
pub fn check_bucket(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let broken = |rule| Err(NameError::Bucket { text: text.to_owned(), rule });
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return broken("it has capitals");
    }
    if text.chars().any(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !matches!(c, '.' | '-')) {
        return broken("it has other characters than letters, digits, `.` and `-`");
    }
    if !(3..=63).contains(&text.len()) {
        return broken("it must have 3 to 63 characters");
    }
    if text.starts_with(['.', '-']) || text.ends_with(['.', '-']) {
        return broken("it must begin and end with a letter or a digit");
    }
    if text.contains("..") {
        return broken("it has two dots in a row");
    }
    if text.split('.').count() == 4 && text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return broken("it looks like an IP address");
    }
    Ok(())
}

/// Checks a prefix or a folder and returns it without the `/` at its end.
///
/// # Errors
///
/// If it is empty, absolute, leaves its root, has a control character or belongs to kpipe.
pub fn check_folder(text: &str) -> Result<String, NameError> {
    let folder = text.strip_suffix('/').unwrap_or(text);
    check_path(folder)?;
    if folder.split('/').any(|part| part == RESERVED_FOLDER) {
        return Err(NameError::Path { text: text.to_owned(), rule: "has the folder `.kpipe`, which belongs to kpipe" });
    }
    Ok(folder.to_owned())
}

/// Checks a relative path: also one with `*` in it.
///
/// # Errors
///
/// If it is empty, absolute, leaves its root or has a control character.
pub fn check_path(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let broken = |rule| Err(NameError::Path { text: text.escape_default().to_string(), rule });
    if text.chars().any(char::is_control) {
        return broken("has a control character");
    }
    if text.contains('\\') {
        return broken("has a `\\`");
    }
    if text.starts_with('/') {
        return broken("begins with `/`");
    }
    if text.split('/').any(str::is_empty) {
        return broken("has an empty folder");
    }
    if text.split('/').any(|part| part == "." || part == "..") {
        return broken("has the folder `.` or `..`");
    }
    if text.len() > PREFIX_BYTES_MAX {
        return broken("has more than 512 bytes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> MqttFilter {
        MqttFilter::parse(text).unwrap()
    }

    #[test]
    fn topics_by_kafkas_rules() {
        for good in ["orders", "a.b-c_d", "1", "D.TS.OUT.9931.2.COPY", &"x".repeat(249)] {
            assert_eq!(check_topic(good), Ok(()), "{good}");
        }
        assert_eq!(check_topic("a/b"), Err(NameError::TopicCharacter { character: '/' }));
        assert_eq!(check_topic("a b").unwrap_err().to_string(), "a Kafka topic cannot contain a blank");
        assert_eq!(check_topic("a\u{7}").unwrap_err().to_string(), "a Kafka topic cannot contain U+0007");
        assert_eq!(check_topic(".."), Err(NameError::TopicDots { text: "..".to_owned() }));
        assert_eq!(check_topic(&"x".repeat(250)), Err(NameError::TopicLength { length: 250 }));
        assert_eq!(check_topic(""), Err(NameError::Empty));
    }

    #[test]
    fn filters_by_the_standard() {
        for good in ["a", "/", "a//b", "+", "#", "+/+/#", "a/+/b", "/a", "$SYS/#", "with blank/é"] {
            assert_eq!(filter(good).group, None, "{good}");
        }
        assert_eq!(MqttFilter::parse("a#"), Err(NameError::FilterHash { level: "a#".to_owned() }));
        assert_eq!(MqttFilter::parse("#/a"), Err(NameError::FilterHash { level: "#/a".to_owned() }));
        assert_eq!(MqttFilter::parse("a/+x"), Err(NameError::FilterPlus { level: "+x".to_owned() }));
        assert_eq!(MqttFilter::parse("a\0"), Err(NameError::FilterNul));
        assert_eq!(MqttFilter::parse(""), Err(NameError::Empty));
        assert!(matches!(MqttFilter::parse(&"x".repeat(70_000)), Err(NameError::FilterLength { length: 70_000 })));
    }

    #[test]
    fn shared_subscriptions() {
        let shared = filter("$share/g/x/+");
        assert_eq!((shared.group.as_deref(), shared.levels.join("/")), (Some("g"), "x/+".to_owned()));
        for bad in ["$share", "$share/g", "$share//x", "$share/g/", "$share/+/x"] {
            assert!(matches!(MqttFilter::parse(bad), Err(NameError::FilterShare { .. })), "{bad}");
        }
        assert!(matches!(MqttFilter::parse("$share/g/a#"), Err(NameError::FilterHash { .. })));
    }

    #[test]
    fn filters_that_take_the_same_topics() {
        for (a, b) in [("a/+", "a/b"), ("#", "x/y"), ("a/#", "a"), ("+/b", "a/+"), ("$share/g/a", "a"), ("/+", "/#")] {
            assert!(filter(a).overlaps(&filter(b)) && filter(b).overlaps(&filter(a)), "{a} and {b}");
        }
        for (a, b) in [("a/+", "a"), ("a/b", "a/c"), ("#", "$SYS/x"), ("+/x", "$SYS/x")] {
            assert!(!filter(a).overlaps(&filter(b)), "{a} and {b}");
        }
    }

    #[test]
    fn buckets_and_prefixes() {
        let target = BucketTarget::parse("lake:raw/orders/").unwrap();
        assert_eq!((target.bucket.as_str(), target.prefix.as_deref()), ("lake", Some("raw/orders")));
        assert_eq!(BucketTarget::parse("lake").unwrap().prefix, None);
        assert_eq!(BucketTarget::parse("lake:a:b"), Err(NameError::TwoColons));
        assert_eq!(BucketTarget::parse("lake:"), Err(NameError::Empty));
        for bad in ["ab", "Lake", "la_ke", "-lake", "lake.", "a..b", "10.0.0.1", &"x".repeat(64)] {
            assert!(matches!(BucketTarget::parse(bad), Err(NameError::Bucket { .. })), "{bad}");
        }
    }

    #[test]
    fn paths_stay_below_their_root() {
        for bad in ["/a", "a//b", "../a", "a/./b", "a/..", "a\nb", "a\\b", ".kpipe", "a/.kpipe/b", &"x".repeat(513)] {
            let error = check_folder(bad).unwrap_err();
            assert!(matches!(error, NameError::Path { .. }), "{bad}");
            assert!(!error.to_string().contains('\n'));
        }
        assert_eq!(check_path("in/*.jsonl"), Ok(()));
        assert_eq!(check_path(".kpipe-not"), Ok(()));
    }

    #[test]
    fn names_are_as_long_as_their_systems_allow() {
        let x = |count: usize| "x".repeat(count);
        assert!(check_topic(&x(TOPIC_LENGTH_MAX)).is_ok() && check_topic(&x(TOPIC_LENGTH_MAX + 1)).is_err());
        assert!(check_folder(&x(PREFIX_BYTES_MAX)).is_ok() && check_folder(&x(PREFIX_BYTES_MAX + 1)).is_err());
        assert!(MqttFilter::parse(&x(FILTER_BYTES_MAX)).is_ok());
        let said = |text: &str| MqttFilter::parse(text).unwrap_err().to_string();
        assert_eq!(said(&x(FILTER_BYTES_MAX + 1)), "an MQTT filter has at most 65535 bytes, this one has 65536");
        assert_eq!(said("a\0b"), "an MQTT filter cannot contain U+0000");
        for (length, fits) in [(2, false), (3, true), (63, true), (64, false)] {
            assert_eq!(BucketTarget::parse(&x(length)).is_ok(), fits, "a bucket of {length}");
        }
    }

    #[test]
    fn every_rule_that_has_an_answer_gives_it() {
        assert!(check_topic("a/b").unwrap_err().help().unwrap().contains("249"));
        assert!(MqttFilter::parse("a#").unwrap_err().help().unwrap().contains("a/#"));
        assert_eq!(NameError::Empty.help(), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = check_topic(&text);
            let _ = BucketTarget::parse(&text);
            if let Ok(filter) = MqttFilter::parse(&text) {
                prop_assert!(filter.overlaps(&filter.clone()));
            }
        }
    }

    /// True if a topic matches a filter, straight from the standard.
    fn matches(filter: &[String], topic: &[&str]) -> bool {
        match (filter.split_first(), topic.split_first()) {
            (None, None) => true,
            (Some((level, _)), _) if level == "#" => true,
            (Some((level, filter)), Some((name, topic))) => (level == "+" || level == name) && matches(filter, topic),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "", "+"])
    }

    fn any_filter() -> impl Strategy<Value = String> {
        (prop::collection::vec(level(), 1..4), any::<bool>())
            .prop_map(|(levels, rest)| format!("{}{}", levels.join("/"), if rest { "/#" } else { "" }))
            .prop_filter("a filter has at least one character", |filter| !filter.is_empty())
    }

    proptest! {
        #[test]
        fn filters_that_share_a_topic_overlap(
            a in any_filter(),
            b in any_filter(),
            topic in prop::collection::vec(prop::sample::select(vec!["a", "b", ""]), 1..5),
        ) {
            let (a, b) = (filter(&a), filter(&b));
            if matches(&a.levels, &topic) && matches(&b.levels, &topic) {
                prop_assert!(a.overlaps(&b), "{a:?} {b:?} {topic:?}");
            }
        }

        #[test]
        fn overlap_has_no_direction(a in any_filter(), b in any_filter()) {
            prop_assert_eq!(filter(&a).overlaps(&filter(&b)), filter(&b).overlaps(&filter(&a)));
        }

        #[test]
        fn what_passes_stays_below_its_root(text in "[a./\\\\ -]{0,20}") {
            if let Ok(folder) = check_folder(&text) {
                prop_assert!(!folder.starts_with('/') && !folder.ends_with('/') && !folder.contains("//"));
                prop_assert!(folder.split('/').all(|part| part != ".." && part != "." && !part.is_empty()));
            }
        }
    }

    #[test]
    fn messages_say_the_rule() {
        let messages: Vec<String> = [
            check_topic("").unwrap_err(),
            check_topic(&"x".repeat(300)).unwrap_err(),
            check_topic(".").unwrap_err(),
            MqttFilter::parse("a/b#").unwrap_err(),
            MqttFilter::parse("$share/g").unwrap_err(),
            check_bucket("a_b").unwrap_err(),
            check_bucket("a").unwrap_err(),
            BucketTarget::parse("aaa:b:c").unwrap_err(),
            check_path("a\u{0}b").unwrap_err(),
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        assert_eq!(
            messages,
            [
                "the name is empty",
                "a Kafka topic has at most 249 characters, this one has 300",
                "a Kafka topic cannot be called `.`",
                "`#` must be the last level of an MQTT filter and stand alone in it, but here is `b#`",
                "a shared subscription is written `$share/group/filter`; the filter is missing",
                "`a_b` is not a bucket name: it has other characters than letters, digits, `.` and `-`",
                "`a` is not a bucket name: it must have 3 to 63 characters",
                "the target has more than one `:`",
                "the path `a\\u{0}b` has a control character",
            ]
        );
    }
}
