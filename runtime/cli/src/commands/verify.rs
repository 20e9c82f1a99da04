//! `kpipe verify`: whether every record that was committed is there, once.

use std::fmt::Write as _;

use kpipe_compiler::sources::Mode;
use kpipe_engine::error::ConnectorError;
use kpipe_engine::ledger::audit::{Audit, Audited, PartitionAudit, audit, ledgers};
use serde_json::{Value, json};

use super::{failed, findings, print, runtime};
use crate::args::{Common, Format, Report, Verify, Voice};
use crate::compile::{Unit, compile};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::live::World;
use crate::paths::situated;
use crate::render::bar::Bar;
use crate::render::json;
use crate::render::paint::{Ink, paint};
use crate::secrets::HostSecrets;

/// Audits each pipeline and prints what was found. Ends with 3 if something does not fit.
pub(crate) fn run(common: &Common, args: &Verify, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let Verify { of: args, offsets } = args;
    if !offsets.is_empty() {
        return super::locate::run(common, args, offsets, host);
    }
    let Some(audits) = audits(common, Depth::Everything, args, host)? else { return Ok(Exit::Invalid) };
    let is_clean = audits.iter().all(|(_, audit)| audit.findings.is_empty());
    let exit = if is_clean { Exit::Done } else { Exit::TestFailed };
    let text = match args.format {
        Format::Json => {
            let all: Vec<Value> = audits.iter().map(|(name, audit)| document(name, audit)).collect();
            json::document(exit, &[], &[], json!({ "pipelines": all }))
        }
        Format::Human | Format::Plain => {
            let style = host.out_style(common.color);
            audits.iter().map(|(name, audit)| told(style, name, audit)).collect()
        }
    };
    print(host, &text)?;
    Ok(exit)
}

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Depth {
    /// Ledgers and objects.
    Everything,
    /// Ledgers alone.
    Ledgers,
}

/// The audit of every pipeline that keeps a ledger, by name; `None` if the files have errors, which are said.
pub(super) fn audits(common: &Common, depth: Depth, args: &Report, host: &mut Host<'_>) -> Result<Option<Vec<(String, Audit)>>, Failure> {
    each(common, args, host, async |audited| match depth {
        Depth::Everything => audit(audited).await,
        Depth::Ledgers => ledgers(audited).await,
    })
}

/// Looks at every pipeline that keeps a ledger, by name, and shows how far it is; `None` if the files have errors, which are said.
pub(super) fn each<T>(
    common: &Common,
    args: &Report,
    host: &mut Host<'_>,
    look: impl AsyncFn(&Audited) -> Result<T, ConnectorError>,
) -> Result<Option<Vec<(String, T)>>, Failure> {
    let voice = Voice::from(args.format);
    let compiled = compile(host, &args.inputs.paths, args.inputs.profile.as_deref(), Mode::Plan, None)?;
    findings(common, voice, host, &compiled)?;
    if compiled.has_errors {
        return Ok(None);
    }
    let runtime = runtime()?;
    let secrets = HostSecrets::of(host);
    let dir = host.dir.clone();
    let world = World { runtime: runtime.handle(), secrets: &secrets, dir: &dir };
    let mut bar = Bar::new(common, host);
    let (mut looks, mut failures) = (Vec::new(), Vec::new());
    for Unit { pipeline, folder, .. } in compiled.pipelines {
        let pipeline = situated(&pipeline, &dir.join(folder));
        if !pipeline.commit.keeps_ledger() {
            let message = format!("pipeline `{}` keeps no ledger: it commits by `{}`", pipeline.name, pipeline.commit.word());
            failures.push(Failure::new(Exit::Invalid, message).help("only files that a ledger names can be verified"));
            continue;
        }
        let found =
            world.audited(&pipeline).and_then(|audited| bar.wait(&runtime, host.err, &pipeline.name, &audited.progress, look(&audited)));
        match found {
            Ok(found) => looks.push((pipeline.name, found)),
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    runtime.shutdown_background();
    match failures.is_empty() {
        true => Ok(Some(looks)),
        false => {
            let worst = failures.iter().fold(Exit::Done, |worst, failure| worst.worst(failure.exit));
            failed(common.color, voice, host, failures)?;
            Err(Failure::silent(worst))
        }
    }
}

fn told(style: Style, name: &str, audit: &Audit) -> String {
    let Audit { partitions, findings, objects, objects_before } = audit;
    let mut text = format!("{}\n", paint(style, Ink::Strong, name));
    for PartitionAudit { scope, oldest, newest, start, end, files, records, unpublished, .. } in partitions {
        let _ =
            write!(text, "  {scope}: positions {start} to {end} in {files} files, {records} records, ledger records {oldest} to {newest}");
        text.push_str(&if *unpublished > 0 { format!(", {unpublished} files not visible yet\n") } else { "\n".to_owned() });
    }
    if partitions.is_empty() {
        text.push_str("  no ledger yet: nothing was committed\n");
    }
    if *objects_before > 0 {
        let _ = writeln!(text, "  {objects_before} objects are older than the ledger keeps records");
    }
    for finding in findings {
        let _ = writeln!(text, "  {} {finding}", paint(style, Ink::Error, "wrong:"));
    }
    let verdict = match findings.len() {
        0 => format!("{objects} objects: no gap, no duplicate"),
        1 => format!("{objects} objects: 1 thing does not fit"),
        many => format!("{objects} objects: {many} things do not fit"),
    };
    let _ = writeln!(text, "  {verdict}");
    text
}

fn document(name: &str, audit: &Audit) -> Value {
    let Audit { partitions, findings, objects, objects_before } = audit;
    let partitions: Vec<Value> = partitions.iter().map(super::ledger::row).collect();
    json!({
        "pipeline": name,
        "partitions": partitions,
        "findings": findings.iter().map(|finding| json!({ "kind": finding.kind(), "message": finding.to_string() })).collect::<Vec<_>>(),
        "objects": objects,
        "objects_before": objects_before,
    })
}
