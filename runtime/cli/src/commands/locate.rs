//! `kpipe verify --offset`: which object holds a record.

use std::fmt::Write as _;

use kpipe_engine::ledger::find::{Holder, ObjectState, Wanted, Whereabouts, find};
use serde_json::{Value, json};

use super::print;
use super::verify::each;
use crate::args::{Common, Format, Report};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::host::{Host, Style};
use crate::render::json;
use crate::render::paint::{Ink, harmless, paint};

/// What each ledger of a position's partition says about it.
type Found = Vec<(Wanted, Vec<Whereabouts>)>;

/// Looks for each position in the ledgers of the pipelines. Ends with 3 if an object that must be there is not.
pub(super) fn run(common: &Common, args: &Report, offsets: &[Wanted], host: &mut Host<'_>) -> Result<Exit, Failure> {
    let found = each(common, args, host, async |audited| {
        let mut found: Found = Vec::new();
        for wanted in offsets {
            let places = find(audited, wanted).await?;
            found.push((wanted.clone(), places.into_iter().map(|(_, whereabouts)| whereabouts).collect()));
        }
        Ok(found)
    })?;
    let Some(found) = found else { return Ok(Exit::Invalid) };
    let is_whole = found.iter().flat_map(|(_, found)| found).flat_map(|(_, places)| places).all(is_whole);
    let exit = if is_whole { Exit::Done } else { Exit::TestFailed };
    let text = match args.format {
        Format::Json => {
            let all: Vec<Value> = found.iter().map(|(name, found)| json!({ "pipeline": name, "offsets": offsets_json(found) })).collect();
            json::document(exit, &[], &[], json!({ "pipelines": all }))
        }
        Format::Human | Format::Plain => {
            let style = host.out_style(common.color);
            found.iter().map(|(name, found)| told(style, name, found)).collect()
        }
    };
    print(host, &text)?;
    Ok(exit)
}

fn is_whole(whereabouts: &Whereabouts) -> bool {
    match whereabouts {
        Whereabouts::Committed { files, .. } | Whereabouts::Before { files, .. } => {
            files.iter().all(|file| file.object != ObjectState::Missing)
        }
        Whereabouts::Damaged { .. } => false,
        Whereabouts::Skipped { .. } | Whereabouts::NotYet { .. } => true,
    }
}

fn told(style: Style, name: &str, found: &Found) -> String {
    let mut text = format!("{}\n", paint(style, Ink::Strong, name));
    for (wanted, places) in found {
        for whereabouts in places {
            let (what, files) = words(whereabouts);
            let _ = writeln!(text, "  {wanted}: {what}");
            for file in files {
                let Holder { bucket, key, first, last, records, is_certain, object } = file;
                let sure = if *is_certain { "in" } else { "perhaps in" };
                let slash = if bucket.is_empty() { "" } else { "/" };
                let count = records.map(|records| format!(", {records} records")).unwrap_or_default();
                let state = match object {
                    ObjectState::Visible => String::new(),
                    ObjectState::NotYet => ", not visible yet".to_owned(),
                    ObjectState::Missing => format!(", {}", paint(style, Ink::Error, "which is not there")),
                };
                let (bucket, key) = (harmless(bucket), harmless(key));
                let _ = writeln!(text, "    {sure} {bucket}{slash}{key}: positions {first} to {last}{count}{state}");
            }
        }
    }
    text
}

fn words(whereabouts: &Whereabouts) -> (String, &[Holder]) {
    match whereabouts {
        Whereabouts::Committed { n, files } if files.is_empty() => {
            (format!("committed by ledger record {n}, in no file: it was filtered, put aside, or is no record of data"), files)
        }
        Whereabouts::Committed { n, files } if files.iter().all(|file| !file.is_certain) => {
            (format!("committed by ledger record {n}; if it was not filtered or put aside"), files)
        }
        Whereabouts::Committed { n, files } => (format!("committed by ledger record {n}"), files),
        Whereabouts::Skipped { n } => (format!("skipped by a reset (ledger record {n})"), &[]),
        Whereabouts::NotYet { end } => (format!("not committed yet: the ledger ends at {end}"), &[]),
        Whereabouts::Before { start, files } if files.is_empty() => (format!("before the ledger, whose records begin at {start}"), files),
        Whereabouts::Before { start, files } => {
            (format!("before the records that the ledger keeps, which begin at {start}; by the names of objects"), files)
        }
        Whereabouts::Damaged { n } => {
            (format!("not known: ledger record {n} is damaged or not there; `kpipe verify` without `--offset` says more"), &[])
        }
    }
}

