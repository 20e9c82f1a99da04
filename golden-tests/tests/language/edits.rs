//! The words of a pipeline that mean something, and every single-character edit of them.

use std::collections::BTreeSet;
use std::ops::Range;

use kpipe_compiler::functions;
use kpipe_compiler::report::Report;
use kpipe_compiler::sources::Sources;
use kpipe_compiler::yaml::{Node, read};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A keyword of KCQL, of an expression, or the name of a type in it.
    Keyword,
    /// A function.
    Function,
    /// A key of the file.
    Option,
    /// A word that an option takes: a format, a mode, a type of a schema.
    Choice,
    /// A property of a statement or of its format.
    Property,
    /// A field of the schema, or a metadata column, where a statement or an option names it.
    Field,
    /// A field where the schema declares it.
    Declared,
}

/// A word and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) kind: Kind,
    pub(crate) at: Range<usize>,
}

/// Words of expressions that begin no clause.
const OPERATORS: &[&str] = &[
    "INTO", "PK", "AS", "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ESCAPE", "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST",
    "TRY_CAST",
];
/// Names of types and formats, in a schema, a `CAST` and `STOREAS`.
const TYPES: &[&str] = &[
    "boolean",
    "int",
    "bigint",
    "real",
    "double",
    "decimal",
    "string",
    "bytes",
    "date",
    "timestamp",
    "json",
    "not",
    "null",
    "parquet",
    "text",
];
/// Options that take words.
const CHOSEN: &[&str] = &[
    "delivery",
    "tolerance",
    "format",
    "mode",
    "compat",
    "compression",
    "mechanism",
    "parse",
    "on_type_change",
    "from",
    "acks",
    "version",
];
/// Options that name fields.
const NAMING: &[&str] = &["timestamp", "partition_by"];

/// Every word of a file.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut sources = Sources::new();
    let id = sources.add("pipeline.yaml", text);
    let documents = read(sources.file(id), &mut Report::default());
    let mut words = Words { text, fields: BTreeSet::new(), found: Vec::new() };
    for root in &documents.roots {
        words.fields = ["_key", "_value", "_topic", "_partition", "_offset", "_timestamp", "_header", "_qos", "_retained", "_date"]
            .map(str::to_owned)
            .into();
        words.declare(root, false);
        words.document(root, "");
    }
    words.found.sort_by_key(|word| word.at.start);
    words.found
}

struct Words<'a> {
    text: &'a str,
    fields: BTreeSet<String>,
    found: Vec<Word>,
}

impl Words<'_> {
    /// Collects the fields that the document declares.
    fn declare(&mut self, node: &Node, in_schema: bool) {
        for entry in node.entries().unwrap_or_default() {
            if in_schema {
                self.fields.insert(entry.key.clone());
            }
            self.declare(&entry.value, in_schema || entry.key == "schema");
        }
    }

    fn document(&mut self, node: &Node, key: &str) {
        for entry in node.entries().unwrap_or_default() {
            let kind = if key == "schema" { Kind::Declared } else { Kind::Option };
            self.push(kind, entry.at.span.start..entry.at.span.end);
            match entry.key.as_str() {
                _ if key == "schema" => self.schema(&entry.value),
                "kcql" => self.statements(entry.value.at.span.start..entry.value.at.span.end),
                below => self.document(&entry.value, below),
            }
        }
        for item in node.items().unwrap_or_default() {
            self.document(item, key);
        }
        let span = node.at.span.start..node.at.span.end;
        let is_word = node.scalar().is_some_and(|scalar| scalar.text.starts_with(|first: char| first.is_ascii_alphabetic()));
        if is_word && CHOSEN.contains(&key) {
            self.push(Kind::Choice, span);
        } else if node.scalar().is_some() && NAMING.contains(&key) {
            let words = tokens(self.text, span).into_iter().map(|(_, at)| at).filter(|at| self.fields.contains(&self.text[at.clone()]));
            let words: Vec<Word> = words.map(|at| Word { kind: Kind::Field, at }).collect();
            self.found.extend(words);
        }
    }

    /// The type of a declared field.
    fn schema(&mut self, node: &Node) {
        if node.entries().is_some() {
            self.document(node, "schema");
        } else {
            let words = tokens(self.text, node.at.span.start..node.at.span.end).into_iter().map(|(_, at)| at);
            words.filter(|at| TYPES.contains(&&self.text[at.clone()])).for_each(|at| self.push(Kind::Choice, at));
        }
    }

    /// A text of KCQL, in whatever style of YAML.
    fn statements(&mut self, span: Range<usize>) {
        let keywords: BTreeSet<&str> =
            kpipe_grammar::keywords().iter().flat_map(|words| words.split(' ')).chain(OPERATORS.iter().copied()).collect();
        let mut before = String::new();
        for (quote, at) in tokens(self.text, span) {
            let word = &self.text[at.clone()];
            let upper = word.to_ascii_uppercase();
            let is_type = TYPES.contains(&word.to_ascii_lowercase().as_str());
            let (left, right) = (&self.text[..at.start], &self.text[at.end..]);
            let in_name = left.ends_with([':', '/', '-', '$']) || right.starts_with([':', '/', '-']);
            let kind = match quote {
                Some('\'') => right.starts_with("'=").then_some(Kind::Property),
                Some(_) => self.fields.contains(word).then_some(Kind::Field),
                None if in_name => None,
                None if right.starts_with('=') && word == "compression" => Some(Kind::Property),
                None if matches!(before.as_str(), "AS" | "STOREAS") && is_type => Some(Kind::Keyword),
                None if matches!(before.as_str(), "INTO" | "FROM" | "AS") => None,
                None if right.starts_with('(') && functions::find(word).is_some() => Some(Kind::Function),
                None if self.fields.contains(word) => Some(Kind::Field),
                None => keywords.contains(upper.as_str()).then_some(Kind::Keyword),
            };
            before = upper;
            self.found.extend(kind.map(|kind| Word { kind, at }));
        }
    }

    /// A key or a value, without its quotes.
    fn push(&mut self, kind: Kind, at: Range<usize>) {
        let quotes = usize::from(self.text[at.clone()].starts_with(['"', '\'']));
        self.found.push(Word { kind, at: at.start + quotes..at.end - quotes });
    }
}

