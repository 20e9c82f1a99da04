//! The canonical form of a pipeline file: KCQL in `|` blocks and laid out, no blanks at line ends, one line break at the end.
//! Everything else stays as it was written: comments, quotes, the order of keys.

use std::ops::Range;

use kpipe_compiler::report::{Entry as Diagnosed, Report};
use kpipe_compiler::secrets;
use kpipe_compiler::sources::{SourceFile, Sources};
use kpipe_compiler::yaml::{self, Node, Scalar, Style, Value};

use crate::catalog::catalog;

/// Why a file is not formatted.
#[derive(Debug)]
pub(crate) enum NotFormatted {
    /// It has mistakes: they are in the report.
    Mistakes(Sources, Report),
    /// The result would mean something else. A bug.
    ChangesMeaning,
}

/// The canonical form of the text of a file.
pub(crate) fn format(name: &str, text: &str) -> Result<String, NotFormatted> {
    let text = text.replace("\r\n", "\n");
    let mut sources = Sources::new();
    let file = sources.add(name, text.clone());
    let mut report = Report::default();
    let documents = yaml::read(sources.file(file), &mut report);
    let mut edits = Vec::new();
    for root in &documents.roots {
        kcql(sources.file(file), root, &mut edits, &mut report);
    }
    secrets::mask(sources.file(file), &documents, catalog(), &mut report);
    if report.has_errors() || !documents.complete {
        return Err(NotFormatted::Mistakes(sources, report));
    }
    let untouched = documents.roots.iter().flat_map(multi_line).collect::<Vec<_>>();
    let formatted = apply(&text, edits, &untouched);
    if means_the_same(&text, &formatted) { Ok(formatted) } else { Err(NotFormatted::ChangesMeaning) }
}

/// Adds the edit that lays out the KCQL of a document, if it can be done without losing anything.
fn kcql(file: &SourceFile, root: &Node, edits: &mut Vec<(Range<usize>, String)>, report: &mut Report) {
    let Some(entry) = root.get("kcql") else { return };
    let (text, node) = (&file.text, &entry.value);
    let Value::Scalar(scalar) = &node.value else { return };
    // A reference is only known once it is replaced.
    if node.alias.is_some() || scalar.style == Style::Tagged || scalar.text.contains("${") {
        return;
    }
    let laid_out = match kpipe_grammar::format(&scalar.text) {
        Ok(laid_out) => laid_out,
        Err(errors) => {
            let map = std::sync::Arc::new(yaml::scalar_map(text, node, scalar));
            errors.into_iter().for_each(|error| report.push(Diagnosed::mapped(&map, error)));
            return;
        }
    };
    // A quoted name goes on in the next line: its blanks at the end of this one would be lost.
    if laid_out.lines().any(|line| line.ends_with(char::is_whitespace)) {
        return;
    }
    let line_start = text[..entry.at.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let indent = &text[line_start..entry.at.span.start];
    let Some(place) = place(text, entry.at.span.end, node, scalar) else { return };
    if !indent.bytes().all(|byte| byte == b' ') {
        return;
    }
    let mut block = String::from(" |\n");
    for line in laid_out.lines() {
        let line = line.trim_end();
        block.push_str(&if line.is_empty() { "\n".to_owned() } else { format!("{indent}  {line}\n") });
    }
    edits.push((place, block));
}

/// The bytes between the `:` of a key and the end of its value, if nothing else stands there.
fn place(text: &str, key_end: usize, node: &Node, scalar: &Scalar) -> Option<Range<usize>> {
    let colon = key_end + text[key_end..].find(':')?;
    let start = colon + 1;
    let span = node.at.span;
    let is_block = matches!(scalar.style, Style::Literal | Style::Folded);
    let between = &text[start..span.start.max(start)];
    // A comment or an anchor between the key and the value would be lost.
    let is_free = if is_block { between.trim().chars().all(|c| "|>+-0123456789".contains(c)) } else { between.trim().is_empty() };
    let line_end = text[span.end..].find('\n').map_or(text.len(), |newline| span.end + newline);
    let after = &text[span.end..line_end];
    if !is_free || !after.trim().is_empty() {
        return None;
    }
    let ends_with_break = text[..span.end].ends_with('\n');
    let end = if ends_with_break { span.end } else { (line_end + 1).min(text.len()) };
    Some(start..end)
}

/// The bytes of scalars over several lines: blanks at the ends of their lines may mean something.
fn multi_line(node: &Node) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut nodes = vec![node];
    while let Some(node) = nodes.pop() {
        match &node.value {
            Value::Scalar(_) => ranges.push(node.at.span.start..node.at.span.end),
            Value::Sequence(items) => nodes.extend(items),
            Value::Mapping(entries) => nodes.extend(entries.iter().map(|entry| &entry.value)),
        }
    }
    ranges
}

