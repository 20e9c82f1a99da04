//! Text files: read once or followed while they grow, and written line by line.

mod book;
mod copies;
mod followed;
mod glob;
mod lines;
mod output;
mod positions;
mod scan;
mod sink;
mod source;
mod spec;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use kpipe_compiler::plan::Options;
use kpipe_engine::connector::{ConnectorDef, Inspection, OpenRequest, PartitionInspection, PlanStore, RecordSink, Source};
use kpipe_engine::error::{About, ConnectorError, ErrorKind};

use crate::files::{DiskPlans, disk};
use copies::COPY_WAIT;
use positions::Positions;
use scan::Wanted;
use source::{FileSource, LEFT_WAIT, Mode, SCAN_EVERY, Settings};

/// The connector.
pub(crate) static CONNECTOR: ConnectorDef = ConnectorDef {
    spec: &spec::SPEC,
    source: Some(open_source),
    records: Some(open_sink),
    store: None,
    inspect: Some(inspect),
    newest: None,
    plans: Some(plans),
    bookmarks: None,
};

/// The longest line where the options say nothing.
const LINE_BYTES_MAX: u64 = 10 * 1024 * 1024;

fn dir(options: &Options) -> Result<PathBuf, ConnectorError> {
    let dir = options.text("dir").filter(|dir| !dir.is_empty());
    dir.map(PathBuf::from).ok_or_else(|| ConnectorError::new(ErrorKind::Invalid, "file: `dir` is not set"))
}

fn settings(request: &OpenRequest<'_>) -> Result<Settings, ConnectorError> {
    let options = &request.endpoint.options;
    let mode = if options.text("mode") == Some("once") { Mode::Once } else { Mode::Tail };
    let line_bytes_max = options.bytes("line_max").unwrap_or(LINE_BYTES_MAX);
    Ok(Settings {
        dir: dir(options)?,
        mode,
        line_bytes_max,
        wanted: Wanted::of(request.routes)?,
        left_wait: LEFT_WAIT,
        scan_every: SCAN_EVERY,
        copy_wait: COPY_WAIT,
        starts_in_sink: request.starts_in_sink,
    })
}

fn positions_path(request: &OpenRequest<'_>, settings: &Settings) -> PathBuf {
    let given = request.endpoint.options.text("positions").map(PathBuf::from);
    given.unwrap_or_else(|| positions::default_path(&settings.dir, request.pipeline))
}

fn open_source(request: &OpenRequest<'_>) -> Result<Box<dyn Source>, ConnectorError> {
    let settings = settings(request)?;
    let positions = match request.task {
        0 => Some(Positions::open(positions_path(request, &settings), &settings.dir)?),
        _ => None,
    };
    Ok(Box::new(FileSource::new(settings, positions)))
}

fn open_sink(request: &OpenRequest<'_>) -> Result<Box<dyn RecordSink>, ConnectorError> {
    let dir = dir(&request.endpoint.options)?;
    disk::create_dirs(&dir).map_err(|error| disk::failed("create", &dir, &error))?;
    Ok(Box::new(sink::FileSink::new(dir)))
}

fn plans(request: &OpenRequest<'_>) -> Result<Box<dyn PlanStore>, ConnectorError> {
    Ok(Box::new(DiskPlans::new(dir(&request.endpoint.options)?)))
}

fn inspect(request: &OpenRequest<'_>) -> Result<Inspection, ConnectorError> {
    // `mode` has a default, so every source has it and no sink.
    let found = if request.endpoint.options.text("mode").is_some() { inspect_source(request) } else { inspect_sink(request) };
    found.map_err(|error| error.or_about(About::Option("dir")))
}

fn inspect_sink(request: &OpenRequest<'_>) -> Result<Inspection, ConnectorError> {
    let dir = dir(&request.endpoint.options)?;
    output::inspect(&dir)?;
    Ok(Inspection { system: format!("files below {}", dir.display()), ..Inspection::default() })
}

fn inspect_source(request: &OpenRequest<'_>) -> Result<Inspection, ConnectorError> {
    let settings = settings(request)?;
    let dir = &settings.dir;
    if !dir.is_dir() {
        let missing = ConnectorError::new(ErrorKind::Missing, format!("the directory {} does not exist", dir.display()));
        let missing = missing.about(About::Option("dir")).help("create it, or correct `dir`");
        return Ok(Inspection { system: format!("files below {}", dir.display()), missing: vec![missing], ..Inspection::default() });
    }
    let found = scan::files(dir, &settings.wanted)?;
    let system =
        format!("{} below {}", if found.len() == 1 { "1 file".to_owned() } else { format!("{} files", found.len()) }, dir.display());
    let missing = scan::missing(&settings.wanted, &found).into_iter();
    let missing = missing.map(|name| {
        let missing = ConnectorError::new(ErrorKind::Missing, format!("the file {} does not exist", dir.join(&name).display()));
        missing.about(About::Name(name.to_owned())).help("correct the name in FROM, or `dir`")
    });
    let saved_path = positions_path(request, &settings);
    let book = positions::look(&saved_path)?;
    let mut partitions = Vec::new();
    let mut known = Vec::new();
    for (left, file) in source::unfinished(&book, &saved_path, dir, &settings.wanted)? {
        let Some(metadata) = file.and_then(|file| file.metadata().ok()) else { continue };
        known.push((left.name.clone(), metadata.ino()));
        partitions.push(partition((&left.name, left.generation.number), metadata.len(), Some(left.position)));
    }
    for name in found.keys() {
        let path = dir.join(name);
        let failed = |error: std::io::Error| disk::failed("read", &path, &error);
        let file = File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let is_known =
            |(left, inode): &(String, u64)| *inode == metadata.ino() && (left == name || !book::leads_to(&dir.join(left), *inode));
        if known.iter().any(is_known) {
            continue;
        }
        match book.recognise(dir, name, &file).map_err(failed)? {
            Some((generation, _)) if book.is_done(generation) => {}
            Some((generation, position)) => partitions.push(partition((name, generation.number), metadata.len(), Some(position))),
            None => partitions.push(partition((name, book.next_number(name)), metadata.len(), None)),
        }
    }
    let missing = if settings.mode == Mode::Once { missing.collect() } else { Vec::new() };
    Ok(Inspection { system, partitions, missing, ..Inspection::default() })
}

fn partition((name, number): (&str, u16), bytes: u64, committed: Option<u64>) -> PartitionInspection {
    PartitionInspection {
        topic: name.to_owned(),
        partition: number.into(),
        low: lines::position(0),
        high: lines::position(bytes),
        committed: committed.map(lines::position),
        start: lines::position(committed.unwrap_or(0)),
        last_hour: None,
    }
}

#[cfg(test)]
mod tests;
