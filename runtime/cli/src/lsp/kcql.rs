//! Where in a statement somebody writes, by the words before it. A statement that is being typed is no statement yet, so this looks at
//! words and parentheses only.

use std::ops::Range;

/// A place in a text of statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// What is due here.
    pub(super) due: Due,
    /// The word that is typed already, dots included.
    pub(super) typed: Range<usize>,
    /// The clauses that the statement has before this place, in capitals.
    pub(super) seen: Vec<String>,
}

/// What may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A statement begins.
    Statement,
    /// This word.
    Word(&'static str),
    /// The name of a target.
    Target,
    /// The name of a source.
    Source,
    /// A field; the word goes on the list if the last item is whole.
    Field(Option<&'static str>),
    /// A field or a clause.
    FieldOrClause,
    /// A clause.
    Clause,
    /// A format of files.
    Format,
    /// The key of a property.
    Property,
    /// Nothing: text, a comment, a number.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Text,
    Mark(char),
}

#[derive(Clone, Copy, Debug)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    start: usize,
    /// The text ended inside of it.
    is_open: bool,
}

/// The place at the end of a text.
pub(super) fn spot(text: &str) -> Spot {
    let end = text.len();
    let Some(mut tokens) = tokens(text) else { return Spot { due: Due::Nothing, typed: end..end, seen: Vec::new() } };
    let start = tokens.iter().rposition(|token| token.kind == Kind::Mark(';')).map_or(0, |at| at + 1);
    tokens.drain(..start);
    let typed = match tokens.last() {
        Some(last) if last.is_open => return Spot { due: Due::Nothing, typed: end..end, seen: Vec::new() },
        Some(last) if last.kind == Kind::Word && last.start + last.text.len() == end => last.start..end,
        _ => end..end,
    };
    if !typed.is_empty() {
        tokens.pop();
    }
    let words = clauses(&tokens);
    Spot { due: due(&tokens, &words), typed, seen: words.into_iter().map(|(word, _)| word).collect() }
}

/// The word around a byte of a text, dots included.
pub(super) fn word(text: &str, byte: usize) -> Option<Range<usize>> {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let start = text[..byte].rfind(|c| !is_word(c)).map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let end = byte + text[byte..].find(|c| !is_word(c)).unwrap_or(text.len() - byte);
    (start < end).then_some(start..end)
}

fn due(tokens: &[Token<'_>], words: &[(String, usize)]) -> Due {
    let Some((clause, at)) = words.last() else { return if tokens.is_empty() { Due::Statement } else { Due::Nothing } };
    let behind = &tokens[at + 1..];
    let depth = behind.iter().fold(0_usize, |depth, token| match token.kind {
        Kind::Mark('(') => depth + 1,
        Kind::Mark(')') => depth.saturating_sub(1),
        _ => depth,
    });
    // An item is whole if nothing says that another part must follow.
    let is_whole = behind.last().is_some_and(|last| !matches!(last.kind, Kind::Mark(c) if c != ')' && c != '*') && !is_joint(last.text));
    match (clause.as_str(), is_whole) {
        ("INSERT" | "UPSERT", _) => Due::Word("INTO"),
        ("INTO", false) => Due::Target,
        ("INTO", true) => Due::Word("SELECT"),
        ("SELECT", false) => Due::Field(None),
        ("SELECT", true) => Due::Field(Some("FROM")),
        ("FROM", false) => Due::Source,
        ("STOREAS", false) if behind.is_empty() => Due::Format,
        ("PROPERTIES" | "STOREAS", _) if depth > 0 => {
            let opens = behind.last().is_some_and(|last| matches!(last.kind, Kind::Mark('(' | ',')));
            if opens { Due::Property } else { Due::Nothing }
        }
        ("PARTITIONBY" | "WITHKEY" | "PK" | "IGNORE", false) => Due::Field(None),
        ("WITHKEY" | "PARTITIONBY", true) if depth > 0 => Due::Field(None),
        ("WHERE", true) => Due::FieldOrClause,
        ("WHERE", false) => Due::Field(None),
        ("LIMIT" | "KEYDELIMITER" | "WITHCONVERTER", false) => Due::Nothing,
        _ => Due::Clause,
    }
}

/// The words that begin clauses, and where they stand.
fn clauses(tokens: &[Token<'_>]) -> Vec<(String, usize)> {
    let known = kpipe_grammar::keywords();
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                let word = token.text.to_ascii_uppercase();
                let is_first = |keyword: &&str| keyword.split(' ').next() == Some(word.as_str());
                let is_keyword = word == "INTO" || known.iter().any(is_first);
                let before = at.checked_sub(1).map(|before| tokens[before]);
                if is_keyword && !takes_name(before, found.last(), at) {
                    found.push((word, at));
                }
            }
            _ => {}
        }
    }
    found
}