fn offsets_json(found: &Found) -> Vec<Value> {
    let one = |wanted: &Wanted, whereabouts: &Whereabouts| {
        let (state, record, position) = match whereabouts {
            Whereabouts::Committed { n, .. } => ("committed", Some(n.0), None),
            Whereabouts::Skipped { n } => ("skipped", Some(n.0), None),
            Whereabouts::NotYet { end } => ("not_committed", None, Some(end.0)),
            Whereabouts::Before { start, .. } => ("before", None, Some(start.0)),
            Whereabouts::Damaged { n } => ("damaged", Some(n.0), None),
        };
        let files: Vec<Value> = words(whereabouts).1.iter().map(file_json).collect();
        let Wanted { topic, partition, at } = wanted;
        json!({
            "topic": topic, "partition": partition, "offset": at.0, "state": state, "ledger_record": record, "ledger_position": position, "files": files,
        })
    };
    found.iter().flat_map(|(wanted, places)| places.iter().map(move |place| one(wanted, place))).collect()
}

fn file_json(file: &Holder) -> Value {
    let Holder { bucket, key, first, last, records, is_certain, object } = file;
    let object = match object {
        ObjectState::Visible => "visible",
        ObjectState::NotYet => "not_visible_yet",
        ObjectState::Missing => "missing",
    };
    json!({ "bucket": bucket, "key": key, "first": first.0, "last": last.0, "records": records, "certain": is_certain, "object": object })
}

#[cfg(test)]
mod tests {
    use kpipe_engine::ledger::RecordNumber;
    use kpipe_engine::position::Position;

    use super::*;

    fn holder(key: &str, is_certain: bool, object: ObjectState) -> Holder {
        let (bucket, key) = ("lake".to_owned(), key.to_owned());
        Holder { bucket, key, first: Position(10), last: Position(20), records: Some(5), is_certain, object }
    }

    fn found(whereabouts: Whereabouts) -> Found {
        vec![("orders[3]@12".parse().unwrap(), vec![whereabouts])]
    }

    #[test]
    fn what_is_sure_and_what_is_not_are_told_apart() {
        let n = RecordNumber(7);
        let files = vec![holder("a.json", false, ObjectState::Visible), holder("b.json", false, ObjectState::Missing)];
        let several = found(Whereabouts::Committed { n, files });
        insta::assert_snapshot!(told(Style::PLAIN, "p", &several), @r"
        p
          orders[3]@12: committed by ledger record 7; if it was not filtered or put aside
            perhaps in lake/a.json: positions 10 to 20, 5 records
            perhaps in lake/b.json: positions 10 to 20, 5 records, which is not there
        ");
        assert!(!is_whole(&several[0].1[0]));
        let one = found(Whereabouts::Committed { n, files: vec![holder("a.json", true, ObjectState::NotYet)] });
        assert!(told(Style::PLAIN, "p", &one).ends_with("    in lake/a.json: positions 10 to 20, 5 records, not visible yet\n"));
        let json = &offsets_json(&one)[0];
        assert_eq!((json["state"].as_str(), json["ledger_record"].as_u64()), (Some("committed"), Some(7)));
        assert_eq!((json["files"][0]["certain"].as_bool(), json["files"][0]["object"].as_str()), (Some(true), Some("not_visible_yet")));
    }

    #[test]
    fn every_answer_without_a_file_says_why() {
        let n = RecordNumber(7);
        for (whereabouts, words, is_whole) in [
            (Whereabouts::Committed { n, files: Vec::new() }, "in no file: it was filtered", true),
            (Whereabouts::Skipped { n }, "skipped by a reset (ledger record 7)", true),
            (Whereabouts::NotYet { end: Position(5) }, "not committed yet: the ledger ends at 5", true),
            (Whereabouts::Before { start: Position(50), files: Vec::new() }, "before the ledger, whose records begin at 50", true),
            (Whereabouts::Damaged { n }, "not known: ledger record 7", false),
        ] {
            assert_eq!(super::is_whole(&whereabouts), is_whole, "{words}");
            let text = told(Style::PLAIN, "p", &found(whereabouts));
            assert!(text.contains(words), "{text}");
        }
    }
}
