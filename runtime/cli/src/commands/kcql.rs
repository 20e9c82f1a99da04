//! `kpipe kcql parse`: what KCQL texts say, as JSON for other tools.

use std::io::{self, BufRead};

use serde::Serialize;

use kpipe_compiler::report::{Edit, Entry, LabelView, Report, View};
use kpipe_compiler::sources::{LineColumn, Location, Sources};
use kpipe_grammar::limits::TEXT_BYTES_MAX;
use kpipe_grammar::span::Span;
use kpipe_grammar::{Parsed, SyntaxError};

use super::print;
use crate::args::{Kcql, KcqlCommand, KcqlFormat, KcqlParse};
use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::host::Host;
use crate::render::statement::StatementJson;

/// Bytes of one line: each byte of a text may stand there as an escape of six.
const LINE_BYTES_MAX: usize = 6 * TEXT_BYTES_MAX + 2;

/// Reads standard input and prints one JSON object a text.
pub(crate) fn run(args: &Kcql, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let KcqlCommand::Parse(KcqlParse { format: KcqlFormat::Json, lines }) = &args.command;
    let (mut exit, mut bytes) = (Exit::Done, Vec::new());
    loop {
        let piece = if *lines { Piece::LINE } else { Piece::WHOLE };
        let read = piece.read(host.input, &mut bytes);
        let read =
            read.map_err(|error| Failure::new(Exit::LocalIo, format!("cannot read standard input: {error}")).code(codes::LOCAL_FILE))?;
        let answer = match (read, *lines) {
            (None, true) => return Ok(exit),
            (None, false) => answer(String::new()),
            (Some(len), true) => of_line(&bytes, len),
            (Some(len), false) => of_text(&bytes, len),
        };
        if !answer.ok {
            exit = Exit::Invalid;
        }
        print(host, &answer.line)?;
        if !*lines {
            return Ok(exit);
        }
    }
}

/// A part of the input, kept up to one byte more than it may have.
struct Piece {
    end: Option<u8>,
    bytes_max: usize,
}

impl Piece {
    const LINE: Self = Self { end: Some(b'\n'), bytes_max: LINE_BYTES_MAX };
    const WHOLE: Self = Self { end: None, bytes_max: TEXT_BYTES_MAX };

    /// Reads the next one into `bytes`, without its end; returns its length, which may be more than was kept, or nothing if there is none.
    fn read(&self, input: &mut dyn BufRead, bytes: &mut Vec<u8>) -> io::Result<Option<usize>> {
        bytes.clear();
        let (mut len, mut any) = (0, false);
        loop {
            let chunk = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                return Ok(any.then_some(len));
            }
            any = true;
            let end = self.end.and_then(|end| chunk.iter().position(|byte| *byte == end));
            let piece = &chunk[..end.unwrap_or(chunk.len())];
            let room = (self.bytes_max + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            len += piece.len();
            let used = piece.len() + usize::from(end.is_some());
            input.consume(used);
            if end.is_some() {
                return Ok(Some(len));
            }
        }
    }
}

/// A line to print.
struct Answer {
    ok: bool,
    line: String,
}

#[derive(Serialize)]
struct TextJson<'a> {
    ok: bool,
    statements: Vec<StatementJson<'a>>,
    warnings: Vec<MistakeJson>,
    errors: Vec<MistakeJson>,
}

impl TextJson<'_> {
    fn answer(&self) -> Answer {
        let mut line = serde_json::to_string(self).expect("keys are texts");
        line.push('\n');
        Answer { ok: self.ok, line }
    }
}

/// What is wrong, and where: lines and columns count from 1, columns in characters; the end is behind the last character.
#[derive(Serialize)]
struct MistakeJson {
    code: String,
    message: String,
    line: usize,
    col: usize,
    end_line: usize,
    end_col: usize,
    help: Option<String>,
    fix: Option<FixJson>,
}

/// The edit that repairs it.
#[derive(Serialize)]
struct FixJson {
    line: usize,
    col: usize,
    end_line: usize,
    end_col: usize,
    replacement: String,
}

/// The answer to a line with `--lines`.
fn of_line(line: &[u8], len: usize) -> Answer {
    if len > LINE_BYTES_MAX {
        return refused(codes::NOT_A_JSON_STRING, format!("this line has {len} bytes; at most {LINE_BYTES_MAX} are read"), 1, Some(SHAPE));
    }
    match serde_json::from_slice::<String>(line) {
        Ok(text) if text.len() > TEXT_BYTES_MAX => too_long(text.len()),
        Ok(text) => answer(text),
        Err(error) => {
            let chars = String::from_utf8_lossy(line).trim_end_matches('\r').chars().count();
            refused(codes::NOT_A_JSON_STRING, format!("this line is not a JSON string: {error}"), chars + 1, Some(SHAPE))
        }
    }
}

/// What a line has to be.
const SHAPE: &str = "each line is one text in JSON, for example \"INSERT INTO a SELECT * FROM b\"";

