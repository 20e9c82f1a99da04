//! What can be written on the command line, and nothing else.

mod format;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use kpipe_compiler::units::{parse_bytes, parse_duration_ms};
use kpipe_engine::ledger::find::Wanted;
use kpipe_engine::limits::MEMORY_BYTES_MIN;

pub use format::{Format, LogFormat, Publication, ReportFormat, Voice};

/// Moves records between Kafka and the systems around it, as YAML files with KCQL statements say.
#[derive(Debug, Parser)]
#[command(name = "kpipe", version, disable_help_subcommand = true, max_term_width = 120, after_help = EXAMPLES)]
pub struct Args {
    /// Flags of every command.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  kpipe demo                                the whole job in one process, nothing to install
  kpipe check pipelines/                    parse, resolve names, check types; needs no network
  kpipe plan pipelines/ --out next.kplan    compare with what runs, keep the plan
  kpipe apply next.kplan                    run exactly what was reviewed
  kpipe explain KP0107                      what an error code means and how to fix it
  kpipe help kcql                           the language, with examples

Exit codes:
   0  done                        12  stale plan, fenced
   1  errors in the files         14  stopped by the error policy
   2  changes pending (plan)      15  consent needed
   3  verify: something is wrong
   4  fmt, fix --check would      64  usage
  10  unreachable or missing      70  bug in kpipe
  11  not permitted               74  local file
 130, 143  interrupted twice, or the drain took too long";

/// Flags of every command.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub struct Common {
    /// When to use colours: auto, always, never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub color: ColorChoice,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more; can be repeated
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Run as if started in this directory
    #[arg(long, short = 'C', global = true, value_name = "DIR")]
    pub chdir: Option<PathBuf>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Command {
    /// Its name, for those that publish what they find.
    pub(crate) fn name(&self) -> &'static str {
        if matches!(self, Self::Plan(_)) { "plan" } else { "check" }
    }