/// Whether a name is due after a token, so that a keyword would be one.
fn takes_name(before: Option<Token<'_>>, last: Option<&(String, usize)>, at: usize) -> bool {
    let Some(before) = before else { return false };
    let follows = |word: &str| last.is_some_and(|(clause, place)| clause == word && place + 1 == at);
    matches!(before.kind, Kind::Mark(',' | '.' | '='))
        || before.text.eq_ignore_ascii_case("AS")
        || follows("INTO")
        || follows("FROM")
        || follows("SELECT")
}

/// Words after which an expression goes on.
fn is_joint(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    matches!(word.as_str(), "AND" | "OR" | "NOT" | "AS" | "IN" | "LIKE" | "BETWEEN" | "CASE" | "WHEN" | "THEN" | "ELSE")
}

/// The tokens of a text; none if it ends inside of a comment.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let after_gap = tokens.last().is_none_or(|last| last.start + last.text.len() < at || last.kind == Kind::Mark(';'));
        let comment_end = match rest {
            _ if !after_gap => None,
            rest if rest.starts_with("--") => Some(rest.find('\n').map(|length| at + length)),
            rest if rest.starts_with("/*") => Some(rest.find("*/").map(|length| at + length + 2)),
            _ => None,
        };
        if let Some(end) = comment_end {
            at = end?;
            continue;
        }
        let (kind, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '\'' => (Kind::Text, closed(rest, c)),
            '`' | '"' => (Kind::Quoted, closed(rest, c)),
            c if is_word(c) => (Kind::Word, rest.find(|c| !is_word(c))),
            c => (Kind::Mark(c), Some(c.len_utf8())),
        };
        let is_open = length.is_none() && matches!(kind, Kind::Text | Kind::Quoted);
        let length = length.unwrap_or(rest.len());
        tokens.push(Token { kind, text: &rest[..length], start: at, is_open });
        at += length;
    }
    Some(tokens)
}

