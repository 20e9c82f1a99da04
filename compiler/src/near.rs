//! Names that look alike.

/// How many candidates are offered at most.
const OFFERED_MAX: usize = 3;

/// From how many letters on the beginning of a name stands for it.
const BEGINNING_MIN: usize = 3;

/// The candidates that `word` may have meant, nearest first; none if more than three are equally near.
///
/// Near is an edit distance of at most 1 + a quarter of the length, or the same beginning; case, `-`, `_` and `.` count nothing.
#[must_use]
pub fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word = fold(word);
    let far = 1 + word.chars().count() / 4;
    let mut found: Vec<(usize, bool, &str)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let folded = fold(candidate);
            let distance = if word == folded {
                0
            } else if word.len() >= BEGINNING_MIN && folded.starts_with(&word) {
                far
            } else {
                strsim::damerau_levenshtein(&word, &folded)
            };
            let same_start = word.chars().next() == folded.chars().next();
            (distance <= far && distance < folded.chars().count()).then_some((distance, !same_start, candidate))
        })
        .collect();
    found.sort();
    found.dedup();
    let best = found.first().map_or(0, |(distance, ..)| *distance);
    let found: Vec<&str> = found.into_iter().filter(|(distance, ..)| *distance == best).map(|(.., candidate)| candidate).collect();
    if found.len() > OFFERED_MAX { Vec::new() } else { found }
}

/// The first of [`near`]: where one must do.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    near(word, candidates).into_iter().next()
}

fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | '.')).flat_map(char::to_lowercase).collect()
}

/// `a`, `a or b`, `a, b or c`, each in back-ticks.
#[must_use]
pub fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["records", "bytes", "interval", "idle", "dead_letter"];

    #[test]
    fn near_names_are_offered() {
        assert_eq!(near("record", KEYS), ["records"]);
        assert_eq!(near("byets", KEYS), ["bytes"]);
        assert_eq!(near("deadLetter", KEYS), ["dead_letter"]);
        assert_eq!(near("dead-letter", KEYS), ["dead_letter"]);
        assert_eq!(near("INTERVAL", KEYS), ["interval"]);
        assert_eq!(near("rec", KEYS), ["records"], "a beginning");
        assert!(near("schedule", KEYS).is_empty());
        assert!(near("x", ["a", "b"]).is_empty(), "one letter is near to everything");
    }

    #[test]
    fn only_the_nearest_are_offered_and_not_too_many() {
        assert_eq!(near("abcd", ["abce", "abcdef", "abcd"]), ["abcd"]);
        assert_eq!(near("cat", ["bat", "rat"]), ["bat", "rat"]);
        assert!(near("cat", ["bat", "rat", "hat", "mat"]).is_empty());
    }

    #[test]
    fn words_are_joined_for_people() {
        assert_eq!(one_of([]), "nothing");
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