    /// How it speaks of what went wrong.
    #[must_use]
    pub fn voice(&self) -> Voice {
        match self {
            Self::Check(args) => args.format.into(),
            Self::Plan(args) => args.format.into(),
            Self::Connectors(args) => args.format.into(),
            Self::Version(args) => args.format.into(),
            Self::Verify(args) => args.of.format.into(),
            Self::Offsets(args) => args.of().format.into(),
            Self::Ledger(Ledger { command: LedgerCommand::Show(args) }) => args.format.into(),
            Self::Apply(args) => args.log_format.into(),
            Self::Explain(_)
            | Self::Fix(_)
            | Self::Fmt(_)
            | Self::Kcql(_)
            | Self::Demo(_)
            | Self::Completions(_)
            | Self::Schema(_)
            | Self::Help(_)
            | Self::Lsp(_) => Voice::Human,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check pipeline files: syntax, names, types, promises; needs no network
    Check(Check),
    /// Show what would change and where pipelines would start
    Plan(Plan),
    /// Plan, ask where needed, then run in the foreground until told to stop
    Apply(Apply),
    /// Prove that every committed record is there once: ledger, objects and Kafka compared
    #[command(after_help = "\
Examples:
  kpipe verify orders.yaml                  every partition, every file that its ledger names
  kpipe verify orders.yaml --format json    for a nightly job
  kpipe verify orders.yaml --offset 'orders[3]@1234'    which object holds this record

Reads the ledger, lists the objects below the prefixes and asks Kafka where the group stands; writes nothing.
Finds records of the ledger that are missing or edited, files that are missing, cut or changed, copies of files under
another name, and objects that somebody else wrote. Ends with 3 if something does not fit.")]
    Verify(Verify),
    /// Show the commit log of a pipeline
    Ledger(Ledger),
    /// Show where a pipeline stands, or move it on purpose
    Offsets(Offsets),
    /// Explain an error code, or what a pipeline does
    Explain(Explain),
    /// Apply the fixes of diagnostics that have one right answer
    Fix(Fix),
    /// Write pipeline files in their canonical form, comments kept
    Fmt(Fmt),
    /// What KCQL statements say, for other tools
    Kcql(Kcql),
    /// List connectors, or show the options of one
    Connectors(Connectors),
    /// Print the JSON Schema of pipeline files, for editors
    Schema(Schema),
    /// Run the whole job in one process: MQTT broker, Kafka, devices, files
    Demo(Demo),
    /// Serve editors: diagnostics, completion, hover, quick fixes over standard input and output
    Lsp(Lsp),
    /// Show help about a command, or the KCQL reference with `kpipe help kcql`
    Help(Help),
    /// Print a completion script
    Completions(Completions),
    /// Print the version
    Version(Version),
}

/// Which pipeline files.
#[derive(Clone, Debug, ClapArgs)]
pub struct Inputs {
    /// Pipeline files, or directories that are walked for *.yaml and *.yml
    #[arg(default_value = ".", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Take values from profiles/NAME.yaml
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// `kpipe check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe check                         every pipeline below this directory
  kpipe check orders.yaml             one file
  kpipe check --format json | jq      for editors and CI

Formats:
  human      excerpts on standard error
  plain      one line a diagnostic, for logs: file:line:col: error[CODE]: message
  json       one JSON document, for scripts and editors
  sarif      SARIF 2.1.0, for code scanning; holds help and fixes
  github     annotations of GitHub Actions; the rest goes to the summary of the job
  markdown   a comment on a pull request

Unset environment variables are no error here; `plan` and `apply` need them.")]
pub struct Check {
    /// Which files.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How to write the result: human, plain, json, sarif, github, markdown
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: ReportFormat,
}

/// `kpipe plan`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe plan pipelines/                          compare with what runs now
  kpipe plan --offline orders.yaml               no network: what the files say
  kpipe plan --detailed-exitcode; echo $?        0 unchanged, 2 changes pending
  kpipe plan --out next.kplan && kpipe apply next.kplan
  kpipe plan --schema orders.yaml                the columns of every step too
  kpipe plan --format markdown > comment.md      the changes, for a pull request

Formats are those of `kpipe check`; sarif holds the diagnostics alone.")]
pub struct Plan {
    /// Which files.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Ask no system; say what was skipped
    #[arg(long)]
    pub offline: bool,
    /// Show the columns of every step of every statement
    #[arg(long)]
    pub schema: bool,
    /// Save the plan, without secrets, for `kpipe apply FILE`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// End with 2 if something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How to write the result: human, plain, json, sarif, github, markdown
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: ReportFormat,
}

/// `kpipe apply`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe apply orders.yaml                            plan, ask if something is at stake, run
  kpipe apply pipelines/ --yes --log-format json     under a service manager
  kpipe apply next.kplan                             a saved plan; refused if its inputs moved (12)
  kpipe apply orders.yaml --until-caught-up          a batch job: ends when the lag at start is gone
  kpipe apply orders.yaml --http 127.0.0.1:9100      /healthz, /readyz, /metrics

The first interrupt finishes and commits what was read (exit 0), the second stops at once (130/143).
A new pipeline, a restart and a change in place are never asked about.
KPIPE_LOG sets which log lines are written, as KPIPE_LOG=kpipe_engine=debug.")]
pub struct Apply {
    /// A pipeline file, a directory, or a plan saved by `kpipe plan --out`
    #[arg(value_name = "FILE|DIR|PLAN", required = true)]
    pub paths: Vec<PathBuf>,
    /// Take values from profiles/NAME.yaml
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// What is consented to.
    #[command(flatten)]
    pub consents: Consents,
    /// End when the records that were there at the start are through
    #[arg(long)]
    pub until_caught_up: bool,
    /// How long a drain may take, as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// Serve /healthz, /readyz and /metrics here
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub http: Option<SocketAddr>,
    /// How log lines are written: human, json
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub log_format: LogFormat,
    /// Threads a pipeline reads with
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub tasks: u16,
    /// Memory for open files and data on its way, of all pipelines together; files are closed early beyond it
    #[arg(long, value_name = "SIZE", default_value = "128MiB", value_parser = memory)]
    pub memory: usize,
}

/// What a change may do without being asked about.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Consents {
    /// Agree to new layouts and added columns
    #[arg(long, short)]
    pub yes: bool,
    /// Agree to columns that go away or change their type under a name that has data
    #[arg(long)]
    pub allow_schema_break: bool,
    /// Agree to records being written again
    #[arg(long)]
    pub allow_replay: bool,
    /// Agree to records being skipped
    #[arg(long)]
    pub accept_gap: bool,
    /// Agree to a weaker delivery promise
    #[arg(long)]
    pub allow_weaker: bool,
    /// Agree to this pipeline, or a statement of it, going away; can be repeated
    #[arg(long, value_name = "NAME")]
    pub allow_delete: Vec<String>,
}

/// A report on pipelines that have run.
#[derive(Debug, ClapArgs)]
pub struct Report {
    /// Which files.
    #[command(flatten)]
    pub inputs: Inputs,
    /// How to write the result: human, plain, json
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Format,
}

/// `kpipe verify`.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    /// What is looked at, and how it is told.
    #[command(flatten)]
    pub of: Report,
    /// Say only which object holds this record, as `orders[3]@1234`; can be repeated
    #[arg(long = "offset", value_name = "TOPIC[PARTITION]@OFFSET")]
    pub offsets: Vec<Wanted>,
}

/// `kpipe ledger`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe ledger show orders.yaml    a row a partition: positions, records, files, what is not visible yet")]
pub struct Ledger {
    /// What to do with it.
    #[command(subcommand)]
    pub command: LedgerCommand,
}

/// The commands of `kpipe ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Show a row for each partition: positions, records, files, what is not visible yet
    #[command(after_help = "\
Examples:
  kpipe ledger show orders.yaml")]
    Show(Report),
}

