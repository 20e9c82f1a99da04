use clap::CommandFactory;

use super::Place;
use crate::args::Args;
use crate::exit::Exit;

/// The whole reference of the command line: a change of any flag or word of help shows here.
#[test]
fn the_reference_of_the_command_line() {
    let place = Place::new();
    let mut text = place.run("--help").expect(Exit::Done).out;
    for command in Args::command().get_subcommands() {
        let name = command.get_name();
        text.push_str(&format!("\n---- kpipe {name} ----\n\n{}", place.run(&format!("{name} --help")).expect(Exit::Done).out));
        for below in command.get_subcommands() {
            let name = format!("{name} {}", below.get_name());
            text.push_str(&format!("\n---- kpipe {name} ----\n\n{}", place.run(&format!("{name} --help")).expect(Exit::Done).out));
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_flag_of_the_help_has_words() {
    for command in Args::command().get_subcommands() {
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.ends_with('.'), "{}: {about}", command.get_name());
    }
}

#[test]
fn every_exit_code_of_the_help_is_one_of_ours() {
    let place = Place::new();
    let help = place.run("--help").expect(Exit::Done).out;
    let codes = &help[help.find("Exit codes").unwrap()..];
    for exit in [Exit::Done, Exit::Invalid, Exit::ChangesPending, Exit::WouldChange, Exit::Unreachable, Exit::Denied, Exit::Stale] {
        assert!(codes.contains(&format!("{:>4}  ", exit.code())), "{} is missing in\n{codes}", exit.code());
    }
    for exit in [Exit::StoppedByPolicy, Exit::ConsentNeeded, Exit::Usage, Exit::Bug, Exit::LocalIo, Exit::Interrupted, Exit::Terminated] {
        assert!(codes.contains(&exit.code().to_string()), "{} is missing in\n{codes}", exit.code());
    }
}
