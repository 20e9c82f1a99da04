//! A text in its canonical layout, with its comments.
//!
//! Tokens are printed as they are written, except for keywords (capitals), blanks and the order of the clauses. A comment
//! belongs to the token before it on the same line, else to the token after it, and moves with that token.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use crate::keyword::Keyword;
use crate::options::Shape;
use crate::print::{is_expression_word, ticked};
use crate::segment::{Segment, segments};
use crate::token::{Token, TokenKind};

/// Columns of a line; a longer statement gets a line for each clause, a longer clause one for each item.
const WIDTH: usize = 100;
const INDENT: &str = "  ";

/// A token and its comments.
#[derive(Debug)]
struct Word<'t> {
    token: Token,
    /// On lines of their own above it.
    before: Vec<&'t str>,
    /// Behind it on its line.
    after: Vec<&'t str>,
}

/// Lays out a text without errors, given all its tokens.
pub(crate) fn layout(source: &str, tokens: &[Token]) -> String {
    let (statements, tail) = statements(attach(source, tokens));
    let mut blocks: Vec<String> = Vec::new();
    let count = statements.len();
    for (number, words) in statements.iter().enumerate() {
        let end = if number + 1 < count { ";" } else { "" };
        blocks.push(statement(source, words, end));
    }
    if !tail.is_empty() {
        blocks.push(tail.join("\n"));
    }
    let mut text = String::new();
    for (number, block) in blocks.iter().enumerate() {
        let apart = number > 0 && (block.contains('\n') || blocks[number - 1].contains('\n'));
        text.push_str(if apart { "\n" } else { "" });
        text.push_str(block);
        text.push('\n');
    }
    text
}

/// Gives each comment to a token; the last ones, after every token, to an end mark.
fn attach<'t>(source: &'t str, tokens: &[Token]) -> (Vec<Word<'t>>, Vec<&'t str>) {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut pending = Vec::new();
    let mut same_line = false;
    for token in tokens {
        let text = token.span.text(source);
        match token.kind {
            TokenKind::Blank => same_line &= !text.contains('\n'),
            TokenKind::Comment => match words.last_mut() {
                Some(word) if same_line => word.after.push(text.trim_end()),
                _ => pending.push(text.trim_end()),
            },
            _ => {
                words.push(Word { token: *token, before: std::mem::take(&mut pending), after: Vec::new() });
                same_line = true;
            }
        }
    }
    (words, pending)
}

/// The words of each statement, and the comments behind the last.
type Statements<'t> = (Vec<Vec<Word<'t>>>, Vec<&'t str>);

/// Takes the `;` out; their comments go to the tokens around them.
fn statements<'t>((words, tail): (Vec<Word<'t>>, Vec<&'t str>)) -> Statements<'t> {
    let mut statements: Vec<Vec<Word<'_>>> = Vec::new();
    let mut current: Vec<Word<'_>> = Vec::new();
    let mut carried: Vec<&str> = Vec::new();
    for mut word in words {
        if word.token.kind != TokenKind::Semicolon {
            carried.append(&mut word.before);
            word.before = std::mem::take(&mut carried);
            current.push(word);
            continue;
        }
        carried.append(&mut word.before);
        match current.last_mut().or_else(|| statements.last_mut().and_then(|words| words.last_mut())) {
            // Behind a carried comment it would change places with it, and behind a line comment it has no line.
            Some(last) if carried.is_empty() && last.after.last().is_none_or(|comment| !comment.starts_with("--")) => {
                last.after.append(&mut word.after);
            }
            _ => carried.append(&mut word.after),
        }
        if !current.is_empty() {
            statements.push(std::mem::take(&mut current));
        }
    }
    if !current.is_empty() {
        statements.push(current);
    }
    carried.extend(tail);
    (statements, carried)
}

