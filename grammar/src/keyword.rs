//! The words that begin a clause, and the nearest of them to a misspelt one.

use crate::options::{self, OPTIONS, OptionClause, Shape};

/// What begins with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    /// `INSERT`, `UPSERT` or `UPDATE`; only together with `INTO`.
    Write,
    Select,
    From,
    Where,
    PartitionBy,
    NoPartition,
    StoreAs,
    WithConverter,
    WithKey,
    KeyDelimiter,
    Limit,
    Properties,
    /// A row of the option table.
    Option(&'static OptionClause),
    /// Words of SQL that KCQL does not have: `JOIN`, `GROUP BY`.
    NotYet(&'static str),
}

/// The longest keyword, which bounds the work on any word.
const KEYWORD_BYTES_MAX: usize = 24;

/// Clauses that have a file of their own, in canonical order; the options stand before the last of them.
pub(crate) const BUILT: &[Keyword] = &[
    Keyword::Where,
    Keyword::PartitionBy,
    Keyword::NoPartition,
    Keyword::StoreAs,
    Keyword::WithConverter,
    Keyword::WithKey,
    Keyword::KeyDelimiter,
    Keyword::Limit,
    Keyword::Properties,
];

/// Words of SQL that stand alone; `GROUP` and `ORDER` need their `BY`.
const NOT_YET: &[&str] = &["HAVING", "JOIN"];
const NOT_YET_BY: &[(&str, &str)] = &[("GROUP", "GROUP BY"), ("ORDER", "ORDER BY")];

impl Keyword {
    /// The clause that `word`, in any case, begins; `next` is the word after it.
    pub(crate) fn find(word: &str, next: Option<&str>) -> Option<Self> {
        if word.len() > KEYWORD_BYTES_MAX || !word.is_ascii() {
            return None;
        }
        let mut buffer = [0; KEYWORD_BYTES_MAX];
        let bytes = &mut buffer[..word.len()];
        bytes.copy_from_slice(word.as_bytes());
        bytes.make_ascii_uppercase();
        let upper = std::str::from_utf8(bytes).unwrap_or_default();
        let followed_by = |expected: &str| next.is_some_and(|next| next.eq_ignore_ascii_case(expected));
        match upper {
            "INSERT" | "UPSERT" | "UPDATE" => followed_by("INTO").then_some(Keyword::Write),
            "SELECT" => Some(Keyword::Select),
            "FROM" => Some(Keyword::From),
            _ => BUILT
                .iter()
                .find(|keyword| keyword.text() == upper)
                .copied()
                .or_else(|| options::find(upper).map(Keyword::Option))
                .or_else(|| NOT_YET.iter().find(|word| **word == upper).map(|word| Keyword::NotYet(word)))
                .or_else(|| {
                    let (_, both) = NOT_YET_BY.iter().find(|(first, _)| *first == upper && followed_by("BY"))?;
                    Some(Keyword::NotYet(both))
                }),
        }
    }

    /// As it is printed.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Keyword::Write => "INSERT INTO",
            Keyword::Select => "SELECT",
            Keyword::From => "FROM",
            Keyword::Where => "WHERE",
            Keyword::PartitionBy => "PARTITIONBY",
            Keyword::NoPartition => "NOPARTITION",
            Keyword::StoreAs => "STOREAS",
            Keyword::WithConverter => "WITHCONVERTER",
            Keyword::WithKey => "WITHKEY",
            Keyword::KeyDelimiter => "KEYDELIMITER",
            Keyword::Limit => "LIMIT",
            Keyword::Properties => "PROPERTIES",
            Keyword::Option(option) => option.keyword,
            Keyword::NotYet(words) => words,
        }
    }

    /// True if calculations can stand in it.
    pub(crate) fn takes_expressions(self) -> bool {
        use Keyword::{NotYet, PartitionBy, Select, Where, WithKey};
        matches!(self, Select | Where | PartitionBy | WithKey | NotYet(_))
    }

    /// True if the clause is only its keyword.
    pub(crate) fn is_flag(self) -> bool {
        match self {
            Keyword::NoPartition => true,
            Keyword::Option(option) => option.shape == Shape::Flag,
            _ => false,
        }
    }

    /// Where the clause stands in a printed statement.
    pub(crate) fn rank(self) -> usize {
        match self {
            Keyword::Write => 0,
            Keyword::Select => 1,
            Keyword::From => 2,
            Keyword::Option(_) | Keyword::NotYet(_) => 3 + BUILT.len(),
            Keyword::Properties => 4 + BUILT.len(),
            Keyword::Where
            | Keyword::PartitionBy
            | Keyword::NoPartition
            | Keyword::StoreAs
            | Keyword::WithConverter
            | Keyword::WithKey
            | Keyword::KeyDelimiter
            | Keyword::Limit => 3 + BUILT.iter().position(|keyword| *keyword == self).unwrap_or_default(),
        }
    }

    /// Clauses of one slot exclude each other.
    pub(crate) fn slot(self) -> &'static str {
        match self {
            Keyword::NoPartition => Keyword::PartitionBy.text(),
            other => other.text(),
        }
    }
}