/// Makes the edits, and trims what is outside of them.
fn apply(text: &str, mut edits: Vec<(Range<usize>, String)>, untouched: &[Range<usize>]) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut formatted = String::with_capacity(text.len());
    let mut at = 0;
    for (range, replacement) in edits {
        trimmed(&mut formatted, text, at..range.start, untouched);
        formatted.push_str(&replacement);
        at = range.end;
    }
    trimmed(&mut formatted, text, at..text.len(), untouched);
    let body = formatted.trim_end_matches('\n').len();
    // Line breaks at the end belong to a last block scalar that keeps them.
    if !untouched.iter().any(|range| range.end >= text.trim_end().len() && text[range.clone()].ends_with("\n\n")) {
        formatted.truncate(body);
        formatted.push_str(if body == 0 { "" } else { "\n" });
    }
    formatted
}

fn trimmed(out: &mut String, text: &str, range: Range<usize>, untouched: &[Range<usize>]) {
    let mut at = range.start;
    for line in text[range.clone()].split_inclusive('\n') {
        let body = line.trim_end_matches('\n');
        let end = at + body.len();
        let is_inside = untouched.iter().any(|scalar| scalar.start < end && end < scalar.end);
        out.push_str(if is_inside || !line.ends_with('\n') { body } else { body.trim_end() });
        out.push_str(&line[body.len()..]);
        at += line.len();
    }
}

/// Whether two texts say the same: the same trees, their KCQL as statements.
fn means_the_same(before: &str, after: &str) -> bool {
    let read = |text: &str| {
        let mut sources = Sources::new();
        let file = sources.add("", text);
        yaml::read(sources.file(file), &mut Report::default()).roots
    };
    let (before, after) = (read(before), read(after));
    before.len() == after.len() && before.iter().zip(&after).all(|(before, after)| same(before, after, false))
}