fn statement(source: &str, words: &[Word<'_>], end: &str) -> String {
    let tokens: Vec<Token> = words.iter().map(|word| word.token).collect();
    let mut segments = segments(source, &tokens);
    segments.sort_by_key(|segment| segment.keyword.rank());
    let calculations = calculations(source, &tokens, &segments);
    let calculations = &calculations;
    let clauses: Vec<Clause<'_>> = segments.iter().map(|segment| Clause { source, tokens: &tokens, calculations, segment }).collect();
    let last = segments.last().map_or(0, |segment| segment.end - 1);
    let breaks = |comments: &[&str]| comments.iter().any(|comment| comment.starts_with("--") || comment.contains('\n'));
    let has_breaks =
        words.iter().enumerate().any(|(index, word)| index > 0 && !word.before.is_empty() || index != last && breaks(&word.after));
    let one_line = !has_breaks && clauses.iter().map(Clause::width).sum::<usize>() + clauses.len() <= WIDTH;

    let mut page = Page::default();
    for clause in &clauses {
        if !one_line {
            page.next_line("");
        }
        let list = if !one_line && clause.width() > WIDTH { clause.item_places() } else { VecDeque::new() };
        write_clause(clause, words, &mut page, list, (last, end));
    }
    page.finish()
}

fn write_clause(
    clause: &Clause<'_>,
    words: &[Word<'_>],
    page: &mut Page,
    mut list: VecDeque<(usize, &'static str)>,
    (last, end): (usize, &str),
) {
    let Segment { first, end: behind, .. } = *clause.segment;
    for (index, word) in words.iter().enumerate().take(behind).skip(first) {
        let indent = if index == first { "" } else { INDENT };
        for comment in &word.before {
            page.next_line(indent);
            page.write(comment, false);
            page.next_line(indent);
        }
        if let Some((_, indent)) = list.pop_front_if(|(place, _)| *place == index) {
            page.next_line(indent);
        }
        page.write(&clause.printed(index), index == first || clause.space_before(index));
        if index == last {
            page.write(end, false);
        }
        for comment in &word.after {
            page.write(comment, true);
            if comment.starts_with("--") {
                page.next_line(INDENT);
            }
        }
    }
}

/// A clause within the tokens of its statement; places are indexes into these.
struct Clause<'t> {
    source: &'t str,
    tokens: &'t [Token],
    /// For each token whether it belongs to a calculation.
    calculations: &'t [bool],
    segment: &'t Segment,
}

/// For each token whether it belongs to a calculation: there more words have a meaning, and signs stand between blanks.
fn calculations(source: &str, tokens: &[Token], segments: &[Segment]) -> Vec<bool> {
    let mut inside = vec![false; tokens.len()];
    for Segment { keyword, first, end } in segments {
        let list = first + 1..*end;
        match keyword {
            Keyword::Where => inside[list].fill(true),
            Keyword::Select | Keyword::PartitionBy => items(tokens, list).for_each(|item| mark(source, tokens, item, &mut inside)),
            Keyword::WithKey => {
                let open = list.clone().find(|index| tokens[*index].kind == TokenKind::Open).map_or(list.end, |open| open + 1);
                items(tokens, open..list.end.saturating_sub(1)).for_each(|item| mark(source, tokens, item, &mut inside));
            }
            _ => {}
        }
    }
    inside
}

/// The ranges between the commas that no parentheses enclose.
fn items(tokens: &[Token], list: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (mut depth, mut ends) = (0_usize, Vec::new());
    for index in list.clone() {
        match tokens[index].kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            TokenKind::Comma if depth == 0 => ends.push(index),
            _ => {}
        }
    }
    let starts = std::iter::once(list.start).chain(ends.clone().into_iter().map(|comma| comma + 1));
    starts.zip(ends.into_iter().chain([list.end])).map(|(start, end)| start..end).collect::<Vec<_>>().into_iter()
}

/// A field is names and dots, a star perhaps, and a name for it; everything else is a calculation.
fn mark(source: &str, tokens: &[Token], item: Range<usize>, inside: &mut [bool]) {
    let is_alias = |index: &usize| *index > item.start && tokens[*index].is_word(source, "AS") && tokens[index - 1].kind != TokenKind::Dot;
    let value = item.start..item.end.checked_sub(2).filter(is_alias).unwrap_or(item.end);
    let names = value.clone().step_by(2).all(|index| {
        let kind = tokens[index].kind;
        matches!(kind, TokenKind::Word | TokenKind::Quoted) || kind == TokenKind::Text && index > value.start || kind == TokenKind::Star
    });
    let dots = value.clone().skip(1).step_by(2).all(|index| tokens[index].kind == TokenKind::Dot);
    inside[value].fill(!(names && dots));
}

impl Clause<'_> {
    /// Characters on one line, without comments.
    fn width(&self) -> usize {
        let characters = |index: usize| {
            let space = index > self.segment.first && self.space_before(index);
            self.printed(index).chars().count() + usize::from(space)
        };
        (self.segment.first..self.segment.end).map(characters).sum()
    }

    /// The places where a line begins if the list is broken, with its indent: the items and the closing parenthesis.
    fn item_places(&self) -> VecDeque<(usize, &'static str)> {
        let Segment { keyword, first, end } = *self.segment;
        let open = (first..end).find(|index| self.tokens[*index].kind == TokenKind::Open);
        let is_bare_list = match keyword {
            Keyword::Select | Keyword::PartitionBy => true,
            Keyword::Option(option) => option.shape == Shape::Columns,
            _ => false,
        };
        let Some(start) = (if is_bare_list { Some(first) } else { open }) else { return VecDeque::new() };
        let mut places = VecDeque::from([(start + 1, INDENT)]);
        let mut depth = 0_usize;
        for index in start + 1..end {
            match self.tokens[index].kind {
                TokenKind::Open => depth += 1,
                TokenKind::Close if depth == 0 => {
                    places.push_back((index, ""));
                    break;
                }
                TokenKind::Close => depth -= 1,
                TokenKind::Comma if depth == 0 => places.push_back((index + 1, INDENT)),
                _ => {}
            }
        }
        places
    }

    /// True for a further piece of a name: `` `a`--b ``.
    fn goes_on(&self, index: usize) -> bool {
        use TokenKind::{Close, Comma, Dot, Equals, Open, Operator, Star};
        let Some(before) = index.checked_sub(1).map(|before| self.tokens[before]) else { return false };
        before.touches(self.tokens[index]) && !matches!(before.kind, Open | Close | Comma | Dot | Equals | Operator | Star)
    }

    /// True for a word that is none of a clause only because it touches the sign before it, which gets a blank: `a =limit`.
    fn parts_from_sign(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1).map(|before| self.tokens[before]) else { return false };
        let (word, next) = (self.tokens[index].span.text(self.source), self.tokens.get(index + 1).map(|next| next.span.text(self.source)));
        self.calculations[index]
            && before.kind == TokenKind::Equals
            && before.touches(self.tokens[index])
            && Keyword::find(word, next).is_some()
    }

    /// A token as it is printed.
    fn printed(&self, index: usize) -> Cow<'_, str> {
        let text = self.tokens[index].span.text(self.source);
        if self.is_keyword(index) {
            Cow::Owned(text.to_ascii_uppercase())
        } else if self.tokens[index].kind == TokenKind::Word
            && (text.starts_with("--") && !self.goes_on(index) || self.parts_from_sign(index))
        {
            // With a blank before it, it would be a comment, or a clause. A back-tick right after another one is a doubled one.
            let next = self.tokens.get(index + 1).filter(|next| self.tokens[index].touches(**next));
            let meets_tick = next.is_some_and(|next| next.span.text(self.source).starts_with('`'));
            if meets_tick { Cow::Owned(format!("\"{text}\"")) } else { ticked(text) }
        } else {
            Cow::Borrowed(text)
        }
    }

    /// True for the words of a clause that are not names.
    fn is_keyword(&self, index: usize) -> bool {
        let first = self.segment.first;
        if index == first || self.segment.keyword == Keyword::Write && index == first + 1 {
            return true;
        }
        let takes_as = match self.segment.keyword {
            Keyword::Option(option) => match option.shape {
                Shape::Columns => true,
                // A value goes on up to the next blank.
                Shape::Tags => !self.tokens[index - 1].touches(self.tokens[index]),
                _ => false,
            },
            keyword => keyword.takes_expressions(),
        };
        takes_as
            && self.tokens[index].is_word(self.source, "AS")
            && !matches!(self.tokens[index - 1].kind, TokenKind::Comma | TokenKind::Dot | TokenKind::Equals | TokenKind::Open)
            && index - 1 != first
            && !(self.tokens[index - 1].is_word(self.source, "AS") && self.is_keyword(index - 1))
            || self.is_word_of_calculation(index)
    }

    /// True for a part of a field: any word may be one, also `and` and `/`.
    fn is_part(&self, index: usize) -> bool {
        let joins = |left: usize, right: usize| self.tokens.get(right).is_some_and(|right| self.tokens[left].touches(*right));
        let dot = |index: usize| self.tokens.get(index).is_some_and(|token| token.kind == TokenKind::Dot);
        dot(index - 1) || dot(index + 1) && joins(index, index + 1)
    }

    /// `AND`, `CASE`: a field is not called so in a calculation, but a part of one may be.
    fn is_word_of_calculation(&self, index: usize) -> bool {
        let token = self.tokens[index];
        token.kind == TokenKind::Word
            && self.calculations[index]
            && !self.is_part(index)
            && is_expression_word(token.span.text(self.source))
    }

    /// `a + b`, `a = b`, `- a`.
    fn is_sign(&self, index: usize) -> bool {
        let token = self.tokens[index];
        let is_word = token.kind == TokenKind::Word && matches!(token.span.text(self.source), "+" | "-" | "/") && !self.is_part(index);
        self.calculations[index] && (is_word || matches!(token.kind, TokenKind::Operator | TokenKind::Equals | TokenKind::Star))
    }

    /// `CAST(`, `upper(`: what a parenthesis belongs to.
    fn opens_call(&self, before: usize) -> bool {
        let word = self.tokens[before];
        let is_cast = word.is_word(self.source, "CAST") || word.is_word(self.source, "TRY_CAST");
        word.kind == TokenKind::Word && (is_cast || !self.is_keyword(before)) || word.kind == TokenKind::Open
    }

    /// True if a blank stands between a token and the one before it.
    fn space_before(&self, index: usize) -> bool {
        use TokenKind::{Close, Comma, Dot, Equals, Open};
        let (before, token) = (self.tokens[index - 1], self.tokens[index]);
        match (before.kind, token.kind) {
            (Open, _) | (_, Comma | Close) => false,
            _ if self.is_sign(index - 1) || self.is_sign(index) => true,
            (_, Open) if self.calculations[index] => !self.opens_call(index - 1),
            (_, Equals) | (Equals, _) => false,
            (Comma, _) => true,
            (_, Open) => self.segment.keyword == Keyword::StoreAs,
            _ if self.is_keyword(index - 1) || self.is_keyword(index) => true,
            (Dot, _) | (_, Dot) => false,
            (Close, _) => true,
            _ => !before.touches(token),
        }
    }
}

