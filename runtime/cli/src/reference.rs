//! The KCQL reference that is part of the binary, by section.

use kpipe_grammar::REFERENCE;

/// A part of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    /// `PARTITIONBY, NOPARTITION`.
    pub(crate) title: &'static str,
    /// What stands below the title, examples included.
    pub(crate) text: &'static str,
}

impl Section {
    /// True if the section is about this keyword, as `PARTITIONBY` or `INSERT INTO`.
    fn is_about(&self, keyword: &str) -> bool {
        let same = |part: &str| part.eq_ignore_ascii_case(keyword) || part.split(' ').any(|word| word.eq_ignore_ascii_case(keyword));
        self.title.split(", ").any(same)
    }

    /// What a user reads first: all that stands before the first example, else the section.
    pub(crate) fn summary(&self) -> &'static str {
        let summary = self.text.split("\n```").next().unwrap_or_default().trim();
        if summary.is_empty() { self.text } else { summary }
    }
}

/// The sections in their order.
pub(crate) fn sections() -> impl Iterator<Item = Section> {
    REFERENCE.split("\n## ").skip(1).map(|section| {
        let (title, text) = section.split_once('\n').unwrap_or((section, ""));
        Section { title: title.trim(), text: text.trim() }
    })
}

/// The section about a keyword, in any case; else the one that names it.
pub(crate) fn about(keyword: &str) -> Option<Section> {
    let named = format!("`{}`", keyword.to_ascii_uppercase());
    sections().find(|section| section.is_about(keyword)).or_else(|| sections().find(|section| section.text.contains(&named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_has_a_section() {
        // Words that only an error names.
        for keyword in kpipe_grammar::keywords().into_iter().filter(|keyword| !["HAVING", "JOIN"].contains(keyword)) {
            let section = about(keyword).unwrap_or_else(|| panic!("nothing is said about {keyword}"));
            assert!(!section.summary().is_empty(), "{keyword}");
        }
        assert!(about("device_id").is_none());
    }

    #[test]
    fn a_clause_is_found_by_any_of_its_words_and_in_any_case() {
        for (word, title) in
            [("partitionby", "PARTITIONBY"), ("NoPartition", "PARTITIONBY"), ("insert into", "INSERT INTO"), ("INSERT", "INSERT INTO")]
        {
            let section = about(word).unwrap();
            assert!(section.title.starts_with(title), "{word}: {}", section.title);
        }
    }

    #[test]
    fn a_summary_has_no_example() {
        assert!(sections().count() > 8);
        for section in sections() {
            assert!(!section.summary().contains("```kcql") || section.text.starts_with("```"), "{}", section.title);
        }
    }
}
