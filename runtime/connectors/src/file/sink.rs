//! Files as a sink: a value is a line at the end of a file.
//!
//! All tasks of the process share a file that is open; another process is kept out by a lock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::Array;
use kpipe_engine::connector::{Delivery, OutBatch, RecordSink, Ticket};
use kpipe_engine::error::{ConnectorError, ErrorKind};

use super::output::{self, Output};
use crate::files::keys;

/// Files that one task has open at a time.
const OPEN_MAX: usize = 256;

/// The files below one directory, as one task writes them.
pub(super) struct FileSink {
    dir: PathBuf,
    open: BTreeMap<Arc<str>, Arc<Mutex<Output>>>,
    /// Written and not yet forced to the disk, with their numbers of rows.
    waiting: Vec<(Ticket, usize)>,
    refused: Vec<Delivery>,
}

impl FileSink {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, open: BTreeMap::new(), waiting: Vec::new(), refused: Vec::new() }
    }

    fn output(&mut self, name: &Arc<str>) -> Result<Arc<Mutex<Output>>, ConnectorError> {
        if let Some(output) = self.open.get(name) {
            return Ok(Arc::clone(output));
        }
        if self.open.len() >= OPEN_MAX {
            self.sync()?;
            self.open.clear();
        }
        let output = output::shared(&self.dir, name)?;
        self.open.insert(Arc::clone(name), Arc::clone(&output));
        Ok(output)
    }

    fn sync(&self) -> Result<(), ConnectorError> {
        self.open.values().try_for_each(|output| output.lock().unwrap_or_else(PoisonError::into_inner).sync())
    }
}

/// A value as a line, or why it is none.
fn line<'a>(batch: &'a OutBatch<'_>, row: usize) -> Result<&'a [u8], &'static str> {
    let value = match batch.values {
        Some(values) => (!values.is_null(row)).then(|| values.value(row)),
        None => batch.raw.records.value(batch.rows[row] as usize),
    };
    match value {
        None => Err("a null value is no line"),
        Some(value) if value.contains(&b'\n') => Err("a value with a line break does not fit into one line"),
        Some(value) => Ok(value),
    }
}

impl RecordSink for FileSink {
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError> {
        let mut refused = Vec::new();
        let mut texts: BTreeMap<&Arc<str>, Vec<u8>> = BTreeMap::new();
        for row in from..batch.rows.len() {
            let topic = batch.topic_of_row.get(row).map_or(0, |topic| *topic as usize);
            let name = &batch.topics[topic];
            let checked = keys::check(name).map_err(|error| error.message);
            match checked.and_then(|()| line(batch, row).map_err(|reason| format!("{name}: {reason}"))) {
                Ok(line) => {
                    let text = texts.entry(name).or_default();
                    text.extend_from_slice(line);
                    text.push(b'\n');
                }
                Err(reason) => {
                    let error = ConnectorError::new(ErrorKind::Data, reason);
                    let row = u32::try_from(row).unwrap_or(u32::MAX);
                    refused.push(Delivery::Refused { ticket: batch.ticket, row, error });
                }
            }
        }
        for (name, text) in texts {
            self.output(name)?.lock().unwrap_or_else(PoisonError::into_inner).append(&text)?;
        }
        self.refused.append(&mut refused);
        let taken = batch.rows.len() - from;
        self.waiting.push((batch.ticket, taken));
        Ok(taken)
    }

    fn poll(&mut self, _wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        self.sync()?;
        let done = self.waiting.drain(..).map(|(ticket, _)| Delivery::Done(ticket));
        Ok(self.refused.drain(..).chain(done).collect())
    }

    fn in_flight(&self) -> usize {
        self.waiting.iter().map(|(_, rows)| rows).sum()
    }
}
