//! What can be wrong with the keys and values of a pipeline file.

use kpipe_grammar::span::Span;
use miette::Diagnostic;
use thiserror::Error;

/// A key or a value that a pipeline file cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
pub enum DocumentError {
    /// A key of a profile once as a path and once nested.
    #[error("`{key}` is written twice in one profile")]
    #[diagnostic(code(KP0205), help("keep one of the two: `a.b: ...` says the same as `a: {{ b: ... }}`"))]
    WrittenTwice {
        /// Its path.
        key: String,
        /// The second.
        #[label("again")]
        second: Span,
        /// The first.
        #[label("first here")]
        first: Span,
    },
    /// A key that nobody knows.
    #[error("unknown key `{key}` in {parent}")]
    #[diagnostic(code(KP0201), help("{help}"))]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands, in words.
        parent: String,
        /// What it may have meant, or that nobody reads it.
        label: String,
        /// The key.
        #[label("{label}")]
        span: Span,
        /// Which keys there are.
        help: String,
    },
    /// A key that belongs elsewhere.
    #[error("`{key}` is not a key of {parent}, but it is a key of {home}")]
    #[diagnostic(code(KP0202), help("{help}"))]
    WrongLevel {
        /// The key.
        key: String,
        /// Where it stands, in words.
        parent: String,
        /// Where it belongs, in words.
        home: String,
        /// What to do with the line.
        label: String,
        /// The key.
        #[label("{label}")]
        span: Span,
        /// The key of the mapping that it stands in.
        #[label("this mapping takes it in because of the indentation")]
        taken_by: Option<Span>,
        /// How to go on.
        help: String,
    },
    /// A key that must be there.
    #[error("{parent} has no `{key}`")]
    #[diagnostic(code(KP0220), help("{help}"))]
    MissingKey {
        /// The key.
        key: String,
        /// Where it has to stand, in words.
        parent: String,
        /// The key of the mapping.
        #[label("required here")]
        span: Span,
        /// How it may look.
        help: String,
    },
    /// A list where a number should stand.
    #[error("`{key}` takes {expected}, found {found}")]
    #[diagnostic(code(KP0221), help("{help}"))]
    WrongType {
        /// The full path of the key.
        key: String,
        /// What it takes.
        expected: String,
        /// What it got.
        found: String,
        /// The value.
        #[label("not {expected}")]
        span: Span,
        /// How it may look.
        help: String,
    },
    /// A number beyond its limits.
    #[error("`{key}` is {found}, but it takes {range}")]
    #[diagnostic(code(KP0222), help("{help}"))]
    OutOfRange {
        /// The full path of the key.
        key: String,
        /// The value.
        found: String,
        /// The limits.
        range: String,
        /// The value.
        #[label("out of range")]
        span: Span,
        /// What the option is about.
        help: String,
    },
    /// A word that is not among the choices.
    #[error("`{key}` cannot be {found}")]
    #[diagnostic(code(KP0223), help("it takes {choices}"))]
    NotAChoice {
        /// The full path of the key.
        key: String,
        /// The value.
        found: String,
        /// The choices.
        choices: String,
        /// What it may have meant.
        label: String,
        /// The value.
        #[label("{label}")]
        span: Span,
    },
    /// `yes`, `off`, or `true` where a text should stand.
    #[error("{word} {meaning}")]
    #[diagnostic(code(KP0224), help("{help}"))]
    Boolean {
        /// The word in back-ticks, and whether it has quotes.
        word: String,
        /// What it means and what is expected.
        meaning: String,
        /// The value.
        #[label("{label}")]
        span: Span,
        /// What to write.
        label: String,
        /// How to go on.
        help: String,
    },
    /// `010`, `1_000`.
    #[error("`{number}` can be read in two ways")]
    #[diagnostic(code(KP0225), help("{help}"))]
    Number {
        /// As written.
        number: String,
        /// The value.
        #[label("{label}")]
        span: Span,
        /// What to write.
        label: String,
        /// Why.
        help: String,
    },
    /// A URL that is none, or of another scheme.
    #[error("`{key}` is not a URL that fits: {why}")]
    #[diagnostic(code(KP0226), help("{help}"))]
    Url {
        /// The full path of the key.
        key: String,
        /// What is wrong with it.
        why: String,
        /// The value.
        #[label("{why}")]
        span: Span,
        /// How it may look.
        help: String,
    },
    /// An address that is none.
    #[error("`{key}` takes `host:port`: {why}")]
    #[diagnostic(code(KP0227), help("{help}"))]
    Address {
        /// The full path of the key.
        key: String,
        /// What is wrong with it.
        why: String,
        /// The value.
        #[label("{why}")]
        span: Span,
        /// How it may look.
        help: String,
    },
    /// `10 minutes`, `64 megs`.
    #[error("`{key}` takes {expected}, found `{found}`")]
    #[diagnostic(code(KP0228), help("{help}"))]
    Unit {
        /// The full path of the key.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// The value.
        found: String,
        /// The value.
        #[label("{label}")]
        span: Span,
        /// What is missing.
        label: &'static str,
        /// The units.
        help: &'static str,
    },
    /// Part of the design, but not of this version.
    #[error("{what} is known, but not supported yet")]
    #[diagnostic(code(KP0229), help("{help}"))]
    NotYet {
        /// What, in words.
        what: String,
        /// Where.
        #[label("nothing would honour this")]
        span: Span,
        /// What works today.
        help: String,
    },
    /// Another version of the file format.
    #[error("this version of kpipe reads `version: 1` only")]
    #[diagnostic(code(KP0230), help("write `version: 1`, or use a version of kpipe that knows this one"))]
    Version {
        /// The value.
        #[label("another version")]
        span: Span,
    },
    /// `source:` with no connector.
    #[error("`{section}` names no connector")]
    #[diagnostic(code(KP0231), help("{help}"))]
    NoConnector {
        /// `source` or `sink`.
        section: &'static str,
        /// Its key or value.
        #[label("exactly one connector has to stand here")]
        span: Span,
        /// Which ones there are.
        help: String,
    },
    /// `source:` with two connectors.
    #[error("`{section}` names two connectors: `{first_name}` and `{second_name}`")]
    #[diagnostic(code(KP0231), help("a pipeline has one source and one sink; write a second pipeline for the other one"))]
    TwoConnectors {
        /// `source` or `sink`.
        section: &'static str,
        /// The first one.
        first_name: String,
        /// The second one.
        second_name: String,
        /// The second.
        #[label("a second one")]
        second: Span,
        /// The first.
        #[label("the first one")]
        first: Span,
    },
    /// A configuration of Kafka Connect.
    #[error("this is a configuration of Kafka Connect")]
    #[diagnostic(
        code(KP0232),
        help(
            "a pipeline has `version`, `pipeline`, `source`, `sink` and `kcql`; `kpipe connectors` lists what stands below `source` and `sink`"
        )
    )]
    KafkaConnect {
        /// `connector.class`.
        #[label("kpipe has no connector classes")]
        span: Span,
    },
    /// A document that is a list or a text.
    #[error("{what} is a mapping of keys, found {found}")]
    #[diagnostic(code(KP0233), help("it begins with {begin}"))]
    NotAMapping {
        /// The kind of file, in words.
        what: &'static str,
        /// Its first keys.
        begin: &'static str,
        /// What it is.
        found: &'static str,
        /// The document.
        #[label("no keys here")]
        span: Span,
    },
    /// A second document among the connections, or in a profile.
    #[error("{what} is one document, and this is a second one")]
    #[diagnostic(code(KP0236), help("move its keys into the first document, and remove the `---` between them"))]
    SecondDocument {
        /// The kind of file, in words.
        what: &'static str,
        /// Its beginning.
        #[label("nobody would read this")]
        span: Span,
    },
    /// A key without a value.
    #[error("`{key}` has no value")]
    #[diagnostic(code(KP0234), help("{help}"))]
    Empty {
        /// The full path of the key.
        key: String,
        /// The key or the value.
        #[label("a value has to follow")]
        span: Span,
        /// How it may look.
        help: String,
    },
    /// A schema that cannot be read.
    #[error("{what}")]
    #[diagnostic(code(KP0235))]
    Schema {
        /// What is wrong, as a sentence.
        what: String,
        /// The part that is wrong.
        #[label("{label}")]
        span: Span,
        /// What about it.
        label: String,
        /// How to go on.
        #[help]
        help: Option<String>,
    },
    /// A connector that this binary does not have.
    #[error("unknown connector `{name}`")]
    #[diagnostic(code(KP0341), help("{help}"))]
    UnknownConnector {
        /// The name.
        name: String,
        /// What it may have meant.
        label: String,
        /// The key.
        #[label("{label}")]
        span: Span,
        /// Which ones there are.
        help: String,
    },
    /// `source: { s3: }`.
    #[error("`{name}` cannot be a {role}")]
    #[diagnostic(code(KP0342), help("{help}"))]
    NoRole {
        /// The connector.
        name: &'static str,
        /// `source` or `sink`.
        role: &'static str,
        /// The key.
        #[label("not a {role}")]
        span: Span,
        /// Which connectors can.
        help: String,
    },
    /// A name that cannot be one.
    #[error("`{name}` cannot be the name of a pipeline: {why}")]
    #[diagnostic(code(KP0343), help("1 to 100 of: letters A to Z, digits, `.`, `_`, `-`; it is also the default consumer group"))]
    PipelineName {
        /// The name.
        name: String,
        /// The rule that it breaks.
        why: String,
        /// The value.
        #[label("{why}")]
        span: Span,
    },
    /// Two pipelines of one name.
    #[error("two pipelines are called `{name}`")]
    #[diagnostic(code(KP0344), help("rename one of them; pipelines are never merged"))]
    DuplicatePipeline {
        /// The name.
        name: String,
        /// The second.
        #[label("a second definition")]
        span: Span,
    },
    /// `use: x` and there is no such connection.
    #[error("no connection is called `{name}`")]
    #[diagnostic(code(KP0345), help("{help}"))]
    UnknownConnection {
        /// The name.
        name: String,
        /// What it may have meant.
        label: String,
        /// The value of `use`.
        #[label("{label}")]
        span: Span,
        /// Which ones there are.
        help: String,
    },
    /// `kafka: { use: bucket }`.
    #[error("the connection `{name}` is for `{its}`, not for `{wanted}`")]
    #[diagnostic(code(KP0346), help("name a connection of `{wanted}`, or write `{its}` here"))]
    ConnectionKind {
        /// The connection.
        name: String,
        /// Its connector.
        its: String,
        /// The connector that uses it.
        wanted: String,
        /// The value of `use`.
        #[label("a connection of another connector")]
        span: Span,
    },
    /// A profile for a pipeline that does not exist.
    #[error("the profile sets keys of `{name}`, but no pipeline is called so")]
    #[diagnostic(code(KP0347), help("{help}"))]
    ProfilePipeline {
        /// The name.
        name: String,
        /// What it may have meant.
        label: String,
        /// The key.
        #[label("{label}")]
        span: Span,
        /// Which ones there are.
        help: String,
    },
    /// A profile that names another connector than the pipeline, or than the connection.
    #[error("the profile sets `{section}.{theirs}`, but {whose} is `{own}`")]
    #[diagnostic(code(KP0348), help("a profile overrides single values; it cannot exchange a connector"))]
    ProfileConnector {
        /// `source`, `sink` or `connections.NAME`.
        section: String,
        /// The end of the pipeline or the connection, in words.
        whose: String,
        /// What the profile names.
        theirs: String,
        /// What stands there.
        own: String,
        /// The key.
        #[label("another connector")]
        span: Span,
    },
    /// A format that nobody knows.
    #[error("unknown format `{name}`")]
    #[diagnostic(code(KP0349), help("{help}"))]
    UnknownFormat {
        /// The name.
        name: String,
        /// What it may have meant.
        label: String,
        /// The value.
        #[label("{label}")]
        span: Span,
        /// Which ones there are.
        help: String,
    },
    /// A variable that is not set, and its value is needed.
    #[error("the environment variable `{name}` is not set")]
    #[diagnostic(code(KP0351), help("set it for this command; `kpipe check` works without it"))]
    UnsetVariable {
        /// The name.
        name: String,
        /// The reference.
        #[label("its value is needed here")]
        span: Span,
    },
    /// A file that cannot be read, and its content is needed.
    #[error("the file `{path}` cannot be read: {why}")]
    #[diagnostic(
        code(KP0352),
        help("look at the path and at the rights of the file; a relative path starts at the folder of the file that it is written in")
    )]
    UnreadableFile {
        /// The path.
        path: String,
        /// Why.
        why: String,
        /// The reference.
        #[label("its content is needed here")]
        span: Span,
    },
    /// `${vault:...}`, `${X}`.
    #[error("`{reference}` is not a reference that kpipe knows")]
    #[diagnostic(code(KP0353), help("{help}"))]
    UnknownReference {
        /// As written.
        reference: String,
        /// What it may have meant.
        label: String,
        /// The reference.
        #[label("{label}")]
        span: Span,
        /// How to go on.
        help: String,
    },
    /// `${env:` and no `}`.
    #[error("a reference is never closed")]
    #[diagnostic(code(KP0354), help("write `${{env:NAME}}`, or `$${{` for the characters themselves"))]
    OpenReference {
        /// The opening sign.
        #[label("`}}` is missing")]
        span: Span,
    },
    /// `user:password@host`.
    #[error("a URL cannot hold a user or a password")]
    #[diagnostic(code(KP0703), help("write them as options of their own, with the password as `${{env:NAME}}`"))]
    SecretInUrl {
        /// The URL.
        #[label("value hidden")]
        span: Span,
    },
    /// `abc${env:X}` for a secret.
    #[error("a secret is one whole reference")]
    #[diagnostic(code(KP0704), help("put the whole value into the variable or the file: `${{env:NAME}}`"))]
    PartialSecret {
        /// The value.
        #[label("text beside the reference would be in the plan")]
        span: Span,
    },
}

/// What a pipeline file may say, but better would not.
#[derive(Clone, Debug, PartialEq, Eq, Error, Diagnostic)]
#[diagnostic(severity(Warning))]
pub enum DocumentWarning {
    /// A secret in the clear.
    #[error("`{key}` is a secret and is written in the file")]
    #[diagnostic(code(KP0701), help("write `\"${{env:NAME}}\"` or `\"${{file:/run/secrets/name}}\"`, then change the secret"))]
    LiteralSecret {
        /// The full path of the key.
        key: String,
        /// The value.
        #[label("value hidden; it is in the history of this file from here on")]
        span: Span,
    },
    /// No TLS to a host out there.
    #[error("the connection to `{host}` is not encrypted")]
    #[diagnostic(
        code(KP0705),
        help("use TLS: `https`, `mqtts`, or `tls: {{ enabled: true }}`; hosts of a private network are not warned about")
    )]
    Plaintext {
        /// The host.
        host: String,
        /// What can be read on the way.
        what: &'static str,
        /// The address.
        #[label("{what} in the clear")]
        span: Span,
    },
}