/// Lines being written.
#[derive(Debug, Default)]
struct Page {
    text: String,
    line: String,
    /// Blanks that the line begins with, once anything is written on it.
    indent: &'static str,
}

impl Page {
    fn write(&mut self, text: &str, space: bool) {
        if self.line.is_empty() {
            self.line.push_str(self.indent);
        } else if space {
            self.line.push(' ');
        }
        self.line.push_str(text);
    }

    fn next_line(&mut self, indent: &'static str) {
        if !self.line.is_empty() {
            self.text.push_str(self.line.trim_end());
            self.text.push('\n');
            self.line.clear();
        }
        self.indent = indent;
    }

    fn finish(mut self) -> String {
        self.next_line("");
        self.text.pop();
        self.text
    }
}

#[cfg(test)]
mod tests {
    use crate::format;

    /// Lays out, checks that doing it again changes nothing, and gives the lines.
    #[track_caller]
    fn lines(text: &str) -> Vec<String> {
        let formatted = format(text).unwrap();
        assert_eq!(format(&formatted).as_ref(), Ok(&formatted));
        formatted.lines().map(str::to_owned).collect()
    }

    #[test]
    fn short_statements_are_one_line() {
        assert_eq!(
            lines("insert  into a\nselect b . c as d,e from f limit=5 storeas `JSON`(x = 1) withkey( g , h )"),
            ["INSERT INTO a SELECT b.c AS d, e FROM f STOREAS `JSON` (x=1) WITHKEY(g, h) LIMIT=5"]
        );
        assert_eq!(lines("INSERT INTO a SELECT as as as FROM x.as;"), ["INSERT INTO a SELECT as AS as FROM x.as"]);
    }