/// The answer to the whole of the input.
fn of_text(bytes: &[u8], len: usize) -> Answer {
    if len > TEXT_BYTES_MAX {
        return too_long(len);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => answer(text.to_owned()),
        Err(error) => {
            let mut sources = Sources::new();
            let at = error.valid_up_to();
            let id = sources.add("", String::from_utf8_lossy(&bytes[..at]));
            let begin = sources.file(id).line_column(at);
            let mistake = MistakeJson {
                code: codes::NOT_UTF8.to_owned(),
                message: format!("the text is not UTF-8 (byte {at})"),
                line: begin.line,
                col: begin.column,
                end_line: begin.line,
                end_col: begin.column + 1,
                help: None,
                fix: None,
            };
            TextJson { ok: false, statements: Vec::new(), warnings: Vec::new(), errors: vec![mistake] }.answer()
        }
    }
}

fn too_long(bytes: usize) -> Answer {
    let error = SyntaxError::TextTooLong { bytes, span: Span::new(0, 0) };
    said(String::new(), Parsed { errors: vec![error], ..Parsed::default() })
}

/// The answer to something that is no text at all.
fn refused(code: &str, message: String, end_col: usize, help: Option<&str>) -> Answer {
    let (code, help) = (code.to_owned(), help.map(str::to_owned));
    let mistake = MistakeJson { code, message, line: 1, col: 1, end_line: 1, end_col, help, fix: None };
    TextJson { ok: false, statements: Vec::new(), warnings: Vec::new(), errors: vec![mistake] }.answer()
}

/// The answer to a text.
fn answer(text: String) -> Answer {
    let parsed = kpipe_grammar::parse(&text);
    said(text, parsed)
}

fn said(text: String, parsed: Parsed) -> Answer {
    let Parsed { statements, warnings, errors } = parsed;
    let ok = errors.is_empty();
    let is_clean = ok && warnings.is_empty();
    let statements = statements.iter().map(StatementJson).collect();
    let mut json = TextJson { ok, statements, warnings: Vec::new(), errors: Vec::new() };
    if is_clean {
        return json.answer();
    }
    let (mut sources, mut report) = (Sources::new(), Report::default());
    let file = sources.add("", text);
    let with_fix = |entry: Entry, fix: Option<kpipe_grammar::Fix>| match fix {
        Some(fix) => entry.fix(Location::new(file, fix.span), fix.replacement),
        None => entry,
    };
    // The compiler's report counts lines and columns, orders, and says each mistake once: as `check` does.
    for error in errors {
        let fix = error.fix();
        report.push(with_fix(Entry::new(file, error), fix));
    }
    json.errors = mistakes(&sources, &report);
    let mut report = Report::default();
    for warning in warnings {
        let fix = warning.fix();
        report.push(with_fix(Entry::new(file, warning), fix));
    }
    json.warnings = mistakes(&sources, &report);
    json.answer()
}

fn mistakes(sources: &Sources, report: &Report) -> Vec<MistakeJson> {
    report.views(sources).into_iter().map(|view| mistake(sources, view)).collect()
}

fn mistake(sources: &Sources, view: View) -> MistakeJson {
    let View { code, severity: _, message, primary, secondary: _, help, fixes, suggestions: _ } = view;
    let start = LineColumn { line: 1, column: 1 };
    let (begin, end) = primary.map_or((start, start), |LabelView { begin, end, .. }| (begin, end));
    let fix = fixes.into_iter().next().map(|Edit { at, replacement }| {
        let file = sources.file(at.file);
        let (begin, end) = (file.line_column(at.span.start), file.line_column(at.span.end));
        FixJson { line: begin.line, col: begin.column, end_line: end.line, end_col: end.column, replacement }
    });
    MistakeJson { code, message, line: begin.line, col: begin.column, end_line: end.line, end_col: end.column, help, fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(piece: &Piece, text: &str, chunk: usize) -> Vec<(String, usize)> {
        let mut input = io::BufReader::with_capacity(chunk, text.as_bytes());
        let (mut bytes, mut found) = (Vec::new(), Vec::new());
        while let Some(len) = piece.read(&mut input, &mut bytes).unwrap() {
            found.push((String::from_utf8(bytes.clone()).unwrap(), len));
        }
        found
    }

    #[test]
    fn lines_are_cut_wherever_the_buffer_ends() {
        let of = |text: &str, len| (text.to_owned(), len);
        for chunk in 1..9 {
            assert_eq!(pieces(&Piece::LINE, "ab\n\ncde", chunk), [of("ab", 2), of("", 0), of("cde", 3)], "{chunk}");
            assert_eq!(pieces(&Piece::WHOLE, "ab\n\ncde\n", chunk), [of("ab\n\ncde\n", 8)], "{chunk}");
        }
        assert_eq!(pieces(&Piece::LINE, "", 4), []);
        assert_eq!(pieces(&Piece::LINE, "a\n", 4), [of("a", 1)]);
    }

    #[test]
    fn of_a_line_that_is_too_long_only_the_beginning_is_kept() {
        let short = Piece { end: Some(b'\n'), bytes_max: 3 };
        for chunk in [1, 2, 64] {
            assert_eq!(pieces(&short, "abcdefgh\nxyz\n", chunk), [("abcd".to_owned(), 8), ("xyz".to_owned(), 3)], "{chunk}");
        }
    }
}
