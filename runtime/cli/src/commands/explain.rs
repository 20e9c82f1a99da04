//! `kpipe explain`: what an error code means, by the compiler's registry; or what pipelines do, in plain sentences.

use std::path::{Path, PathBuf};

use kpipe_compiler::codes::{Page, find, pages};
use kpipe_compiler::plan::story::story;
use kpipe_compiler::sources::Mode;

use super::{findings, print};
use crate::args::{Common, Explain, Voice};
use crate::compile::compile;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::render::paint::{Ink, harmless, paint};

/// Prints a page, lists all of them, or tells what pipelines do.
pub(crate) fn run(common: &Common, args: &Explain, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let style = host.out_style(common.color);
    let text = match &args.what {
        None => pages().iter().map(|page| format!("{}  {}\n", paint(style, Ink::Strong, page.code), page.title)).collect(),
        Some(what) => match find(what) {
            Some(page) => render(style, page),
            None if is_path(host, what) => return tell(common, args, host, what),
            None => {
                let help = "`kpipe explain` lists them all; a pipeline is explained by the path of its file";
                return Err(Failure::new(Exit::Usage, format!("there is no error code `{what}`")).help(help));
            }
        },
    };
    print(host, &text)?;
    Ok(Exit::Done)
}

fn is_path(host: &Host<'_>, what: &str) -> bool {
    what.contains('/') || what.ends_with(".yaml") || what.ends_with(".yml") || host.resolve(Path::new(what)).exists()
}

/// The pipelines of a file or a directory.
fn tell(common: &Common, args: &Explain, host: &mut Host<'_>, path: &str) -> Result<Exit, Failure> {
    let compiled = compile(host, &[PathBuf::from(path)], args.profile.as_deref(), Mode::Check, None)?;
    findings(common, Voice::Human, host, &compiled)?;
    let style = host.out_style(common.color);
    let mut stories = Vec::new();
    for unit in &compiled.pipelines {
        let lines: String = story(&unit.pipeline).iter().map(|line| format!("{}\n", harmless(line))).collect();
        stories.push(format!("{}\n\n{lines}", paint(style, Ink::Strong, &harmless(&unit.pipeline.name))));
    }
    if !compiled.has_errors && compiled.pipelines.len() < compiled.read {
        let left = compiled.read - compiled.pipelines.len();
        stories.push(format!(
            "{left} more cannot be told without looking: a schema is to be inferred, or a variable is not set. `kpipe plan --schema` looks.\n"
        ));
    }
    print(host, &stories.join("\n"))?;
    Ok(if compiled.has_errors { Exit::Invalid } else { Exit::Done })
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
        let args = Explain { what: code.map(str::to_owned), profile: None };
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
    fn a_path_is_told_and_what_is_neither_is_a_usage_error() {
        let dir = tempfile::tempdir().unwrap();
        let told = |what: &str| {
            let args = Explain { what: Some(what.to_owned()), profile: None };
            with_host(dir.path(), Terminal::default(), |_| None, |host| run(&Common::default(), &args, host))
        };
        assert_eq!(told("none.yaml").0.unwrap_err().exit, Exit::LocalIo, "it was meant as a file");
        assert_eq!(told("nothing").0.unwrap_err().exit, Exit::Usage);
        let inferred = "version: 1\npipeline: p\nsource:\n  kafka: { brokers: [\"a:1\"], value: { format: json, schema: infer } }\n\
                        sink:\n  local: { dir: out, format: parquet }\nkcql: INSERT INTO t SELECT * FROM t\n";
        std::fs::write(dir.path().join("p.yaml"), inferred).unwrap();
        let (result, out, _) = told("p.yaml");
        assert_eq!((result.unwrap(), out.starts_with("1 more cannot be told without looking")), (Exit::Done, true), "{out}");
        std::fs::write(dir.path().join("p.yaml"), inferred.replace("pipeline: p", "pipelin: p")).unwrap();
        let (result, out, err) = told("p.yaml");
        assert_eq!((result.unwrap(), out.as_str()), (Exit::Invalid, ""));
        assert!(err.contains("KP0201"), "{err}");
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
