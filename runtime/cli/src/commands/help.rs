//! `kpipe help`: the words of a command, or the KCQL reference.

use clap::CommandFactory;
use kpipe_compiler::functions::{FUNCTIONS, find};
use kpipe_compiler::near::nearest;

use super::print;
use crate::args::{Args, Common, Help};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::reference::{Section, about, sections};
use crate::render::paint::{Ink, paint};

/// Prints help about a topic.
pub(crate) fn run(common: &Common, args: &Help, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let style = host.out_style(common.color);
    let text = match (args.topic.as_deref(), args.part.as_deref()) {
        (Some("kcql"), None) => painted(style, &format!("{}\n{}", kpipe_grammar::REFERENCE, functions(""))),
        (Some("kcql"), Some(part)) if part.eq_ignore_ascii_case("functions") => painted(style, &functions("")),
        (Some("kcql"), Some(part)) if find(part).is_some() => painted(style, &functions(part)),
        (Some("kcql"), Some(part)) => {
            let Section { title, text } = about(part).ok_or_else(|| unknown_clause(part))?;
            painted(style, &format!("## {title}\n\n{text}\n"))
        }
        (topic, None) => of_command(topic)?,
        (Some(topic), Some(_)) => {
            return Err(Failure::new(Exit::Usage, format!("`kpipe help {topic}` has no parts")).help("only `kpipe help kcql` has"));
        }
        (None, Some(_)) => of_command(None)?,
    };
    print(host, &text)?;
    Ok(Exit::Done)
}

/// What `kpipe COMMAND --help` prints.
fn of_command(name: Option<&str>) -> Result<String, Failure> {
    let names: Vec<String> = Args::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    if let Some(name) = name.filter(|name| !names.iter().any(|known| known == name)) {
        let near = nearest(name, names.iter().map(String::as_str));
        let help = near.map_or_else(|| format!("topics: {}", names.join(", ")), |near| format!("did you mean `kpipe help {near}`?"));
        return Err(Failure::new(Exit::Usage, format!("there is no help about `{name}`")).help(help));
    }
    let words = ["kpipe"].into_iter().chain(name).chain(["--help"]);
    Ok(Args::command().try_get_matches_from(words).err().map(|help| help.render().to_string()).unwrap_or_default())
}

/// The functions of expressions; the one of this name, or all of them.
fn functions(name: &str) -> String {
    let mut text = "## Functions\n".to_owned();
    for function in FUNCTIONS.iter().filter(|function| name.is_empty() || function.name.eq_ignore_ascii_case(name)) {
        text.push_str(&format!("\n{}\n    {}\n", function.signature(), function.summary));
        function.examples.iter().for_each(|example| text.push_str(&format!("    {example}\n")));
    }
    text
}

fn unknown_clause(part: &str) -> Failure {
    let titles: Vec<&str> = sections().map(|section| section.title).collect();
    Failure::new(Exit::Usage, format!("the KCQL reference has no section about `{part}`")).help(format!("sections: {}", titles.join("; ")))
}

/// Headings stand out where there are colours.
fn painted(style: Style, text: &str) -> String {
    let line = |line: &str| if line.starts_with('#') { paint(style, Ink::Strong, line).to_string() } else { line.to_owned() };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::Terminal;
    use crate::host::tests::with_host;

    fn helped(topic: Option<&str>, part: Option<&str>) -> (Result<Exit, Failure>, String) {
        let args = Help { topic: topic.map(str::to_owned), part: part.map(str::to_owned) };
        let (result, out, _) = with_host(Path::new("."), Terminal::default(), |_| None, |host| run(&Common::default(), &args, host));
        (result, out)
    }

    #[test]
    fn the_reference_is_printed_whole_or_in_part() {
        let (_, whole) = helped(Some("kcql"), None);
        assert!(whole.starts_with(kpipe_grammar::REFERENCE) && whole.contains("\nupper(text)\n"), "{whole}");
        assert_eq!(
            helped(Some("kcql"), Some("upper")).1,
            "## Functions\n\nupper(text)\n    In capitals.\n    upper('Straße') = 'STRASSE'\n"
        );
        assert!(helped(Some("kcql"), Some("Functions")).1.contains("json_get(text, 'path')"));
        let (_, part) = helped(Some("kcql"), Some("storeas"));
        assert!(part.starts_with("## STOREAS\n\n") && part.contains("```kcql"), "{part}");
        assert!(part.lines().count() < 30, "{part}");
        let failure = helped(Some("kcql"), Some("nothing")).0.unwrap_err();
        assert!(failure.exit == Exit::Usage && failure.help.unwrap().contains("PARTITIONBY"));
    }

    #[test]
    fn commands_have_the_help_of_their_flag() {
        for command in Args::command().get_subcommands().filter(|command| command.get_name() != "kcql") {
            let (result, text) = helped(Some(command.get_name()), None);
            assert_eq!(result.unwrap(), Exit::Done);
            assert!(text.contains(&format!("kpipe {}", command.get_name())), "{text}");
        }
        assert!(helped(None, None).1.contains("Exit codes"));
    }

    #[test]
    fn an_unknown_topic_is_a_usage_error_with_the_nearest() {
        let failure = helped(Some("chek"), None).0.unwrap_err();
        assert_eq!((failure.exit, failure.help.as_deref()), (Exit::Usage, Some("did you mean `kpipe help check`?")));
        assert_eq!(helped(Some("check"), Some("x")).0.unwrap_err().exit, Exit::Usage);
    }
}
