//! One statement: its clauses in any order, each once.

use crate::ast::{Statement, WriteMode};
use crate::clauses::{Clause, Clauses};
use crate::error::SyntaxError;
use crate::excerpt::{excerpt, shown};
use crate::keyword::{Keyword, near};
use crate::labels::one_of;
use crate::lexical;
use crate::report::Report;
use crate::segment::{Segment, segments, span_of};
use crate::span::{Span, Spanned};
use crate::token::{Token, TokenKind};
use crate::warning::SyntaxWarning;

/// Reads the significant tokens of one statement.
pub(crate) fn parse(source: &str, tokens: &[Token], statements: &mut Vec<Statement>, report: &mut Report) {
    let (errors, warnings) = (report.errors.len(), report.warnings.len());
    clauses(source, tokens, statements, report);
    if report.errors.len() > errors {
        // What may be misread in a text that is refused anyway is a second message about one mistake.
        report.warnings.truncate(warnings);
    }
}

fn clauses(source: &str, tokens: &[Token], statements: &mut Vec<Statement>, report: &mut Report) {
    if !lexical::check(source, tokens, report) {
        return;
    }
    if let Some(error) = start_error(source, tokens) {
        report.error(error);
        return;
    }
    let segments = segments(source, tokens);
    for part in split_at_writes(source, tokens, &segments, report) {
        statements.extend(one(source, tokens, part, report));
    }
}

/// Why the first words do not begin a statement.
fn start_error(source: &str, tokens: &[Token]) -> Option<SyntaxError> {
    let first = *tokens.first()?;
    let is = |word: &str| first.is_word(source, word);
    if is("SELECT") {
        return None;
    }
    if !["INSERT", "UPSERT", "UPDATE"].into_iter().any(is) {
        return Some(misspelt_start(source, first));
    }
    let second = tokens.get(1).copied();
    if second.is_some_and(|second| second.is_word(source, "INTO")) {
        return None;
    }
    upsert_pk(source, tokens).or_else(|| {
        let found = second.map_or("the end of the statement".to_owned(), |token| shown(token.span.text(source)));
        let end = first.span.end;
        let error = SyntaxError::Expected {
            expected: "`INTO`".to_owned(),
            found,
            span: second.map_or(Span::new(end, end), |token| token.span),
            help: Some("a statement begins with INSERT INTO or UPSERT INTO and a target".to_owned()),
        };
        Some(second.and_then(|token| misspelt(source, token, &["INTO"])).unwrap_or(error))
    })
}

fn misspelt_start(source: &str, first: Token) -> SyntaxError {
    misspelt(source, first, &["INSERT", "UPSERT", "UPDATE", "SELECT"])
        .unwrap_or_else(|| SyntaxError::StatementStart { found: shown(first.span.text(source)), span: first.span })
}

fn misspelt(source: &str, token: Token, candidates: &[&'static str]) -> Option<SyntaxError> {
    let word = Some(token).filter(|token| token.kind == TokenKind::Word)?.span.text(source);
    let near = near(word, candidates.iter().copied());
    let first = near.first()?;
    let replacement = (near.len() == 1).then(|| (*first).to_owned());
    let quoted: Vec<String> = near.iter().map(|keyword| format!("`{keyword}`")).collect();
    let nearest = one_of(&quoted.iter().map(String::as_str).collect::<Vec<_>>());
    Some(SyntaxError::MisspeltKeyword { word: excerpt(word), what: "KCQL clause", nearest, span: token.span, replacement })
}

/// `UPSERT PK a, b INTO t`.
fn upsert_pk(source: &str, tokens: &[Token]) -> Option<SyntaxError> {
    tokens.get(1).filter(|token| token.is_word(source, "PK"))?;
    let into = tokens.iter().position(|token| token.is_word(source, "INTO"))?;
    let fields = excerpt(span_of(tokens.get(2..into)?).text(source));
    let target = tokens.get(into + 1).map_or("target".to_owned(), |token| excerpt(token.span.text(source)));
    Some(SyntaxError::UpsertPk { span: span_of(&tokens[1..into]), fields, target })
}

/// A `SELECT` alone is one statement; a second `INSERT INTO` begins a statement whose `;` was forgotten; both are read.
fn split_at_writes<'s>(source: &str, tokens: &[Token], segments: &'s [Segment], report: &mut Report) -> Vec<&'s [Segment]> {
    let begins = |index: usize, keyword: Keyword| keyword == Keyword::Write || index == 0;
    let starts: Vec<usize> =
        segments.iter().enumerate().filter(|(index, segment)| begins(*index, segment.keyword)).map(|(index, _)| index).collect();
    let mut parts = Vec::new();
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(segments.len());
        parts.push(&segments[*start..end]);
        if number > 0 {
            let first = segments[*start].first;
            let end = tokens[first - 1].span.end;
            let next = tokens[first].span;
            debug_assert!(end <= source.len());
            report.error(SyntaxError::MissingSemicolon { end: Span::new(end, end), next });
        }
    }
    parts
}