/// `kpipe offsets`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe offsets get orders.yaml                          what the topic holds, where the ledger ends, the lag
  kpipe offsets plan orders.yaml --to earliest           what a reset would read again or skip
  kpipe offsets reset orders.yaml --to earliest --yes    do it")]
pub struct Offsets {
    /// What to do.
    #[command(subcommand)]
    pub command: OffsetsCommand,
}

impl Offsets {
    /// What the command is about.
    #[must_use]
    pub fn of(&self) -> &Report {
        match &self.command {
            OffsetsCommand::Get(of) => of,
            OffsetsCommand::Plan(to) | OffsetsCommand::Reset(to) => &to.of,
        }
    }
}

/// The commands of `kpipe offsets`.
#[derive(Debug, Subcommand)]
pub enum OffsetsCommand {
    /// Show each partition: what the topic holds, where the ledger ends, where the group stands
    Get(Report),
    /// Show what a reset would read again or skip; writes nothing
    Plan(OffsetsTo),
    /// Move partitions; a worker that runs begins there at once
    #[command(after_help = "\
Examples:
  kpipe offsets plan orders.yaml --to earliest
  kpipe offsets reset orders.yaml --to 1200 --only 'orders[3]' --yes
  kpipe offsets reset orders.yaml --to earliest --yes    read everything again: objects of the same records get the same names
  kpipe offsets reset orders.yaml --to group --yes       the group was moved by hand, and that is to count")]
    Reset(OffsetsTo),
}

/// Where to.
#[derive(Debug, ClapArgs)]
pub struct OffsetsTo {
    /// Whose.
    #[command(flatten)]
    pub of: Report,
    /// earliest, latest, group (where the consumer group stands), or an offset
    #[arg(long, value_name = "WHERE")]
    pub to: String,
    /// Move this partition alone, as orders[3]; can be repeated
    #[arg(long, value_name = "TOPIC[N]")]
    pub only: Vec<String>,
    /// Agree to records being written again or skipped
    #[arg(long, short)]
    pub yes: bool,
}

/// `kpipe explain`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe explain KP0107
  kpipe explain orders.yaml     what the pipeline does, with the columns of every step; needs no network
  kpipe explain                 lists every code")]
pub struct Explain {
    /// A code as KP0107; or a pipeline file, or a directory of them
    #[arg(value_name = "CODE|FILE|DIR")]
    pub what: Option<String>,
    /// Take values from profiles/NAME.yaml
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// `kpipe fix`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe fix orders.yaml           show what changes, and change it
  kpipe fix --diff pipelines/     show it alone
  kpipe fix --check --quiet       for CI: exit 4 if something can be fixed

Only what has one right answer is fixed: a misspelt key, clause or choice, missing quotes, units, reserved signs.
Shared files that belong to the pipelines, connections.yaml and the profile, are fixed too. A fix that would make a
file worse is not applied. Ends with 1 if errors are left.")]
pub struct Fix {
    /// Which files.
    #[command(flatten)]
    pub inputs: Inputs,
    /// Write nothing; print what would change
    #[arg(long)]
    pub diff: bool,
    /// Write nothing; end with 4 if something can be fixed
    #[arg(long)]
    pub check: bool,
}

impl Fix {
    /// True if nothing is to be written.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.diff || self.check
    }
}

/// `kpipe fmt`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe fmt pipelines/            rewrite the files
  kpipe fmt --check --diff        for CI: exit 4 if a file would change, and show how")]
pub struct Fmt {
    /// Pipeline files, or directories that are walked for *.yaml and *.yml
    #[arg(default_value = ".", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write nothing; end with 4 if a file would change
    #[arg(long)]
    pub check: bool,
    /// Print what changes
    #[arg(long)]
    pub diff: bool,
}

