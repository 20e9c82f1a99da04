//! `kpipe ledger show`: what the ledgers of a pipeline hold, a row a partition.

use std::fmt::Write as _;

use kpipe_engine::ledger::audit::{Audit, PartitionAudit};
use serde_json::{Value, json};

use super::print;
use super::verify::{Depth, audits};
use crate::args::{Common, Format, Ledger, LedgerCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::render::json;
use crate::render::paint::{Ink, paint};
use crate::render::progress::size;

/// Reads and prints them.
pub(crate) fn run(common: &Common, args: &Ledger, host: &mut Host<'_>) -> Result<Exit, Failure> {
    let LedgerCommand::Show(args) = &args.command;
    let Some(audits) = audits(common, Depth::Ledgers, args, host)? else { return Ok(Exit::Invalid) };
    let text = match args.format {
        Format::Json => {
            let all: Vec<Value> = audits
                .iter()
                .map(|(name, audit)| json!({ "pipeline": name, "partitions": audit.partitions.iter().map(row).collect::<Vec<_>>() }))
                .collect();
            json::document(Exit::Done, &[], &[], json!({ "pipelines": all }))
        }
        Format::Human | Format::Plain => {
            let style = host.out_style(common.color);
            audits.iter().map(|(name, audit)| table(style, name, audit)).collect()
        }
    };
    print(host, &text)?;
    Ok(Exit::Done)
}

const TITLES: [&str; 8] = ["partition", "from", "to", "records", "files", "bytes", "ledger", "under way"];

fn table(style: Style, name: &str, audit: &Audit) -> String {
    let mut rows: Vec<[String; 8]> = vec![TITLES.map(str::to_owned)];
    for PartitionAudit { scope, oldest, newest, start, end, files, records, bytes, unpublished } in &audit.partitions {
        rows.push([
            scope.to_string(),
            start.to_string(),
            end.to_string(),
            records.to_string(),
            files.to_string(),
            size(*bytes),
            format!("{oldest}..{newest}"),
            unpublished.to_string(),
        ]);
    }
    let widths: [usize; 8] = std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = format!("{}\n", paint(style, Ink::Strong, name));
    for row in rows {
        text.push(' ');
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let _ = if column == 0 { write!(text, " {cell:<width$}") } else { write!(text, "  {cell:>width$}") };
        }
        text.push('\n');
    }
    if !audit.findings.is_empty() {
        let _ = writeln!(text, "  {} `kpipe verify` says what does not fit", paint(style, Ink::Error, "wrong:"));
    }
    text
}

/// A partition as JSON.
pub(super) fn row(partition: &PartitionAudit) -> Value {
    let PartitionAudit { scope, oldest, newest, start, end, files, records, bytes, unpublished } = partition;
    json!({
        "topic": &*scope.topic,
        "topic_id": &*scope.identity,
        "partition": scope.partition,
        "start": start,
        "end": end,
        "oldest_record": oldest,
        "newest_record": newest,
        "files": files,
        "records": records,
        "bytes": bytes,
        "unpublished": unpublished,
    })
}