/// Every keyword that may follow `FROM name`.
pub(crate) fn clause_keywords() -> impl Iterator<Item = &'static str> {
    BUILT.iter().map(|keyword| keyword.text()).chain(OPTIONS.iter().map(|option| option.keyword)).chain(NOT_YET.iter().copied())
}

/// Every word of the language that begins a clause, in capitals; two words with a blank between them.
#[must_use]
pub fn keywords() -> Vec<&'static str> {
    let core = ["INSERT INTO", "UPSERT INTO", Keyword::Select.text(), Keyword::From.text()];
    core.into_iter().chain(clause_keywords()).chain(NOT_YET_BY.iter().map(|(_, both)| *both)).collect()
}

/// The candidates that a misspelt `word` may have meant, nearest first: at most three, all at the same distance.
pub(crate) fn near<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    if word.len() < 3 || word.len() > KEYWORD_BYTES_MAX {
        return Vec::new();
    }
    let word = word.to_ascii_uppercase();
    let mut best = 1 + word.len() / 4;
    let mut found: Vec<&str> = Vec::new();
    for candidate in candidates {
        let distance = distance(&word, candidate);
        if distance < best {
            found.clear();
            best = distance;
        }
        if distance == best {
            found.push(candidate);
        }
    }
    if found.len() > 1 && found.iter().any(|candidate| candidate.as_bytes().first() == word.as_bytes().first()) {
        found.retain(|candidate| candidate.as_bytes().first() == word.as_bytes().first());
    }
    found.truncate(3);
    found
}

/// Edits between two words: insert, delete, replace, swap neighbours.
pub(crate) fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > 1 + KEYWORD_BYTES_MAX / 4 {
        return usize::MAX;
    }
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, byte) in left.iter().enumerate() {
        let mut line = vec![row + 1; right.len() + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(byte != other);
            line[column + 1] = replaced.min(last[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *byte == right[column - 1] && left[row - 1] == *other {
                line[column + 1] = line[column + 1].min(before_last[column - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, line);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_found_in_any_case() {
        assert_eq!(Keyword::find("storeAs", None), Some(Keyword::StoreAs));
        assert_eq!(Keyword::find("batch", None).map(Keyword::text), Some("BATCH"));
        assert_eq!(Keyword::find("group", Some("by")), Some(Keyword::NotYet("GROUP BY")));
        assert_eq!(Keyword::find("group", Some("id")), None);
        assert_eq!(Keyword::find("insert", None), None);
        assert_eq!(Keyword::find("a-word-longer-than-any-keyword", None), None);
    }

    #[test]
    fn every_keyword_is_found_and_short_enough() {
        for keyword in clause_keywords() {
            assert!(keyword.len() <= KEYWORD_BYTES_MAX, "{keyword}");
            assert_eq!(Keyword::find(keyword, None).map(Keyword::text), Some(keyword));
        }
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(near("PARTITONBY", clause_keywords()), ["PARTITIONBY"]);
        assert_eq!(near("stroeas", clause_keywords()), ["STOREAS"]);
        assert_eq!(near("WITHTAGS", clause_keywords()), ["WITHTAG"]);
        assert_eq!(near("WITHSCHEMAEVOLUTION", clause_keywords()), ["WITH_SCHEMA_EVOLUTION"]);
        assert!(near("device_id", clause_keywords()).is_empty());
        assert!(near("c", clause_keywords()).is_empty());
    }

    #[test]
    fn distance_counts_a_swap_once() {
        assert_eq!(distance("FORM", "FROM"), 1);
        assert_eq!(distance("LIMIT", "LIMIT"), 0);
        assert_eq!(distance("LIMT", "LIMIT"), 1);
        assert_eq!(distance("", "PK"), 2);
    }

    #[test]
    fn canonical_order_ends_with_properties() {
        let option = Keyword::find("BATCH", None).map(Keyword::rank);
        assert!(option > Some(Keyword::Limit.rank()) && option < Some(Keyword::Properties.rank()));
        assert!(Keyword::Write.rank() < Keyword::Select.rank() && Keyword::From.rank() < Keyword::PartitionBy.rank());
    }
}