    #[test]
    fn a_name_of_pieces_stays_one_name() {
        assert_eq!(lines("insert into t select * from s storeas `com.x.Y`--"), ["INSERT INTO t SELECT * FROM s STOREAS `com.x.Y`--"]);
        assert_eq!(lines("insert into t select * from s storeas `x`AS`Y`"), ["INSERT INTO t SELECT * FROM s STOREAS `x`AS`Y`"]);
        assert_eq!(lines("insert into t select `x`as`Y` from s"), ["INSERT INTO t SELECT `x` AS `Y` FROM s"]);
        assert_eq!(lines("select * from s withtag (`x`as`Y`, a as b)"), ["SELECT * FROM s WITHTAG(`x`as`Y`, a AS b)"]);
    }

    #[test]
    fn calculations_have_blanks_and_capitals() {
        assert_eq!(
            lines(
                "select a*2 as b,end,case when a.end>=1 and b then upper ( c ) else -(d) end as e from f where not(a in(1,2))or b is not null and cast(a as int)<>5"
            ),
            [
                "SELECT a * 2 AS b, end, CASE WHEN a.end >= 1 AND b THEN upper(c) ELSE - (d) END AS e",
                "FROM f",
                "WHERE NOT (a IN (1, 2)) OR b IS NOT NULL AND CAST(a AS int) <> 5",
            ]
        );
        assert_eq!(lines("select a from f where a./*2>1 and b.- is null"), ["SELECT a FROM f WHERE a./ * 2 > 1 AND b.- IS NULL"]);
        assert_eq!(lines("select a from f where a =limit=5 limit 5"), ["SELECT a FROM f WHERE a = `limit` = 5 LIMIT 5"]);
    }