/// `kpipe kcql`.
#[derive(Debug, ClapArgs)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  kpipe kcql parse < orders.kcql              one JSON object for the whole text
  kpipe kcql parse < orders.kcql | jq .errors
  jq '.config[\"connect.s3.kcql\"]' *.json | kpipe kcql parse --lines
                                              one a line: what kpipe makes of connectors"
)]
pub struct Kcql {
    /// What to do.
    #[command(subcommand)]
    pub command: KcqlCommand,
}

/// What can be done with KCQL alone.
#[derive(Debug, Subcommand)]
pub enum KcqlCommand {
    /// Read statements from standard input and print what they say as JSON
    Parse(KcqlParse),
}

/// `kpipe kcql parse`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe kcql parse < orders.kcql
  printf '%s\\n' '\"INSERT INTO a SELECT * FROM b\"' | kpipe kcql parse --lines

Each text gives {\"ok\":true,\"statements\":[...],\"warnings\":[...],\"errors\":[...]} on one line.
A statement has mode, target, source, fields (name, alias, path or expression), where, and each clause that was
written, by its keyword: \"PARTITIONBY\":[\"country\"], \"LIMIT\":10, \"AUTOCREATE\":true.
Errors and warnings have code, message, line, col, end_line, end_col, help, fix. Lines and columns
count from 1, columns in characters. A text with an error is not ok; statements without one are
there all the same.

Ends with 0 if every text is ok, with 1 if one is not.")]
pub struct KcqlParse {
    /// How to write the result: json
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: KcqlFormat,
    /// Each line of the input is one JSON string that holds one text; each is answered at once
    #[arg(long)]
    pub lines: bool,
}

/// How `kpipe kcql` writes its results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KcqlFormat {
    /// One JSON object a line
    #[default]
    Json,
}

/// `kpipe connectors`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  kpipe connectors             all of them\n  kpipe connectors s3          options, properties and an example of one"
)]
pub struct Connectors {
    /// Which one
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// How to write the result: human, plain, json
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Format,
}

/// `kpipe schema`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe schema > pipeline.schema.json                   draft-07; for `# yaml-language-server: $schema=pipeline.schema.json`
  kpipe schema --json-schema=connections                of connections.yaml
  kpipe schema --json-schema=profile                    of profiles/NAME.yaml")]
pub struct Schema {
    /// Of which file: pipeline, connections, profile
    #[arg(
        long,
        value_enum,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_value = "pipeline",
        default_missing_value = "pipeline",
        hide_possible_values = true
    )]
    pub json_schema: SchemaOf,
}

/// `kpipe lsp`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe lsp                         what the editor's settings name as the command
  kpipe lsp --profile prod          values as in production

An editor starts it and speaks the Language Server Protocol with it; docs/editors.md says how to set up which editor.")]
pub struct Lsp {
    /// Take values from profiles/NAME.yaml
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Standard input and output, which is the only way; editors add the flag
    #[arg(long, hide = true)]
    pub stdio: bool,
}

/// `kpipe help`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe help plan                   the same as `kpipe plan --help`
  kpipe help kcql                   the whole language, with examples
  kpipe help kcql PARTITIONBY       one clause")]
pub struct Help {
    /// A command, or `kcql` for the language
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
    /// A clause of KCQL
    #[arg(value_name = "CLAUSE")]
    pub part: Option<String>,
}

/// A file that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A pipeline
    Pipeline,
    /// connections.yaml
    Connections,
    /// profiles/NAME.yaml
    Profile,
}

/// `kpipe demo`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  kpipe demo                      30 seconds, files under ./kpipe-demo
  kpipe demo --for 5m --devices 500 --rate 5000")]
pub struct Demo {
    /// How long devices publish
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub duration: Duration,
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = "kpipe-demo")]
    pub dir: PathBuf,
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub devices: u32,
    /// Messages a second, all devices together
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub rate: u32,
}

/// `kpipe completions`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  kpipe completions bash > ~/.local/share/bash-completion/completions/kpipe\n  kpipe completions fish > ~/.config/fish/completions/kpipe.fish"
)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `kpipe version`.
#[derive(Debug, ClapArgs)]
pub struct Version {
    /// How to write the result: human, plain, json
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    pub format: Format,
}

/// `127.0.0.1:9100`, `localhost:9100`, `:9100`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong =
        || format!("`{text}` is not an address: write a host and a port, as 127.0.0.1:9100, localhost:9100 or :9100 for all addresses");
    // As a port alone is written elsewhere: on every address of this machine.
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    whole.to_socket_addrs().map_err(|_| wrong())?.next().ok_or_else(wrong)
}

