//! `kpipe explain`: what an error code means, by the compiler's registry.

use kpipe_compiler::codes::{Page, find, pages};

use super::print;
use crate::args::{Common, Explain};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::render::paint::{Ink, paint};

/// Prints a page, or lists all of them.
pub(crate) fn run(common: &Common, args: &Explain, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let style = host.out_style(common.color);
    let text = match &args.code {
        None => pages().iter().map(|page| format!("{}  {}\n", paint(style, Ink::Strong, page.code), page.title)).collect(),
        Some(code) => render(
            style,
            find(code).ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no error code `{code}`")).help("`kpipe explain` lists them all")
            })?,
        ),
    };
    print(host, &text)?;
    Ok(Exit::Done)
}

fn render(style: Style, page: &Page) -> String {
    let Page { code, title, meaning, example, fix, why } = page;
    let mut text = format!("{}: {title}\n\n{meaning}\n", paint(style, Ink::Strong, code));
    if !example.is_empty() {
        text.push_str(&format!("\n{}\n\n{example}\n", paint(style, Ink::Strong, "Example")));
    }
    for (word, part) in [("Fix", fix), ("Why", why)] {
        if !part.is_empty() {
            text.push_str(&format!("\n{}: {part}\n", paint(style, Ink::Help, word)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::failure::{code_of, codes};
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    fn explained(code: Option<&str>) -> (Result<Exit, Failure>, String) {
        let args = Explain { code: code.map(str::to_owned) };
        let (result, out, _) = with_host(Path::new("."), Terminal::default(), |_| None, |host| run(&Common::default(), &args, host));
        (result, out)
    }

    #[test]
    fn a_page_is_printed_with_its_parts() {
        let (_, text) = explained(Some("kp0107"));
        insta::assert_snapshot!(text);
        assert!(explained(None).1.lines().count() > 100);
    }

    #[test]
    fn an_unknown_code_is_a_usage_error() {
        assert_eq!(explained(Some("KP9998")).0.unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn codes_of_the_command_line_have_pages() {
        use kpipe_engine::error::ErrorKind::{Bug, Data, Denied, Fenced, Invalid, LocalIo, Missing, Unreachable};
        let kinds = [Bug, Data, Denied, Fenced, Invalid, LocalIo, Missing, Unreachable].map(code_of);
        for code in kinds.into_iter().chain([codes::NO_PIPELINES, codes::NOT_UTF8, codes::STALE_PLAN, codes::CONSENT]) {
            assert!(find(code).is_some(), "{code}");
        }
    }
}