/// Reads the clauses of one statement.
fn one(source: &str, tokens: &[Token], segments: &[Segment], report: &mut Report) -> Option<Statement> {
    let (before, warned) = (report.errors.len(), report.warnings.len());
    let mut clauses = Clauses::default();
    let mut seen: Vec<(Keyword, Span)> = Vec::new();
    let end = segments.last()?.end;
    for segment in segments {
        let keyword = segment.keyword;
        let clause = Clause {
            source,
            keyword,
            tokens: &tokens[segment.first..segment.end],
            next: tokens.get(segment.end).copied().filter(|_| segment.end < end),
        };
        warn_of_keyword_name(&clause, report);
        match seen.iter().find(|(other, _)| other.slot() == keyword.slot()) {
            Some((other, first)) => report.error(repeated(*other, *first, &clause)),
            None => clauses.read(&clause, report),
        }
        seen.push((keyword, clause.keyword_span()));
    }
    if seen.iter().all(|(keyword, _)| *keyword != Keyword::Properties) {
        offer_properties(&mut report.warnings[warned..]);
    }
    if report.errors.len() == before {
        check_core(&seen, span_of(&tokens[..end]), report);
    }
    if report.errors.len() > before {
        return None;
    }
    let span = span_of(&tokens[segments.first()?.first..end]);
    build(span, clauses)
}

/// One deprecated clause of a statement without PROPERTIES can be replaced by them as it stands; two would make two.
fn offer_properties(warnings: &mut [SyntaxWarning]) {
    let deprecated = warnings.iter_mut().filter_map(|warning| match warning {
        SyntaxWarning::DeprecatedClause { is_alone, .. } => Some(is_alone),
        _ => None,
    });
    if let [only] = &mut deprecated.collect::<Vec<_>>()[..] {
        **only = true;
    }
}

fn repeated(other: Keyword, first: Span, clause: &Clause<'_>) -> SyntaxError {
    let (one, two) = (other.text(), clause.keyword.text());
    let sentence = if one == two { format!("the clause `{one}` stands twice") } else { format!("`{one}` and `{two}` exclude each other") };
    SyntaxError::RepeatedClause { clause: sentence, first, second: clause.keyword_span() }
}

/// A flag after `INTO` or `FROM` could also have been meant as the clause.
fn warn_of_keyword_name(clause: &Clause<'_>, report: &mut Report) {
    let place = match clause.keyword {
        Keyword::Write => 2,
        Keyword::From => 1,
        _ => return,
    };
    let Some(name) = clause.tokens.get(place).filter(|token| token.kind == TokenKind::Word) else { return };
    let word = name.span.text(clause.source);
    if clause.tokens.len() == place + 1 && Keyword::find(word, None).is_some_and(Keyword::is_flag) {
        report.warning(SyntaxWarning::KeywordAsName { word: word.to_owned(), span: name.span });
    }
}

/// `INSERT INTO`, `SELECT` and `FROM` are there and come first, in this order.
fn check_core(seen: &[(Keyword, Span)], statement: Span, report: &mut Report) {
    let place = |keyword: Keyword| seen.iter().position(|(other, _)| *other == keyword);
    let end = Span::new(statement.end, statement.end);
    let Some(select) = place(Keyword::Select) else {
        let span = seen.get(1).map_or(end, |(_, span)| *span);
        return report.error(SyntaxError::MissingSelect { span });
    };
    let Some(from) = place(Keyword::From) else {
        let span = seen.get(select + 1).map_or(end, |(_, span)| *span);
        return report.error(SyntaxError::MissingFrom { span });
    };
    let first = usize::from(place(Keyword::Write).is_some());
    let early =
        if select != first { seen.get(first).map(|early| (early, "`SELECT`")) } else { seen.get(first + 1).map(|early| (early, "`FROM`")) };
    if let (Some(((keyword, span), before)), true) = (early, select != first || from != first + 1) {
        report.error(SyntaxError::ClauseOrder { clause: keyword.text(), before, span: *span });
    }
}

fn build(span: Span, clauses: Clauses) -> Option<Statement> {
    let Clauses { insert, select, from, filter, partition_by, store_as, with_key, key_delimiter, with_converter, limit, properties, other } =
        clauses;
    let (mode, target) = match insert {
        Some((mode, target)) => (mode, Some(target)),
        None => (Spanned::new(WriteMode::Select, Span::new(span.start, span.start + Keyword::Select.text().len())), None),
    };
    Some(Statement {
        span,
        mode,
        target,
        select: select?,
        from: from?,
        filter,
        partition_by,
        store_as,
        with_key,
        key_delimiter,
        with_converter,
        limit,
        properties,
        other,
    })
}

#[cfg(test)]
mod tests {
    use crate::testing::{codes, statement, with};