/// `500ms`, `30s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a time: write a number and a unit, as 500ms, 30s, 10m or 1h30m");
    parse_duration_ms(text).map(Duration::from_millis).ok_or_else(wrong)
}

/// `256MiB`, `1GiB`.
fn memory(text: &str) -> Result<usize, String> {
    let wrong = || format!("`{text}` is not a size: write a number and a unit, as 256MiB or 1GiB");
    let bytes = parse_bytes(text).and_then(|bytes| usize::try_from(bytes).ok()).ok_or_else(wrong)?;
    let least = MEMORY_BYTES_MIN;
    if bytes < least { Err(format!("{text} is too little: at least {}MiB", least >> 20)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use kpipe_engine::limits::MEMORY_BYTES_DEFAULT;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn paths_default_to_here() {
        let Command::Check(check) = parse("kpipe check").unwrap().command else { panic!("check") };
        assert_eq!(check.inputs.paths, [PathBuf::from(".")]);
        assert_eq!(check.format, ReportFormat::Human);
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in ["kpipe -q --chdir x check", "kpipe check -q --chdir x", "kpipe check -C x --quiet"] {
            let common = parse(line).unwrap().common;
            assert!(common.quiet, "{line}");
            assert_eq!(common.chdir, Some(PathBuf::from("x")), "{line}");
        }
        assert_eq!(parse("kpipe -vv version").unwrap().common.verbose, 2);
    }

    #[test]
    fn apply_takes_consent_flags_and_needs_a_path() {
        assert!(parse("kpipe apply").is_err());
        let line =
            "kpipe apply a.yaml --yes --allow-replay --accept-gap --allow-weaker --allow-delete x --allow-delete y --drain-timeout 1m30s";
        let Command::Apply(apply) = parse(line).unwrap().command else { panic!("apply") };
        let Consents { yes, allow_schema_break, allow_replay, accept_gap, allow_weaker, allow_delete } = apply.consents;
        assert!(yes && !allow_schema_break && allow_replay && accept_gap && allow_weaker);
        assert_eq!(allow_delete, ["x", "y"]);
        assert_eq!(apply.drain_timeout, Duration::from_secs(90));
        assert!(parse("kpipe apply a.yaml --tasks 0").is_err());
        for (text, expected) in [("127.0.0.1:9100", "127.0.0.1:9100"), (":9100", "0.0.0.0:9100"), ("[::1]:9100", "[::1]:9100")] {
            assert_eq!(address(text), Ok(expected.parse().unwrap()));
        }
        assert!(address("localhost:9100").is_ok_and(|address| address.ip().is_loopback() && address.port() == 9100));
        for text in ["nowhere", "9100", ":x", "localhost:", ""] {
            assert!(address(text).is_err_and(|why| why.contains("127.0.0.1:9100")), "{text}");
        }
        assert!(parse("kpipe apply a.yaml --http nowhere").is_err());
    }

    #[test]
    fn durations_have_units() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "5x", "5s x", "-5s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_has_a_unit_and_a_least() {
        assert_eq!((memory("1GiB"), memory("32MiB")), (Ok(1 << 30), Ok(32 << 20)));
        assert_eq!(memory("31MiB").unwrap_err(), "31MiB is too little: at least 32MiB");
        assert!(memory("lots").unwrap_err().contains("as 256MiB"));
        let Command::Apply(args) = parse("kpipe apply p.yaml").unwrap().command else { panic!("it is apply") };
        assert_eq!(args.memory, MEMORY_BYTES_DEFAULT, "the default of the engine");
    }

    #[test]
    fn formats_are_those_that_a_command_has_a_use_for() {
        for format in ReportFormat::value_variants() {
            let name = format.to_possible_value().unwrap().get_name().to_owned();
            assert!(parse(&format!("kpipe check --format {name}")).is_ok() && parse(&format!("kpipe plan --format {name}")).is_ok());
            let command = Args::command();
            let check = command.find_subcommand("check").unwrap();
            let help = check.get_after_help().unwrap().to_string();
            assert!(help.contains(&format!("\n  {name} ")), "the help says what {name} is for");
        }
        assert!(parse("kpipe version --format sarif").is_err());
        assert!(parse("kpipe check --format junit").is_err());
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        let root = Args::command();
        for command in root.get_subcommands().filter(|command| command.get_name() != "version") {
            assert!(command.get_after_help().is_some_and(|help| help.to_string().contains("kpipe")), "{}", command.get_name());
        }
    }
}
