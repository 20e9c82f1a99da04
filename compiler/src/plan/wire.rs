//! The saved form of a plan: one JSON file for `plan --out`, and the record of what was applied.
//!
//! The same plan is the same bytes. A checksum over the content finds files that were cut or edited; it is no protection against
//! somebody who means harm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Endpoint, OptionValue, Options, Pipeline, SecretRef};

/// The version of the form that this kpipe writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// Largest file that is read as a plan, in bytes.
pub const BYTES_MAX: usize = 64 << 20;

/// Pipelines, and what was seen of the world when they were planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The pipelines by their order in the files.
    pub pipelines: Vec<Pipeline>,
    /// What they were made from. A plan whose inputs moved is not applied.
    pub inputs: Inputs,
}

/// Fingerprints of everything that a plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// SHA-256 in hexadecimal of every file that was read, by path.
    pub files: BTreeMap<String, String>,
    /// Committed offsets: lower bounds, since a pipeline that runs moves them.
    pub offsets: Vec<OffsetFloor>,
    /// The applied plan of each pipeline that has one.
    pub applied: BTreeMap<String, Applied>,
    /// The folder of each pipeline's file, where its relative paths start; those in the directory of the command are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<String, String>,
}

/// A committed offset at the time of planning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffsetFloor {
    /// The pipeline.
    pub pipeline: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The committed offset: the next one to read. Negative: nothing was committed.
    pub offset: i64,
}

/// Which applied plan was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applied {
    /// The store's tag of the object, where it has one.
    pub etag: Option<String>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// A text that is no plan for this kpipe.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Larger than any plan.
    #[error("the file has {0} bytes; a plan has at most {BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON, or JSON of something else.
    #[error("this is not a saved plan: {0}")]
    NotAPlan(String),
    /// The text ends too early.
    #[error("the plan is cut off after line {line}")]
    Truncated {
        /// The last line.
        line: usize,
    },
    /// Written by a newer kpipe.
    #[error("the plan has format {format}, written by kpipe {kpipe}; this kpipe reads up to format {FORMAT}")]
    Newer {
        /// Its format.
        format: u32,
        /// Who wrote it.
        kpipe: String,
    },
    /// The content does not have its checksum.
    #[error("the plan was changed after it was made: its checksum does not fit")]
    Tampered,
    /// Secrets that stand in the pipeline file would be missing from the saved plan.
    #[error("a plan with a secret written in the pipeline file cannot be saved: {}", .places.join(", "))]
    InlineSecret {
        /// Where they stand.
        places: Vec<String>,
    },
}

impl WireError {
    /// Its code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge(_) | Self::NotAPlan(_) => "KP0901",
            Self::Truncated { .. } | Self::Tampered => "KP0902",
            Self::Newer { .. } => "KP0904",
            Self::InlineSecret { .. } => "KP0702",
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::TooLarge(_) | Self::NotAPlan(_) => "`kpipe plan --out FILE` writes a plan that `kpipe apply FILE` reads",
            Self::Truncated { .. } | Self::Tampered => "make the plan again with `kpipe plan --out FILE`",
            Self::Newer { .. } => "apply it with the kpipe that made it, or newer; or make it again with this one",
            Self::InlineSecret { .. } => "write `${env:NAME}` or `${file:/path}` in its place: a plan holds references only",
        }
    }
}

/// The outer form: what every version of kpipe can read of every plan, and the content of this version.
#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    kpipe_plan: u32,
    kpipe: String,
    sha256: String,
    plan: T,
}

/// The bytes of a plan; secrets that stand in the file are places without their value.
#[must_use]
pub fn write(plan: &SavedPlan) -> String {
    let envelope = Envelope { kpipe_plan: FORMAT, kpipe: env!("CARGO_PKG_VERSION").to_owned(), sha256: checksum(plan), plan };
    let mut text = serde_json::to_string_pretty(&envelope).expect("a plan has only text keys");
    text.push('\n');
    text
}