    #[test]
    fn long_statements_have_a_line_for_each_clause() {
        let text = "INSERT INTO lake:orders SELECT id, customer.country AS country FROM orders PROPERTIES('flush.count'=5000) \
            PARTITIONBY country";
        assert_eq!(
            lines(text),
            [
                "INSERT INTO lake:orders",
                "SELECT id, customer.country AS country",
                "FROM orders",
                "PARTITIONBY country",
                "PROPERTIES('flush.count'=5000)"
            ]
        );
    }

    #[test]
    fn long_lists_have_a_line_for_each_item() {
        let columns: Vec<String> = (0..4).map(|index| format!("a_rather_long_name_of_a_column{index}")).collect();
        let key = columns.join(", ");
        let lines = lines(&format!("INSERT INTO a SELECT {key} FROM b WITHKEY({key}) LIMIT 5"));
        assert_eq!(lines[1..4], ["SELECT", "  a_rather_long_name_of_a_column0,", "  a_rather_long_name_of_a_column1,"]);
        assert_eq!(lines[6..9], ["FROM b", "WITHKEY(", "  a_rather_long_name_of_a_column0,"]);
        assert_eq!(lines[12..], [")", "LIMIT 5"]);
    }

    #[test]
    fn comments_stay_with_their_token() {
        let text = "-- head\nINSERT INTO a -- target\nSELECT b, -- first\n  -- own\n  c\nFROM d LIMIT 5 -- five\nSTOREAS JSON;\n-- tail";
        assert_eq!(
            lines(text),
            [
                "-- head",
                "INSERT INTO a -- target",
                "SELECT b, -- first",
                "  -- own",
                "  c",
                "FROM d",
                "STOREAS JSON",
                "LIMIT 5 -- five",
                "",
                "-- tail"
            ]
        );
        assert_eq!(lines("INSERT INTO a /* b */ SELECT * FROM c /* d */"), ["INSERT INTO a /* b */ SELECT * FROM c /* d */"]);
    }

    #[test]
    fn comments_around_semicolons_keep_their_order() {
        let one = "INSERT INTO a SELECT * FROM b";
        let text = format!("{one}; -- one\n{one} -- two\n; -- three");
        assert_eq!(lines(&text), [format!("{one}; -- one"), format!("{one} -- two"), "-- three".to_owned()]);
        assert_eq!(lines("-- only\n; /* this */"), ["-- only", "/* this */"]);
        assert_eq!(lines(""), [""; 0]);
    }

    #[test]
    fn names_that_look_like_comments_are_quoted() {
        assert_eq!(lines("INSERT INTO a SELECT b,--c\n FROM d"), ["INSERT INTO a SELECT b, `--c` FROM d"]);
        assert_eq!(lines("SELECT b FROM d WITHTAG(a=1,--`c`=2)"), ["SELECT b FROM d WITHTAG(a=1, \"--\"`c`=2)"]);
        assert_eq!(lines("SELECT b FROM d WITHCONVERTER=--`a.B`"), ["SELECT b FROM d WITHCONVERTER=\"--\"`a.B`"]);
    }

    #[test]
    fn a_text_with_a_mistake_is_not_touched() {
        assert_eq!(format("INSERT INTO a SELECT * FORM b").map_err(|errors| errors.len()), Err(1));
    }
}
