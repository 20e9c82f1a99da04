//! Topic filters as MQTT 3.1.1 section 4.7 and MQTT 5 section 4.8.2 define them.

/// A filter of a statement, and what to match messages with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    /// What is subscribed to, `$share/group/` included.
    pub(super) subscription: String,
    /// The filter alone.
    levels: Vec<String>,
}

impl Filter {
    /// A filter that the compiler has checked.
    pub(super) fn new(subscription: &str) -> Self {
        let filter = match subscription.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
            Some((_group, filter)) => filter,
            None => subscription,
        };
        Self { subscription: subscription.to_owned(), levels: filter.split('/').map(str::to_owned).collect() }
    }

    /// True for `$share/group/...`: several clients take turns.
    pub(super) fn is_shared(&self) -> bool {
        self.subscription.starts_with("$share/")
    }

    /// Whether a message on `topic` belongs to this filter.
    pub(super) fn matches(&self, topic: &str) -> bool {
        let wild_first = matches!(self.levels.first().map(String::as_str), Some("#" | "+"));
        if wild_first && topic.starts_with('$') {
            return false;
        }
        let (mut levels, mut names) = (self.levels.iter(), topic.split('/'));
        loop {
            match (levels.next(), names.next()) {
                // `a/#` takes `a` as well: the filter's last level is then met by no name at all.
                (Some(level), _) if level == "#" => return true,
                (Some(level), Some(name)) if level == "+" || level == name => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/+/#", "a", false),
            ("a/+/#", "a/b", true),
            ("#", "a/b", true),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$share/g/a/+", "a/b", true),
            ("$share/g/a/+", "$share/g/a/b", false),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ] {
            assert_eq!(Filter::new(filter).matches(topic), expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn a_shared_filter_knows_it() {
        assert!(Filter::new("$share/g/a").is_shared());
        assert!(!Filter::new("a").is_shared());
    }
}