/// The words of a text: bare ones, and what stands in single quotes or back-ticks; comments are left out.
pub(crate) fn tokens(text: &str, span: Range<usize>) -> Vec<(Option<char>, Range<usize>)> {
    let mut found = Vec::new();
    let mut at = span.start;
    while at < span.end {
        let rest = &text[at..span.end];
        let first = rest.chars().next().unwrap_or_default();
        let length = |until: Option<usize>| until.unwrap_or(rest.len());
        at += match first {
            '\'' | '`' => {
                let inner = length(rest[1..].find(first));
                found.push((Some(first), at + 1..at + 1 + inner));
                inner + 2
            }
            '-' if rest.starts_with("-- ") => length(rest.find('\n')),
            '/' if rest.starts_with("/*") => length(rest.find("*/")) + 2,
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let inner = length(rest.find(|char: char| !char.is_ascii_alphanumeric() && char != '_'));
                found.push((None, at..at + inner));
                inner
            }
            _ => first.len_utf8().max(length(rest.find(|char: char| !char.is_ascii_digit()))),
        };
    }
    found
}

/// The words that one edit of one character makes of a word: one character dropped, doubled, swapped with its neighbour, or replaced by the one
/// beside it on a keyboard.
pub(crate) fn edits(word: &str) -> BTreeSet<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut edited = BTreeSet::new();
    for index in 0..letters.len() {
        let with = |new: &[char], old: usize| letters[..index].iter().chain(new).chain(&letters[index + old..]).collect::<String>();
        edited.insert(with(&[], 1));
        edited.insert(with(&[letters[index], letters[index]], 1));
        edited.insert(with(&[beside(letters[index])], 1));
        if let Some(next) = letters.get(index + 1) {
            edited.insert(with(&[*next, letters[index]], 2));
        }
    }
    edited.remove(word);
    edited
}

/// The key to the right, or to the left at the end of a row.
fn beside(char: char) -> char {
    const ROWS: [&str; 5] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", ".-_"];
    let small = char.to_ascii_lowercase();
    let row = ROWS.iter().find(|row| row.contains(small));
    let found = row.and_then(|row| {
        let at = row.find(small)?;
        row.chars().nth(at + 1).or_else(|| row.chars().nth(at.checked_sub(1)?))
    });
    let found = found.unwrap_or('x');
    if char.is_ascii_uppercase() { found.to_ascii_uppercase() } else { found }
}

#[test]
fn an_edit_is_one_key() {
    let found: Vec<String> = edits("to.2").into_iter().collect();
    assert_eq!(
        found,
        ["o.2", "ot.2", "t.2", "t.o2", "to-2", "to.", "to..2", "to.22", "to.3", "to2", "to2.", "too.2", "tp.2", "tto.2", "yo.2"]
    );
    assert_eq!(edits("AA").into_iter().collect::<Vec<_>>(), ["A", "AAA", "AS", "SA"]);
}

#[test]
fn words_are_found_where_they_mean_something() {
    let text = "version: 1\nsource:\n  kafka: { value: { format: json, schema: { id: \"bigint not null\", at: { b: timestamp } } } }\nkcql: |\n  \
                INSERT INTO id SELECT at.b AS id, upper('id') -- id\n  FROM x-id PROPERTIES('flush.count'=1) STOREAS PARQUET\n";
    let found: Vec<String> = words(text).into_iter().map(|word| format!("{:?} {}", word.kind, &text[word.at])).collect();
    let expected = "Option version, Option source, Option kafka, Option value, Option format, Choice json, Option schema, Declared id, \
                    Choice bigint, Choice not, Choice null, Declared at, Declared b, Choice timestamp, Option kcql, Keyword INSERT, Keyword INTO, \
                    Keyword SELECT, Field at, Field b, Keyword AS, Function upper, Keyword FROM, Keyword PROPERTIES, Property flush.count, \
                    Keyword STOREAS, Keyword PARQUET";
    assert_eq!(found.join(", "), expected);
}