/// The bytes of a plan for `plan --out`, which another machine may apply.
///
/// # Errors
///
/// If a secret stands in a pipeline file: its value would be missing there.
pub fn write_out(plan: &SavedPlan) -> Result<String, WireError> {
    let places = inline_secrets(plan);
    if places.is_empty() { Ok(write(plan)) } else { Err(WireError::InlineSecret { places }) }
}

/// Reads a plan that [`write()`] wrote.
///
/// # Errors
///
/// If it is something else, newer, cut off or changed.
pub fn read(text: &str) -> Result<SavedPlan, WireError> {
    if text.len() > BYTES_MAX {
        return Err(WireError::TooLarge(text.len()));
    }
    let outer: Envelope<serde_json::Value> = serde_json::from_str(text).map_err(|error| not_a_plan(&error))?;
    if outer.kpipe_plan > FORMAT {
        return Err(WireError::Newer { format: outer.kpipe_plan, kpipe: outer.kpipe });
    }
    let plan: SavedPlan = serde_json::from_value(outer.plan).map_err(|error| WireError::NotAPlan(error.to_string()))?;
    if checksum(&plan) != outer.sha256 {
        return Err(WireError::Tampered);
    }
    Ok(plan)
}

/// SHA-256 in hexadecimal, as [`Inputs`] has it.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn not_a_plan(error: &serde_json::Error) -> WireError {
    if error.is_eof() && error.line() > 1 {
        return WireError::Truncated { line: error.line() };
    }
    WireError::NotAPlan(error.to_string())
}

fn checksum(plan: &SavedPlan) -> String {
    fingerprint(&serde_json::to_vec(plan).expect("a plan has only text keys"))
}

/// What moved between two looks at the world, in words; empty if a plan made from `planned` still holds.
///
/// Offsets that grew are not a move: a running pipeline commits all the time.
#[must_use]
pub fn moved(planned: &Inputs, now: &Inputs) -> Vec<String> {
    let mut moves = Vec::new();
    let Inputs { files, offsets, applied, folders: _ } = planned;
    for path in files.keys().chain(now.files.keys().filter(|path| !files.contains_key(*path))) {
        match (files.get(path), now.files.get(path)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(_), Some(_)) => moves.push(format!("{path} changed")),
            (Some(_), None) => moves.push(format!("{path} is gone")),
            (None, _) => moves.push(format!("{path} is new")),
        }
    }
    for floor in offsets {
        let same =
            |other: &&OffsetFloor| (&other.pipeline, &other.topic, other.partition) == (&floor.pipeline, &floor.topic, floor.partition);
        let committed = now.offsets.iter().find(same).map_or(-1, |other| other.offset);
        if committed < floor.offset {
            moves.push(format!(
                "{}: the committed offset of {}/{} went back from {} to {committed}",
                floor.pipeline, floor.topic, floor.partition, floor.offset
            ));
        }
    }
    for name in applied.keys().chain(now.applied.keys().filter(|name| !applied.contains_key(*name))) {
        if applied.get(name).map(|plan| &plan.sha256) != now.applied.get(name).map(|plan| &plan.sha256) {
            moves.push(format!("{name} was applied by somebody else"));
        }
    }
    moves
}

fn inline_secrets(plan: &SavedPlan) -> Vec<String> {
    let mut places = Vec::new();
    for pipeline in &plan.pipelines {
        let dead_letter = pipeline.errors.dead_letter.as_ref().map(|dead_letter| &dead_letter.cluster);
        for Endpoint { connector: _, options } in [&pipeline.source, &pipeline.sink].into_iter().chain(dead_letter) {
            collect(options, &mut places);
        }
    }
    places.sort();
    places.dedup();
    places
}

