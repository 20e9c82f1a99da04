//! The registry of all codes: each with a page that says what it means, shows the smallest example, and how to fix it.
//!
//! A code is never given to something else. The pages are the `*.md` files of this folder, embedded as they are.

use std::sync::OnceLock;

/// The pages, in the order of their codes.
const TEXTS: [&str; 9] = [
    include_str!("kcql.md"),
    include_str!("yaml.md"),
    include_str!("names.md"),
    include_str!("types.md"),
    include_str!("promise.md"),
    include_str!("paths.md"),
    include_str!("secrets.md"),
    include_str!("environment.md"),
    include_str!("plan.md"),
];
const RUNTIME: &str = include_str!("runtime.md");

/// What is known about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// `KP0201`.
    pub code: &'static str,
    /// A few words, lower case.
    pub title: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The smallest text that triggers it, indented by four spaces; empty where no text alone does.
    pub example: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Why the rule exists; empty where the meaning says it.
    pub why: &'static str,
}

/// Every page, in the order of the codes.
#[must_use]
pub fn pages() -> &'static [Page] {
    static PAGES: OnceLock<Vec<Page>> = OnceLock::new();
    PAGES.get_or_init(|| TEXTS.iter().chain([&RUNTIME]).flat_map(|text| parse(text)).collect())
}

/// The page of a code; `kp201`, `0201` and `201` are found too.
#[must_use]
pub fn find(code: &str) -> Option<&'static Page> {
    let digits = code.trim().trim_start_matches(|c: char| c.eq_ignore_ascii_case(&'k') || c.eq_ignore_ascii_case(&'p'));
    let number: u32 = digits.parse().ok()?;
    pages().iter().find(|page| page.code[2..].parse() == Ok(number))
}

fn parse(text: &'static str) -> impl Iterator<Item = Page> {
    text.strip_prefix("# ").unwrap_or(text).split("\n# ").map(page)
}

fn page(text: &'static str) -> Page {
    let (head, body) = text.split_once('\n').unwrap_or((text, ""));
    let (code, title) = head.split_once(' ').unwrap_or((head, ""));
    let [meaning, example, fix, why] = parts(body);
    Page { code, title, meaning, example, fix, why }
}

/// A body cut at its marks; a part that is not there is empty.
fn parts(body: &'static str) -> [&'static str; 4] {
    const MARKS: [&str; 3] = ["\nExample:\n", "\nFix: ", "\nWhy: "];
    let mut rest = body;
    let mut found = [""; 4];
    for (index, mark) in MARKS.iter().enumerate().rev() {
        if let Some((before, part)) = rest.split_once(mark) {
            found[index + 1] = part.trim_matches('\n').trim_end();
            rest = before;
        }
    }
    found[0] = rest.trim();
    found
}

#[cfg(test)]
mod tests;
