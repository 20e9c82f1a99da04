//! What a tree leaves out of the text that it was read from: nothing.
//!
//! The tree is walked in the order of the text. Each name, constant, type and alias is a leaf with a place, and between two leaves the tree says
//! which words and signs have to stand. What the text has between its leaves is read by a scanner of this module's own, which knows blanks,
//! comments, words and signs. Both have to be the same, for the whole text and for the place of every part. Parentheses are counted only: the
//! tree has none.

use std::fmt::Debug;
use std::ops::Range;

use kpipe_grammar::ast::{Folder, PartitionBy, Path, Property, PropertyValue, SelectItem, Statement, WriteMode};
use kpipe_grammar::expr::{Expr, Literal, UnaryOp};
use kpipe_grammar::parse;
use kpipe_grammar::span::{Span, Spanned};

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// What a user chose: a name, a value.
    Leaf(Span),
    /// What the language asks for.
    Word(String),
}

/// The first place of an accepted text where it and its tree say different things.
pub(crate) fn gap(text: &str) -> Option<String> {
    let parsed = parse(text);
    if !parsed.errors.is_empty() {
        return None;
    }
    let mut end = 0;
    for statement in &parsed.statements {
        if let Some(why) = between(text, end..statement.span.start).or_else(|| gap_in(text, statement)) {
            return Some(why);
        }
        end = statement.span.end;
    }
    between(text, end..text.len())
}

/// Statements are apart by semicolons alone.
fn between(text: &str, range: Range<usize>) -> Option<String> {
    let lost = signs(text, range).into_iter().find(|(_, sign)| sign != ";");
    lost.map(|(at, lost)| format!("`{lost}` at {} belongs to no statement", at.start))
}

fn gap_in(text: &str, statement: &Statement) -> Option<String> {
    let mut walk = Walk { text, pieces: Vec::new(), nodes: Vec::new(), wrong: None };
    walk.statement(statement);
    if walk.wrong.is_some() {
        return walk.wrong;
    }
    let mut found: Vec<(Span, Piece)> = Vec::new();
    let mut end = statement.span.start;
    for leaf in walk.pieces.iter().filter_map(|piece| if let Piece::Leaf(span) = piece { Some(*span) } else { None }) {
        if leaf.start < end {
            return Some(format!("`{}` at {} stands in what was before it", leaf.text(text), leaf.start));
        }
        found.extend(signs(text, end..leaf.start).into_iter().map(|(at, sign)| (at, Piece::Word(sign))));
        found.push((leaf, Piece::Leaf(leaf)));
        end = leaf.end;
    }
    found.extend(signs(text, end..statement.span.end).into_iter().map(|(at, sign)| (at, Piece::Word(sign))));
    walk.nodes.iter().find_map(|(span, pieces)| differs(text, &found, *span, &walk.pieces[pieces.clone()]))
}

/// What stands at the place of a part is what the part says.
fn differs(text: &str, found: &[(Span, Piece)], span: Span, said: &[Piece]) -> Option<String> {
    let first = found.partition_point(|(at, _)| at.start < span.start);
    let end = found.partition_point(|(at, _)| at.start < span.end);
    let inside = found.get(first..end).unwrap_or_default();
    let wrong = |why: &str| Some(format!("`{}` at {span:?} {why}: the tree has {said:?}, the text {inside:?}", span.text(text)));
    if inside.first().map(|(at, _)| at.start) != Some(span.start) || inside.last().map(|(at, _)| at.end) != Some(span.end) {
        return wrong("begins or ends beside its words");
    }
    let mut depth = 0_usize;
    let mut rest: Vec<&Piece> = Vec::new();
    for (_, piece) in inside {
        match piece {
            Piece::Word(sign) if sign == "(" => depth += 1,
            Piece::Word(sign) if sign == ")" => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return wrong("closes what it did not open"),
            },
            // `LIMIT = 5` is `LIMIT 5`.
            Piece::Word(sign) if sign == "=" && rest.last().is_some_and(|before| takes_equals(before)) => {}
            piece => rest.push(piece),
        }
    }
    match () {
        () if depth > 0 => wrong("opens what it does not close"),
        () if rest != said.iter().collect::<Vec<_>>() => wrong("says something else"),
        () => None,
    }
}

fn takes_equals(before: &Piece) -> bool {
    let Piece::Word(word) = before else { return false };
    ["STOREAS", "WITHCONVERTER", "WITHKEY", "KEYDELIMITER", "LIMIT", "PROPERTIES"].contains(&word.as_str())
}

