//! Names in FROM: `a/b.log`, `*.log`, `logs/**/*.jsonl`.
//!
//! `*` stands for any characters of one name, `?` for one, `**` as a whole name for any folders or none. A name that starts with a dot is
//! matched by a pattern that does too.

use kpipe_engine::error::{ConnectorError, ErrorKind};

/// A parsed name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    names: Vec<String>,
}

impl Glob {
    /// Reads a name.
    ///
    /// # Errors
    /// It could mean a file outside the directory.
    pub(super) fn parse(text: &str) -> Result<Self, ConnectorError> {
        let names: Vec<String> = text.split('/').map(str::to_owned).collect();
        let reason = if names.iter().any(String::is_empty) {
            "a part of the path is empty"
        } else if names.iter().any(|name| name == "." || name == "..") {
            "`.` and `..` are no names"
        } else if text.chars().any(char::is_control) {
            "it holds a control character"
        } else {
            return Ok(Self { names });
        };
        Err(ConnectorError::new(ErrorKind::Invalid, format!("{text:?} is no file below `dir`: {reason}")))
    }

    /// The name, if it is one file and no pattern.
    pub(super) fn literal(&self) -> Option<String> {
        let is_pattern = self.names.iter().any(|name| name.contains(['*', '?']));
        (!is_pattern).then(|| self.names.join("/"))
    }

    /// Whether a path relative to the directory is meant.
    pub(super) fn matches(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        path_matches(&self.names, &parts)
    }

    /// Whether files below this folder can be meant.
    pub(super) fn reaches(&self, folder: &str) -> bool {
        let mut names = self.names.iter();
        for part in folder.split('/') {
            match names.next() {
                Some(name) if name == "**" => return true,
                Some(name) if name_matches(name, part) => {}
                _ => return false,
            }
        }
        names.next().is_some()
    }
}

fn path_matches(names: &[String], parts: &[&str]) -> bool {
    match (names, parts) {
        ([], []) => true,
        ([], _) => false,
        ([name, rest @ ..], _) if name == "**" => {
            path_matches(rest, parts)
                || parts.split_first().is_some_and(|(part, after)| !part.starts_with('.') && path_matches(names, after))
        }
        ([name, rest @ ..], [part, after @ ..]) => name_matches(name, part) && path_matches(rest, after),
        (_, []) => false,
    }
}

/// One name against one pattern, without backtracking over more than the last `*`.
fn name_matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_shells_have_it() {
        for (pattern, yes, no) in [
            ("a.log", vec!["a.log"], vec!["a.log.1", "b/a.log", "A.log"]),
            ("*.log", vec!["a.log", "b.c.log"], vec!["a.txt", "x/a.log", ".a.log"]),
            ("a*b*c", vec!["abc", "aXbXbc"], vec!["abcX", "ab"]),
            ("?.log", vec!["a.log", "ä.log"], vec![".log", "ab.log"]),
            ("x/*.log", vec!["x/a.log"], vec!["a.log", "x/y/a.log"]),
            ("**/*.log", vec!["a.log", "x/a.log", "x/y/a.log"], vec![".x/a.log", "x/.a.log"]),
            ("x/**", vec!["x/a", "x/y/a"], vec!["y/a"]),
            (".*", vec![".a"], vec!["a"]),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            yes.into_iter().for_each(|path| assert!(glob.matches(path), "{pattern} {path}"));
            no.into_iter().for_each(|path| assert!(!glob.matches(path), "{pattern} {path}"));
        }
    }

    #[test]
    fn names_outside_are_refused() {
        for name in ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a\0"] {
            assert_eq!(Glob::parse(name).unwrap_err().kind, ErrorKind::Invalid, "{name:?}");
        }
    }

    #[test]
    fn folders_that_cannot_match_are_not_entered() {
        let glob = Glob::parse("logs/*/a.log").unwrap();
        assert!(glob.reaches("logs") && glob.reaches("logs/x"));
        assert!(!glob.reaches("other") && !glob.reaches("logs/x/y"));
        assert!(Glob::parse("**/a").unwrap().reaches("x/y/z"));
        assert_eq!(Glob::parse("a/b").unwrap().literal().as_deref(), Some("a/b"));
        assert_eq!(Glob::parse("a/*").unwrap().literal(), None);
    }
}