fn collect(Options(options): &Options, places: &mut Vec<String>) {
    let mut values: Vec<&OptionValue> = options.values().collect();
    while let Some(value) = values.pop() {
        match value {
            OptionValue::Secret(SecretRef::Inline { place, value: _ }) => places.push(place.clone()),
            OptionValue::Secret(SecretRef::Env(_) | SecretRef::File(_))
            | OptionValue::Text(_)
            | OptionValue::Integer(_)
            | OptionValue::Boolean(_)
            | OptionValue::Bytes(_)
            | OptionValue::DurationMs(_) => {}
            OptionValue::List(inner) => values.extend(inner),
            OptionValue::Map(inner) => values.extend(inner.values()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CommitProtocol, ErrorPolicy, Guarantee, Promise, Tolerance};

    fn pipeline(secret: SecretRef) -> Pipeline {
        let endpoint = |connector: &str, options| Endpoint { connector: connector.to_owned(), options: Options(options) };
        Pipeline {
            name: "p".to_owned(),
            source: endpoint("mqtt", [("password".to_owned(), OptionValue::Secret(secret))].into()),
            sink: endpoint("kafka", BTreeMap::new()),
            sampled: None,
            routes: Vec::new(),
            flush: None,
            errors: ErrorPolicy { tolerance: Tolerance::None, dead_letter: None, retry_timeout_ms: None, retry_delay_max_ms: 1 },
            commit: CommitProtocol::Deterministic,
            promise: Promise { guarantee: Guarantee::AtLeastOnce, reason: "because".to_owned() },
        }
    }

    fn saved() -> SavedPlan {
        SavedPlan {
            pipelines: vec![pipeline(SecretRef::Env("PW".to_owned()))],
            inputs: Inputs {
                files: [("p.yaml".to_owned(), fingerprint(b"text"))].into(),
                offsets: vec![floor(5)],
                applied: [("p".to_owned(), Applied { etag: None, sha256: fingerprint(b"old") })].into(),
                folders: [("p".to_owned(), "pipes".to_owned())].into(),
            },
        }
    }

    fn floor(offset: i64) -> OffsetFloor {
        OffsetFloor { pipeline: "p".to_owned(), topic: "t".to_owned(), partition: 0, offset }
    }

    #[test]
    fn a_plan_comes_back_as_it_was_and_as_the_same_bytes() {
        let text = write(&saved());
        assert_eq!(read(&text).unwrap(), saved());
        assert_eq!(write(&read(&text).unwrap()), text);
        assert_eq!(write_out(&saved()).unwrap(), text);
    }

    #[test]
    fn a_cut_plan_is_seen_at_every_line() {
        let text = write(&saved());
        let lines: Vec<&str> = text.lines().collect();
        for count in 2..lines.len() {
            let cut = lines[..count].join("\n");
            assert!(matches!(read(&cut), Err(WireError::Truncated { .. })), "after {count} lines");
        }
    }

    #[test]
    fn a_changed_plan_is_seen() {
        let text = write(&saved()).replace("at_least_once", "exactly_once");
        assert_eq!(read(&text), Err(WireError::Tampered));
        let more = write(&saved()).replace("\"pipelines\"", "\"more\": 1, \"pipelines\"");
        assert!(matches!(read(&more), Err(WireError::NotAPlan(_))));
    }

    #[test]
    fn a_newer_plan_says_who_wrote_it() {
        let text = r#"{"kpipe_plan": 7, "kpipe": "3.1.0", "sha256": "", "plan": {"other": []}}"#;
        assert_eq!(read(text), Err(WireError::Newer { format: 7, kpipe: "3.1.0".to_owned() }));
    }

    #[test]
    fn other_files_are_no_plans() {
        for text in ["", "version: 1\npipeline: p\n", "{}", "[]", "{\"kpipe_plan\": \"x\"}"] {
            assert!(matches!(read(text), Err(WireError::NotAPlan(_))), "{text}");
        }
        assert!(read("").unwrap_err().help().contains("--out"));
    }

    #[test]
    fn secrets_written_in_the_file_are_not_saved() {
        let inline = SecretRef::Inline { place: "p.yaml:7".to_owned(), value: "hunter2".to_owned() };
        let plan = SavedPlan { pipelines: vec![pipeline(inline)], inputs: Inputs::default() };
        assert!(!write(&plan).contains("hunter2"));
        let error = write_out(&plan).unwrap_err();
        assert_eq!(error, WireError::InlineSecret { places: vec!["p.yaml:7".to_owned()] });
        assert_eq!(error.code(), "KP0702");
    }

    #[test]
    fn offsets_may_grow_but_files_may_not_change() {
        let planned = saved().inputs;
        let mut now = planned.clone();
        now.offsets = vec![floor(9)];
        assert_eq!(moved(&planned, &now), Vec::<String>::new());
        now.offsets = vec![floor(3)];
        now.files.insert("p.yaml".to_owned(), fingerprint(b"other"));
        now.files.insert("q.yaml".to_owned(), fingerprint(b"new"));
        now.applied.clear();
        assert_eq!(
            moved(&planned, &now),
            ["p.yaml changed", "q.yaml is new", "p: the committed offset of t/0 went back from 5 to 3", "p was applied by somebody else",]
        );
    }

    #[test]
    fn fingerprints_are_sha256() {
        assert_eq!(fingerprint(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_secret_of_a_dead_letter_cluster_is_found_too() {
        let secret = |place: &str| OptionValue::Secret(SecretRef::Inline { place: place.to_owned(), value: "x".to_owned() });
        let nested = OptionValue::Map([("k".to_owned(), OptionValue::List(vec![secret("p.yaml:9")]))].into());
        let mut pipeline = pipeline(SecretRef::Env("PW".to_owned()));
        let options = Options([("sasl.password".to_owned(), secret("p.yaml:3")), ("client".to_owned(), nested)].into());
        let cluster = Endpoint { connector: "kafka".to_owned(), options };
        pipeline.errors.dead_letter = Some(crate::plan::DeadLetter { topic: "dlq".to_owned(), cluster });
        let plan = SavedPlan { pipelines: vec![pipeline], inputs: Inputs::default() };
        let places = vec!["p.yaml:3".to_owned(), "p.yaml:9".to_owned()];
        assert_eq!(write_out(&plan), Err(WireError::InlineSecret { places }));
    }

    #[test]
    fn what_is_gone_or_new_has_moved() {
        let planned = saved().inputs;
        let mut now = planned.clone();
        now.files.clear();
        now.offsets.clear();
        now.applied.insert("q".to_owned(), Applied { etag: Some("e".to_owned()), sha256: fingerprint(b"q") });
        assert_eq!(
            moved(&planned, &now),
            ["p.yaml is gone", "p: the committed offset of t/0 went back from 5 to -1", "q was applied by somebody else",]
        );
        assert!(moved(&Inputs::default(), &Inputs::default()).is_empty());
    }

    #[test]
    fn an_etag_alone_is_no_move() {
        let planned = saved().inputs;
        let mut now = planned.clone();
        if let Some(applied) = now.applied.get_mut("p") {
            applied.etag = Some("other".to_owned());
        }
        assert!(moved(&planned, &now).is_empty(), "the bytes are the same");
    }

    #[test]
    fn every_error_has_a_code_and_a_help() {
        let errors = [
            WireError::TooLarge(1),
            WireError::NotAPlan("x".to_owned()),
            WireError::Truncated { line: 1 },
            WireError::Newer { format: 2, kpipe: "9".to_owned() },
            WireError::Tampered,
            WireError::InlineSecret { places: vec!["p.yaml:1".to_owned()] },
        ];
        for error in errors {
            assert!(error.code().starts_with("KP0") && !error.help().is_empty(), "{error}");
        }
        assert_eq!(WireError::Truncated { line: 7 }.to_string(), "the plan is cut off after line 7");
    }

    #[test]
    fn a_text_longer_than_any_plan_is_not_even_looked_at() {
        let long = " ".repeat(BYTES_MAX + 1);
        assert_eq!(read(&long).unwrap_err().to_string(), "the file has 67108865 bytes; a plan has at most 67108864");
        assert!(read(&long[1..]).unwrap_err().to_string().starts_with("this is not a saved plan: EOF while parsing"));
        let plan = write(&saved());
        let newer = plan.replacen("\"kpipe_plan\": 1", "\"kpipe_plan\": 2", 1).replacen(env!("CARGO_PKG_VERSION"), "9.9.9", 1);
        assert_eq!(read(&newer).unwrap_err().to_string(), "the plan has format 2, written by kpipe 9.9.9; this kpipe reads up to format 1");
        let edited = plan.replace("\"because\"", "\"of course\"");
        assert_eq!(read(&edited).unwrap_err().to_string(), "the plan was changed after it was made: its checksum does not fit");
    }
}