/// The length of a quoted text; a doubled mark belongs to it.
fn closed(rest: &str, mark: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest[at..].find(mark)? + 1;
        if !rest[at..].starts_with(mark) {
            return Some(at);
        }
        at += 1;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '+' | ':' | '#' | '$' | '@' | '{' | '}' | '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_due_follows_from_the_words_before() {
        for (text, expected, typed) in [
            ("", Due::Statement, ""),
            ("INS", Due::Statement, "INS"),
            ("INSERT ", Due::Word("INTO"), ""),
            ("INSERT INTO ", Due::Target, ""),
            ("INSERT INTO lake:or", Due::Target, "lake:or"),
            ("INSERT INTO a ", Due::Word("SELECT"), ""),
            ("INSERT INTO a SELECT ", Due::Field(None), ""),
            ("insert into a select b", Due::Field(None), "b"),
            ("INSERT INTO a SELECT b ", Due::Field(Some("FROM")), ""),
            ("INSERT INTO a SELECT * ", Due::Field(Some("FROM")), ""),
            ("INSERT INTO a SELECT b, ", Due::Field(None), ""),
            ("INSERT INTO a SELECT b, customer.co", Due::Field(None), "customer.co"),
            ("INSERT INTO a SELECT b FROM ", Due::Source, ""),
            ("INSERT INTO a SELECT b FROM `x y` ", Due::Clause, ""),
            ("INSERT INTO a SELECT b FROM t PART", Due::Clause, "PART"),
            ("INSERT INTO a SELECT b FROM t PARTITIONBY ", Due::Field(None), ""),
            ("INSERT INTO a SELECT b FROM t PARTITIONBY c ", Due::Clause, ""),
            ("INSERT INTO a SELECT b FROM t PARTITIONBY c, ", Due::Field(None), ""),
            ("INSERT INTO a SELECT b FROM t WITHKEY(c, ", Due::Field(None), ""),
            ("INSERT INTO a SELECT b FROM t WITHKEY(c) ", Due::Clause, ""),
            ("INSERT INTO a SELECT b FROM t WHERE x > ", Due::Field(None), ""),
            ("INSERT INTO a SELECT b FROM t WHERE x > 1 ", Due::FieldOrClause, ""),
            ("INSERT INTO a SELECT b FROM t WHERE x AND ", Due::Field(None), ""),
            ("INSERT INTO a SELECT b FROM t STOREAS ", Due::Format, ""),
            ("INSERT INTO a SELECT b FROM t STOREAS JSON ", Due::Clause, ""),
            ("INSERT INTO a SELECT b FROM t PROPERTIES(", Due::Property, ""),
            ("INSERT INTO a SELECT b FROM t PROPERTIES('x'=1, fl", Due::Property, "fl"),
            ("INSERT INTO a SELECT b FROM t PROPERTIES('x'=", Due::Nothing, ""),
            ("INSERT INTO a SELECT b FROM t LIMIT ", Due::Nothing, ""),
            ("INSERT INTO a SELECT b FROM t LIMIT 5 ", Due::Clause, ""),
            ("INSERT INTO a SELECT b FROM t; ", Due::Statement, ""),
            ("-- all of it\nINSERT INTO ", Due::Target, ""),
        ] {
            let spot = spot(text);
            assert_eq!((spot.due, &text[spot.typed]), (expected, typed), "{text:?}");
        }
    }

    #[test]
    fn names_that_look_like_clauses_are_names() {
        assert_eq!(spot("INSERT INTO batch ").due, Due::Word("SELECT"));
        assert_eq!(spot("INSERT INTO a SELECT limit, t AS ttl FROM ").due, Due::Source);
        assert_eq!(spot("INSERT INTO a SELECT * FROM select ").due, Due::Clause);
        assert_eq!(spot("INSERT INTO a SELECT * FROM t WITHKEY (limit) ").seen, ["INSERT", "INTO", "SELECT", "FROM", "WITHKEY"]);
    }

    #[test]
    fn nothing_is_due_inside_of_texts_and_comments() {
        for text in ["INSERT INTO a -- wh", "INSERT /* x", "SELECT 'a", "SELECT `a b", "INSERT INTO \"x"] {
            assert_eq!(spot(text).due, Due::Nothing, "{text:?}");
        }
        assert_eq!(spot("INSERT INTO a--b ").due, Due::Word("SELECT"), "no comment");
        assert_eq!(spot("SELECT 'it''s' ").due, Due::Field(Some("FROM")));
    }

    #[test]
    fn a_word_is_found_from_any_of_its_letters() {
        let text = "SELECT customer.größe, b";
        for (byte, expected) in [(0, "SELECT"), (6, "SELECT"), (7, "customer.größe"), (12, "customer.größe"), (text.len(), "b")] {
            assert_eq!(word(text, byte).map(|at| &text[at]), Some(expected), "{byte}");
        }
        assert_eq!((word("a  b", 2), word("", 0)), (None, None));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([a-z'`\"(),;.=*\\-/ é\n]|SELECT |FROM |INTO |--|/\\*){0,30}", byte in 0..60_usize) {
            prop_assert!(text.get(spot(&text).typed).is_some());
            word(&text, byte);
        }
    }
}