/// The words, in capitals, and signs of a range that holds no leaf.
fn signs(text: &str, range: Range<usize>) -> Vec<(Span, String)> {
    let text = &text[..range.end];
    let mut found = Vec::new();
    let mut at = skipped(text, range.start);
    while at < text.len() {
        let rest = &text[at..];
        let word = rest.find(|char: char| !char.is_ascii_alphabetic() && char != '_').unwrap_or(rest.len());
        let len = match rest.get(..2) {
            Some("<=" | ">=" | "<>" | "!=" | "||") => 2,
            _ if word > 0 => word,
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        let sign = if &rest[..len] == "!=" { "<>".to_owned() } else { rest[..len].to_uppercase() };
        found.push((Span::new(at, at + len), sign));
        at = skipped(text, at + len);
    }
    found
}

/// Behind the blanks and comments at a place.
fn skipped(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        at += match () {
            () if rest.starts_with([' ', '\t', '\r', '\n']) => 1,
            () if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            () if rest.starts_with("/*") => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
            () => return at,
        };
    }
}

/// A word without its quotes; a doubled mark inside is one.
fn meant(written: &str) -> String {
    let mut meant = String::new();
    let mut open = None;
    let mut chars = written.chars().peekable();
    while let Some(char) = chars.next() {
        match open {
            None if matches!(char, '\'' | '`' | '"') => open = Some(char),
            Some(mark) if char == mark && chars.next_if_eq(&mark).is_none() => open = None,
            _ => meant.push(char),
        }
    }
    meant
}

/// A type without blanks and comments, in capitals. `a--b` is one word: a comment comes behind a blank.
fn squeezed(text: &str) -> String {
    let (mut squeezed, mut at) = (String::new(), 0);
    while let Some(char) = text[at..].chars().next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => at = skipped(text, at),
            _ => {
                squeezed.extend(char.to_uppercase());
                at += char.len_utf8();
            }
        }
    }
    squeezed
}

/// What the tree says, in the order of the text.
struct Walk<'t> {
    text: &'t str,
    pieces: Vec<Piece>,
    /// The place of each part, and its pieces.
    nodes: Vec<(Span, Range<usize>)>,
    wrong: Option<String>,
}

