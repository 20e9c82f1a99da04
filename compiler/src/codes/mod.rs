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

impl Page {
    /// All of it below its title, without marks.
    #[must_use]
    pub fn text(&self) -> String {
        let example = if self.example.is_empty() { String::new() } else { format!("\n\nExample:\n\n{}", self.example) };
        let why = if self.why.is_empty() { String::new() } else { format!("\n\nWhy: {}", self.why) };
        format!("{}{example}\n\nFix: {}{why}\n", self.meaning, self.fix)
    }

    /// All of it below its title, as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.meaning);
        if !self.example.is_empty() {
            let example: String = self.example.lines().map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
            text.push_str(&format!("\n```{}\n{example}```\n", language(&example)));
        }
        for (word, part) in [("Fix", self.fix), ("Why", self.why)] {
            if !part.is_empty() {
                text.push_str(&format!("\n**{word}:** {part}\n"));
            }
        }
        text
    }
}

/// What an example is written in: statements begin with a capital.
fn language(example: &str) -> &'static str {
    match example.trim_start().chars().next() {
        Some('$' | '{') => "text",
        Some(first) if first.is_uppercase() => "sql",
        Some(_) | None => "yaml",
    }
}

/// What the codes of a range are about, by their first two digits.
const RANGES: [(&str, &str); 11] = [
    ("01", "KCQL text"),
    ("02", "YAML and its keys"),
    ("03", "Names and references"),
    ("04", "Types and schemas"),
    ("05", "Compatibility and promises"),
    ("06", "Paths and objects"),
    ("07", "Secrets"),
    ("08", "The environment"),
    ("09", "Plans and state"),
    ("10", "Running"),
    ("99", "Bugs"),
];

/// All pages as one document.
#[must_use]
pub fn book() -> String {
    let mut text = String::from(
        "# Codes\n\nEvery message has a code, and every code a page. `kpipe explain KP0107` prints one, `kpipe explain` lists them. A code never changes its \
         meaning\nand is never given to something else. This document is made from the registry (`compiler/src/codes`); a test compares them.\n",
    );
    for (range, about) in RANGES {
        let pages: Vec<&Page> = pages().iter().filter(|page| page.code[2..].starts_with(range)).collect();
        if pages.is_empty() {
            continue;
        }
        text.push_str(&format!("\n## {about}\n"));
        for page in pages {
            text.push_str(&format!("\n### {}: {}\n\n{}", page.code, page.title, page.markdown()));
        }
    }
    text
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