fn same(before: &Node, after: &Node, is_kcql: bool) -> bool {
    match (&before.value, &after.value) {
        (Value::Scalar(before), Value::Scalar(after)) if is_kcql => {
            kpipe_grammar::parse(&before.text).statements == kpipe_grammar::parse(&after.text).statements
        }
        (Value::Scalar(before), Value::Scalar(after)) => before == after,
        (Value::Sequence(before), Value::Sequence(after)) => {
            before.len() == after.len() && before.iter().zip(after).all(|(before, after)| same(before, after, false))
        }
        (Value::Mapping(before), Value::Mapping(after)) => {
            let pairs = before.iter().zip(after);
            before.len() == after.len()
                && pairs
                    .into_iter()
                    .all(|(before, after)| before.key == after.key && same(&before.value, &after.value, before.key == "kcql"))
        }
        (Value::Scalar(_) | Value::Sequence(_) | Value::Mapping(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let once = format("a.yaml", text).unwrap_or_else(|why| panic!("{why:?} of\n{text}"));
        assert_eq!(format("a.yaml", &once).unwrap(), once, "formatting twice changes nothing");
        once
    }

    #[test]
    fn kcql_becomes_a_block_and_comments_stay() {
        let text = "# first\r\nversion: 1   \npipeline: p # name\nkcql: insert into a select * from b\n\n# last\n\n\n";
        assert_eq!(formatted(text), "# first\nversion: 1\npipeline: p # name\nkcql: |\n  INSERT INTO a SELECT * FROM b\n\n# last\n");
    }

    #[test]
    fn every_scalar_style_is_laid_out() {
        for text in [
            "kcql: 'insert into a select * from b'\n",
            "kcql: \"insert into a select * from b\"\n",
            "kcql: >-\n    insert into a\n    select * from b\n",
            "kcql: |\n      insert into a\n      select * from b\n",
            "kcql: |2-\n  insert into a select * from b",
        ] {
            assert_eq!(formatted(text), "kcql: |\n  INSERT INTO a SELECT * FROM b\n", "{text:?}");
        }
    }

    #[test]
    fn blanks_case_and_line_breaks_of_a_statement_are_free() {
        for kcql in [
            "insert into x select a,b from t",
            "insert into x SELECT  a from t",
            "insert into x\n      select a\n  from t withtag(a,b = c) batch=  5",
            "INSERT INTO x SELECT a FROM t ;insert into y select b   as c from u",
        ] {
            formatted(&format!("kcql: |\n  {kcql}\n"));
        }
    }

    /// Statements as words; `~` stands before what may touch the word before it.
    const STATEMENTS: [&str; 5] = [
        "insert into lake:orders select a ~, b ~. c as d ~, _key from orders",
        "INSERT INTO `lake`:x SELECT * FROM t STOREAS PARQUET ~( ~'compression' ~= ~'zstd' ~) PARTITIONBY a ~, _date ~. ~`yyyy/MM`",
        "upsert into t select a ~. ~* from `b` withkey ~( a ~, b ~) keydelimiter ~= ~'-' limit 5",
        "insert into t select a from s properties ~( ~'flush.count' ~= 5 ~, ~'flush.size' ~= 7 ~)",
        "insert into t select a from s batch ~= 5 withtag ~( a ~, b ~= c ~) withconverter ~= ~`x.Y`",
    ];
    const KEYWORDS: [&str; 19] = [
        "insert",
        "upsert",
        "into",
        "select",
        "from",
        "as",
        "storeas",
        "partitionby",
        "withkey",
        "keydelimiter",
        "limit",
        "properties",
        "withtag",
        "batch",
        "withconverter",
        "INSERT",
        "SELECT",
        "FROM",
        "STOREAS",
    ];
    const BLANKS: [&str; 6] = [" ", "   ", "\n  ", "\n      ", " \n\n  ", " -- why\n  "];

    proptest::proptest! {
        #[test]
        fn fmt_succeeds_whatever_stands_between_tokens(
            chosen in proptest::collection::vec(0..STATEMENTS.len(), 1..4),
            dice in proptest::collection::vec((0_usize..12, proptest::bool::ANY), 200),
        ) {
            let mut dice = dice.into_iter().cycle();
            let mut text = String::from("kcql: |\n  ");
            for statement in chosen {
                for word in STATEMENTS[statement].split(' ') {
                    let (blank, upper) = dice.next().unwrap();
                    let touching = word.strip_prefix('~');
                    match (touching, BLANKS.get(blank)) {
                        // The first line says how far a block is indented.
                        _ if text.ends_with("|\n  ") => {}
                        (_, Some(blank)) => text.push_str(blank),
                        (None, None) => text.push(' '),
                        (Some(_), None) => {}
                    }
                    let word = touching.unwrap_or(word);
                    text.push_str(&if upper && KEYWORDS.contains(&word) { word.to_ascii_uppercase() } else { word.to_owned() });
                }
                text.push_str(" ;");
            }
            text.push('\n');
            if let Err(NotFormatted::Mistakes(_, report)) = format("a.yaml", &text) {
                panic!("{text}: {:?}", report.entries());
            }
            formatted(&text);
        }
    }

    #[test]
    fn what_could_get_lost_is_left_alone() {
        for text in [
            "kcql: insert into a select * from b # why\n",
            "kcql: | # why\n  insert into a select * from b\n",
            "{ kcql: insert into a select * from b }\n",
            "kcql: |\n  INSERT INTO `a \n  b` SELECT * FROM b\n",
            "kcql: insert into ${env:X} select * from b\n",
            "note: |\n  keep  \n  this \nkcql: *x\nother: &x 1\n",
        ] {
            if let Ok(formatted) = format("a.yaml", text) {
                assert_eq!(formatted, text);
            }
        }
    }

    #[test]
    fn several_documents_and_comments_in_kcql() {
        let text = "a: 1\n---\nkcql: |\n   -- why\n   insert into a select * from b\n---\nb: \"x  \n  y\"\n";
        let result = formatted(text);
        assert!(result.contains("-- why") && result.contains("b: \"x  \n  y\"\n"), "{result}");
    }

    #[test]
    fn mistakes_are_reported_and_nothing_is_formatted() {
        for text in ["a: 1\na: 2\n", "kcql: |\n  insert int a\n", "a: [\n"] {
            let Err(NotFormatted::Mistakes(sources, report)) = format("a.yaml", text) else { panic!("{text:?}") };
            assert!(report.views(&sources)[0].primary.is_some(), "{text:?}");
        }
    }

    #[test]
    fn the_secrets_of_a_file_with_mistakes_are_not_shown() {
        let Err(NotFormatted::Mistakes(sources, report)) = format("a.yaml", "pasword: hunter2\nkcql: x\n") else { panic!("a mistake") };
        assert_eq!(report.masked(&sources, sources.files()[0].id).text, "pasword: ********\nkcql: x\n");
    }
}