impl Walk<'_> {
    fn word(&mut self, words: &str) {
        self.pieces.extend(words.split(' ').map(|word| Piece::Word(word.to_owned())));
    }

    /// A leaf, and whether the text says the same there.
    fn leaf(&mut self, span: Span, node: &(impl Debug + ?Sized), says: impl FnOnce(&str) -> bool) {
        let written = self.text.get(span.start..span.end);
        if !written.is_some_and(says) {
            self.wrong.get_or_insert(format!("{node:?} at {span:?} is {written:?} in the text"));
        }
        self.pieces.push(Piece::Leaf(span));
    }

    fn name(&mut self, name: &Spanned<String>) {
        self.leaf(name.span, &name.node, |written| meant(written) == name.node);
    }

    /// A part with a place of its own.
    fn node(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        let first = self.pieces.len();
        walk(self);
        self.nodes.push((span, first..self.pieces.len()));
    }

    fn list<T>(&mut self, items: &[T], mut one: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.word(",");
            }
            one(self, item);
        }
    }

    fn path(&mut self, path: &Path) {
        for (index, part) in path.parts.iter().enumerate() {
            if index > 0 {
                self.word(".");
            }
            // `_.topic` is an old way to write `_topic`.
            let old = |written: &str| written.starts_with('_') && part.node.strip_prefix('_').is_some_and(|name| written.ends_with(name));
            self.leaf(part.span, &part.node, |written| meant(written) == part.node || old(written));
        }
    }

    fn spanned(&mut self, expr: &Spanned<Expr>) {
        self.node(expr.span, |walk| walk.expr(&expr.node, expr.span.start));
    }

    /// `from` is where the expression begins, or a parenthesis before it.
    fn expr(&mut self, expr: &Expr, from: usize) {
        match expr {
            Expr::Column(path) => self.path(path),
            Expr::Literal(literal) => self.literal(literal, from),
            Expr::Unary { op, operand } => {
                self.word(if *op == UnaryOp::Not { "NOT" } else { "-" });
                self.spanned(operand);
            }
            Expr::Binary { op, left, right } => {
                self.spanned(left);
                self.word(op.text());
                self.spanned(right);
            }
            Expr::IsNull { operand, negated } => {
                self.spanned(operand);
                self.word(if *negated { "IS NOT NULL" } else { "IS NULL" });
            }
            Expr::In { operand, list, negated } => {
                self.test(operand, *negated, "IN");
                self.list(list, Self::spanned);
            }
            Expr::Between { operand, low, high, negated } => {
                self.test(operand, *negated, "BETWEEN");
                self.spanned(low);
                self.word("AND");
                self.spanned(high);
            }
            Expr::Like { operand, pattern, escape, negated } => {
                self.test(operand, *negated, "LIKE");
                self.spanned(pattern);
                self.after("ESCAPE", escape.as_ref(), Self::name);
            }
            Expr::Case { operand, branches, otherwise } => {
                self.word("CASE");
                operand.iter().for_each(|operand| self.spanned(operand));
                for branch in branches {
                    self.after("WHEN", Some(&branch.condition), Self::spanned);
                    self.after("THEN", Some(&branch.result), Self::spanned);
                }
                self.after("ELSE", otherwise.as_deref(), Self::spanned);
                self.word("END");
            }
            Expr::Cast { operand, data_type, is_try } => {
                self.word(if *is_try { "TRY_CAST" } else { "CAST" });
                self.spanned(operand);
                self.word("AS");
                let meant = data_type.node.replace(' ', "");
                self.leaf(data_type.span, &data_type.node, |written| squeezed(written) == meant && written.trim() == written);
            }
            Expr::Call { name, args } => {
                self.leaf(name.span, &name.node, |written| written.to_lowercase() == name.node);
                self.list(args, Self::spanned);
            }
        }
    }

    fn test(&mut self, operand: &Spanned<Expr>, negated: bool, word: &str) {
        self.spanned(operand);
        if negated {
            self.word("NOT");
        }
        self.word(word);
    }

    fn after<T>(&mut self, word: &str, node: Option<&T>, walk: impl FnOnce(&mut Self, &T)) {
        if let Some(node) = node {
            self.word(word);
            walk(self, node);
        }
    }

    fn literal(&mut self, literal: &Literal, from: usize) {
        let mut at = skipped(self.text, from);
        while self.text[at..].starts_with('(') {
            at = skipped(self.text, at + 1);
        }
        let typed = match literal {
            Literal::Timestamp(_) => "TIMESTAMP",
            Literal::Date(_) => "DATE",
            Literal::Null | Literal::Boolean(_) | Literal::Number(_) | Literal::Text(_) => "",
        };
        if !typed.is_empty() {
            self.word(typed);
            at = skipped(self.text, at + typed.len());
        }
        let rest = &self.text[at..];
        match literal {
            Literal::Text(text) | Literal::Timestamp(text) | Literal::Date(text) => {
                let end = 1 + rest.get(1..).unwrap_or_default().replace("''", "--").find('\'').map_or(0, |end| end + 1);
                self.leaf(Span::new(at, at + end), literal, |written| meant(written) == *text);
            }
            Literal::Null | Literal::Boolean(_) | Literal::Number(_) => {
                let is_part = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
                let end = rest.find(|char| !is_part(char)).unwrap_or(rest.len());
                self.leaf(Span::new(at, at + end), literal, |written| match literal {
                    Literal::Number(number) => written == number,
                    literal => literal.to_string() == written.to_uppercase(),
                });
            }
        }
    }

    fn aliased(&mut self, expr: &Expr, from: usize, alias: Option<&Spanned<String>>) {
        self.expr(expr, from);
        self.after("AS", alias, Self::name);
    }

    fn item(&mut self, item: &Spanned<SelectItem>) {
        self.node(item.span, |walk| match &item.node {
            SelectItem::Star => walk.word("*"),
            SelectItem::StarOf(path) => {
                walk.path(path);
                walk.word(". *");
            }
            SelectItem::Value { expr, alias } => walk.aliased(expr, item.span.start, alias.as_ref()),
        });
    }

    fn partition_by(&mut self, by: &PartitionBy) {
        let PartitionBy::Folders(folders) = by else { return self.word("NOPARTITION") };
        self.word("PARTITIONBY");
        self.list(folders, |walk, folder| {
            let Folder { expr, alias } = &folder.node;
            walk.node(folder.span, |walk| walk.aliased(expr, folder.span.start, alias.as_ref()));
        });
    }

    /// Lists of options may follow each other: `(a = b) (c = d)`.
    fn properties(&mut self, properties: &[Property]) {
        let mut end = None;
        for Property { key, value } in properties {
            let between: Vec<String> =
                end.map(|end| signs(self.text, end..key.span.start).into_iter().map(|(_, sign)| sign).collect()).unwrap_or_default();
            if end.is_some() && between != [")", "("] {
                self.word(",");
            }
            self.name(key);
            self.word("=");
            self.leaf(value.span, &value.node, |written| match &value.node {
                PropertyValue::Integer(number) => written.parse() == Ok(*number),
                PropertyValue::Text(text) => meant(written) == *text,
            });
            end = Some(value.span.end);
        }
    }

    fn write(&mut self, statement: &Statement) {
        let Some(target) = &statement.target else { return };
        self.node(statement.mode.span, |walk| {
            walk.word(match statement.mode.node {
                WriteMode::Insert => "INSERT",
                WriteMode::Upsert => "UPSERT",
                WriteMode::Update => "UPDATE",
                WriteMode::Select => "SELECT",
            });
        });
        self.word("INTO");
        self.leaf(target.span, &target.node, |written| meant(written) == target.node.text);
    }

    /// Its clauses in the order of the text.
    fn statement(&mut self, statement: &Statement) {
        let Statement {
            span,
            mode: _,
            target,
            select,
            from,
            filter,
            partition_by,
            store_as,
            with_key,
            key_delimiter,
            with_converter,
            limit,
            properties,
            other,
        } = statement;
        let mut clauses: Clauses<'_> = Vec::new();
        if target.is_some() {
            clauses.push((span.start, Box::new(|walk| walk.write(statement))));
        }
        clauses.push((select.span.start, Box::new(|walk| walk.node(select.span, |walk| walk.columns(&select.node)))));
        clause(&mut clauses, "FROM", Some(from), |walk, from| {
            walk.leaf(from.span, &from.node, |written| meant(written) == from.node.text);
        });
        clause(&mut clauses, "WHERE", filter.as_ref(), |walk, filter| walk.spanned(filter));
        clause(&mut clauses, "KEYDELIMITER", key_delimiter.as_ref(), |walk, text| walk.name(text));
        clause(&mut clauses, "WITHCONVERTER", with_converter.as_ref(), |walk, name| walk.name(name));
        clause(&mut clauses, "LIMIT", limit.as_ref(), |walk, limit| {
            walk.leaf(limit.span, &limit.node, |written| meant(written).parse() == Ok(limit.node));
        });
        whole(&mut clauses, partition_by.as_ref(), |walk, by| walk.partition_by(by));
        whole(&mut clauses, store_as.as_ref(), |walk, store_as| {
            walk.after("STOREAS", Some(&store_as.format), Walk::name);
            walk.properties(&store_as.options);
        });
        whole(&mut clauses, with_key.as_ref(), |walk, key| {
            walk.word("WITHKEY");
            walk.list(key, Walk::spanned);
        });
        whole(&mut clauses, properties.as_ref(), |walk, properties| {
            walk.word("PROPERTIES");
            walk.properties(properties);
        });
        for option in other {
            let text = option.node.text.as_str();
            clauses.push((option.span.start, Box::new(move |walk| walk.leaf(option.span, text, |written| written == text))));
        }
        clauses.sort_by_key(|(start, _)| *start);
        self.node(*span, |walk| clauses.into_iter().for_each(|(_, read)| read(walk)));
    }

    fn columns(&mut self, items: &[Spanned<SelectItem>]) {
        self.word("SELECT");
        self.list(items, Self::item);
    }
}

/// Where a clause begins, and how it is walked.
type Clauses<'s> = Vec<(usize, Box<dyn FnOnce(&mut Walk<'_>) + 's>)>;

/// A clause whose place is that of its value.
fn clause<'s, T>(
    clauses: &mut Clauses<'s>,
    keyword: &'static str,
    node: Option<&'s Spanned<T>>,
    walk_value: fn(&mut Walk<'_>, &Spanned<T>),
) {
    if let Some(node) = node {
        clauses.push((node.span.start, Box::new(move |walk| walk.after(keyword, Some(node), walk_value))));
    }
}

/// A clause whose place begins at its keyword.
fn whole<'s, T>(clauses: &mut Clauses<'s>, node: Option<&'s Spanned<T>>, walk_value: fn(&mut Walk<'_>, &T)) {
    if let Some(node) = node {
        clauses.push((node.span.start, Box::new(move |walk| walk.node(node.span, |walk| walk_value(walk, &node.node)))));
    }
}
