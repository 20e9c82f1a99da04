//! Which changes may be made: flags say so beforehand, a person at a terminal says so when asked.

use kpipe_compiler::diff::{Change, ChangeClass, Consent, PipelineChange};

use crate::args::Consents;
use crate::exit::Exit;
use crate::failure::{Failure, codes};
use crate::host::Host;

/// A consent that no flag gave.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    pipeline: String,
    class: ChangeClass,
    /// The flag as it would be written.
    flag: String,
}

/// Makes sure that every change is consented to.
pub(crate) fn ensure(host: &mut Host<'_>, changes: &[&PipelineChange], given: &Consents) -> Result<(), Failure> {
    let missing = missing(changes, given);
    if missing.is_empty() {
        return Ok(());
    }
    if host.terminal.input && host.terminal.err {
        return ask(host, &missing);
    }
    let mut failure =
        Failure::new(Exit::ConsentNeeded, "these changes need consent, and nobody is at a terminal to be asked").code(codes::CONSENT);
    for Missing { pipeline, class, flag } in &missing {
        failure = failure.note(format!("{pipeline}: {} ({}); agree with {flag}", class.word(), class.effect()));
    }
    Err(failure.help("nothing was changed; read the plan above, then give the flags"))
}

fn missing(changes: &[&PipelineChange], given: &Consents) -> Vec<Missing> {
    let mut missing: Vec<Missing> = Vec::new();
    for PipelineChange { name, action: _, changes } in changes {
        for Change { class, .. } in changes {
            let Consent::Flag(flag) = class.consent() else { continue };
            if is_given(*class, name, given) {
                continue;
            }
            let flag = if *class == ChangeClass::Delete { format!("{flag} {name}") } else { flag.to_owned() };
            let one = Missing { pipeline: name.clone(), class: *class, flag };
            if !missing.contains(&one) {
                missing.push(one);
            }
        }
    }
    missing
}

fn is_given(class: ChangeClass, pipeline: &str, given: &Consents) -> bool {
    let Consents { yes, allow_schema_break, allow_replay, accept_gap, allow_weaker, allow_delete } = given;
    match class {
        ChangeClass::None | ChangeClass::InPlace | ChangeClass::Restart => true,
        ChangeClass::SchemaAdd | ChangeClass::NewLayout => *yes,
        ChangeClass::SchemaBreak => *allow_schema_break,
        ChangeClass::Replay => *allow_replay,
        ChangeClass::WeakerPromise => *allow_weaker,
        ChangeClass::GapRisk => *accept_gap,
        ChangeClass::Delete => allow_delete.iter().any(|name| name == pipeline),
    }
}

fn ask(host: &mut Host<'_>, missing: &[Missing]) -> Result<(), Failure> {
    for Missing { pipeline, class, flag: _ } in missing {
        writeln!(host.err, "{pipeline}: {}: {}", class.word(), class.effect())?;
    }
    write!(host.err, "Apply these changes? Only `yes` is taken: ")?;
    host.err.flush()?;
    let mut answer = String::new();
    host.input.read_line(&mut answer)?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::ConsentNeeded, "the changes were not agreed to; nothing was changed").code(codes::CONSENT))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kpipe_compiler::diff::Action;

    use super::*;
    use crate::host::Terminal;

    fn change(classes: &[ChangeClass]) -> PipelineChange {
        let changes = classes
            .iter()
            .map(|class| Change { class: *class, path: "x".to_owned(), before: None, after: Some("y".to_owned()), place: None })
            .collect();
        PipelineChange { name: "orders".to_owned(), action: Action::Change, changes }
    }

    fn ensured(classes: &[ChangeClass], given: &Consents, terminal: bool, answer: &str) -> (Result<(), Failure>, String) {
        let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), answer.as_bytes());
        let terminal = Terminal { err: terminal, input: terminal, ..Terminal::default() };
        let mut host = Host {
            out: &mut out,
            err: &mut err,
            input: &mut input,
            terminal,
            dir: PathBuf::new(),
            env: std::sync::Arc::new(|_: &str| None),
        };
        let result = ensure(&mut host, &[&change(classes)], given);
        (result, String::from_utf8(err).unwrap())
    }

    #[test]
    fn every_flag_gives_its_class_and_no_other() {
        let all = |class: ChangeClass| -> Consents {
            let mut given = Consents::default();
            match class {
                ChangeClass::None | ChangeClass::InPlace | ChangeClass::Restart => {}
                ChangeClass::SchemaAdd | ChangeClass::NewLayout => given.yes = true,
                ChangeClass::SchemaBreak => given.allow_schema_break = true,
                ChangeClass::Replay => given.allow_replay = true,
                ChangeClass::WeakerPromise => given.allow_weaker = true,
                ChangeClass::GapRisk => given.accept_gap = true,
                ChangeClass::Delete => given.allow_delete = vec!["orders".to_owned()],
            }
            given
        };
        for class in ChangeClass::ALL {
            assert!(ensured(&[class], &all(class), false, "").0.is_ok(), "{class:?}");
            let needs = class.consent() != Consent::NotNeeded;
            assert_eq!(ensured(&[class], &Consents::default(), false, "").0.is_err(), needs, "{class:?}");
        }
        let other = Consents { allow_delete: vec!["other".to_owned()], ..Consents::default() };
        assert!(ensured(&[ChangeClass::Delete], &other, false, "").0.is_err());
    }

    #[test]
    fn without_a_terminal_the_flags_are_named() {
        let classes = [ChangeClass::NewLayout, ChangeClass::GapRisk, ChangeClass::NewLayout];
        let failure = ensured(&classes, &Consents::default(), false, "yes\n").0.unwrap_err();
        assert_eq!(failure.exit, Exit::ConsentNeeded);
        assert_eq!(failure.notes.len(), 2);
        assert!(failure.notes[0].ends_with("agree with --yes") && failure.notes[1].ends_with("agree with --accept-gap"));
    }

    #[test]
    fn at_a_terminal_only_yes_is_yes() {
        let given = Consents::default();
        for (answer, agreed) in [("yes\n", true), ("y\n", false), ("", false), ("no\n", false)] {
            let (result, err) = ensured(&[ChangeClass::Replay], &given, true, answer);
            assert_eq!(result.is_ok(), agreed, "{answer:?}");
            assert!(err.contains("orders: replay: ") && err.contains("Only `yes`"), "{err}");
        }
        assert_eq!(ensured(&[ChangeClass::Restart], &given, true, "").1, "");
    }
}