    #[test]
    fn a_deprecated_clause_alone_has_a_fix() {
        let fixes = |text: &str| crate::parse(text).warnings.iter().filter_map(|warning| warning.fix()).collect::<Vec<_>>();
        let text = "INSERT INTO t SELECT * FROM s WITH_FLUSH_COUNT = 5000 LIMIT 5";
        let [fix] = &fixes(text)[..] else { panic!("one fix") };
        assert_eq!((fix.span.text(text), fix.replacement.as_str()), ("WITH_FLUSH_COUNT = 5000", "PROPERTIES('flush.count'=5000)"));
        assert!(fixes("INSERT INTO t SELECT * FROM s WITH_FLUSH_COUNT = 5 WITH_FLUSH_SIZE = 6").is_empty(), "two of them");
        assert!(fixes("INSERT INTO t SELECT * FROM s WITH_FLUSH_COUNT = 5 PROPERTIES(a=1)").is_empty(), "there is one already");
    }

    #[test]
    fn mistakes_of_older_clauses_say_what_is_missing() {
        let said = |text: &str| crate::parse(text).errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let clause = |clause: &str| said(&format!("INSERT INTO t SELECT * FROM s {clause}"));
        assert_eq!(clause("CLUSTERBY INTO 5 BUCKETS"), "`CLUSTERBY` has no value: expected a field, found `INTO`");
        assert_eq!(clause("DISTRIBUTEBY a INTO 0 BUCKETS"), "the number of buckets must be at least 1");
        assert_eq!(clause("SAMPLE 0 EVERY 1"), "each number of SAMPLE must be at least 1");
    }

    #[test]
    fn a_name_with_signs_of_expressions_goes_in_back_ticks() {
        for (text, fixed) in
            [("SELECT * FROM a%b", "SELECT * FROM `a%b`"), ("INSERT INTO x<y> SELECT * FROM s", "INSERT INTO `x<y>` SELECT * FROM s")]
        {
            let fix = crate::parse(text).errors[0].fix().unwrap();
            assert_eq!(format!("{}{}{}", &text[..fix.span.start], fix.replacement, &text[fix.span.end..]), fixed);
        }
    }

    #[test]
    fn clauses_stand_in_any_order() {
        let statement = with("LIMIT 5 PROPERTIES(a=1) BATCH = 2 STOREAS JSON AUTOCREATE PARTITIONBY x");
        assert_eq!(
            statement.to_string(),
            "INSERT INTO t SELECT * FROM s PARTITIONBY x STOREAS JSON LIMIT 5 BATCH=2 AUTOCREATE PROPERTIES(a=1)"
        );
    }

    #[test]
    fn the_core_stands_first() {
        assert_eq!(codes("INSERT INTO a"), ["KP0104"]);
        assert_eq!(codes("INSERT INTO a LIMIT 5 SELECT * FROM b"), ["KP0127"]);
        assert_eq!(codes("INSERT INTO a FROM b SELECT *"), ["KP0127"]);
        assert_eq!(codes("INSERT INTO a SELECT *"), ["KP0105"]);
        assert_eq!(codes("INTO a SELECT * FROM b"), ["KP0106"]);
        assert_eq!(codes("(INSERT INTO a SELECT * FROM b)"), ["KP0106"]);
    }

    #[test]
    fn one_mistake_hides_its_consequences() {
        assert_eq!(codes("INSERT INTO a SELEC * FROM b"), ["KP0107"]);
        assert_eq!(codes("INSERT INTO a SELECT * FORM b LIMIT 5"), ["KP0107"]);
        assert_eq!(codes("INSERT INTO SELECT * FROM b"), ["KP0102"]);
    }

    #[test]
    fn mistakes_of_different_clauses_are_all_told() {
        assert_eq!(codes("INSERT INTO '' SELECT a, a FROM * LIMIT 0"), ["KP0114", "KP0121", "KP0131", "KP0117"]);
        assert_eq!(codes("INSERT INTO a SELECT * FROM b LIMIT 0; SELECT * FROM c LIMIT; x"), ["KP0117", "KP0126", "KP0106"]);
    }

    #[test]
    fn statements_without_a_semicolon_are_both_read() {
        let parsed = crate::parse("INSERT INTO a SELECT * FROM b LIMIT 5 INSERT INTO c SELECT * FROM d");
        assert_eq!((parsed.statements.len(), parsed.errors.len()), (2, 1));
    }

    #[test]
    fn warnings_are_told_of_good_statements_only() {
        assert_eq!(statement("INSERT INTO autocreate SELECT * FROM b").to_string(), "INSERT INTO `autocreate` SELECT * FROM b");
        assert_eq!(crate::parse("INSERT INTO autocreate SELECT * FROM b").warnings.len(), 1);
        assert_eq!(crate::parse("INSERT INTO autocreate SELECT * FROM b LIMIT 0").warnings.len(), 0);
    }
}
