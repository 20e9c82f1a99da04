//! Which files were read how far. No locks and no writing: `positions.rs` keeps it on the disk.
//!
//! A name can lead to one file after the other: logs are rotated. Each of them is a generation. The one that the name leads to is the
//! current one of the name; earlier ones are remembered as long as they lie in its folder, so that a renamed file is known again.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::disk;

/// Bytes at the start of a file that tell it from another one.
const HEAD_BYTES: u64 = 256;

/// The version of the saved form.
pub(super) const VERSION: u32 = 1;

/// What is saved.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) version: u32,
    /// By name: the file that it led to.
    files: BTreeMap<String, SavedFile>,
    /// Files that a name led to before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Earlier>,
}

/// One file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedFile {
    /// The next byte to read.
    pub(super) position: u64,
    inode: u64,
    head_bytes: u64,
    head: String,
    #[serde(default, skip_serializing_if = "is_first")]
    generation: u16,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_first(generation: &u16) -> bool {
    *generation == 0
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Earlier {
    name: String,
    /// Nothing more of it is to be read.
    done: bool,
    #[serde(flatten)]
    file: SavedFile,
}

/// A generation in its book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    index: usize,
    /// How many files were read under the same name before, as far as is remembered. It is the partition of its records: the same bytes of
    /// two files under one name never have the same coordinates, nor objects the same name.
    pub(super) number: u16,
}

/// All that were read.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// Of its generation.
    number: u16,
    state: State,
    /// `None` before the first commit.
    file: Option<SavedFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The name leads to it, as far as is known.
    Current,
    /// The name leads to another one; its rest is to be read.
    Earlier,
    /// Read to its end, and the name leads to another one or to none.
    Done,
    /// It is not there any more and needs no remembering.
    Gone,
}

impl Entry {
    fn generation(&self, index: usize) -> Generation {
        Generation { index, number: self.number }
    }
}

/// A generation that is to be read on.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) generation: Generation,
    pub(super) name: String,
    pub(super) position: u64,
    pub(super) is_current: bool,
}

impl Book {
    pub(super) fn new(saved: Saved) -> Self {
        let current =
            saved.files.into_iter().map(|(name, file)| Entry { name, number: file.generation, state: State::Current, file: Some(file) });
        let earlier = saved.earlier.into_iter().map(|earlier| Entry {
            name: earlier.name,
            number: earlier.file.generation,
            state: if earlier.done { State::Done } else { State::Earlier },
            file: Some(earlier.file),
        });
        Self { entries: current.chain(earlier).collect() }
    }

    /// What is to be saved.
    pub(super) fn saved(&self) -> Saved {
        let mut saved = Saved { version: VERSION, files: BTreeMap::new(), earlier: Vec::new() };
        for Entry { name, number: _, state, file } in &self.entries {
            let Some(file) = file else { continue };
            match state {
                State::Current => drop(saved.files.insert(name.clone(), file.clone())),
                State::Earlier | State::Done => {
                    saved.earlier.push(Earlier { name: name.clone(), done: *state == State::Done, file: file.clone() });
                }
                State::Gone => {}
            }
        }
        saved
    }

    /// The generation that the file under this name is, and where reading of it goes on; `None` if it was never read. It can have been read under
    /// another name that does not lead to it any more.
    pub(super) fn recognise(&self, dir: &Path, name: &str, file: &File) -> io::Result<Option<(Generation, u64)>> {
        let found = file.metadata()?;
        for (index, entry) in self.entries.iter().enumerate() {
            let Some(saved) = entry.file.as_ref().filter(|saved| entry.state != State::Gone && saved.inode == found.ino()) else {
                continue;
            };
            if found.len() >= saved.position
                && head(file, saved.head_bytes)? == saved.head
                && (entry.name == name || !leads_to(&dir.join(&entry.name), saved.inode))
            {
                return Ok(Some((entry.generation(index), saved.position)));
            }
        }
        Ok(None)
    }

    /// The name that a generation was read under.
    pub(super) fn name(&self, generation: Generation) -> &str {
        &self.entries[generation.index].name
    }

    /// Whether anything is noted about a generation.
    pub(super) fn is_known(&self, generation: Generation) -> bool {
        self.entries[generation.index].file.is_some()
    }

    /// Whether all of a generation was read and the name leads elsewhere.
    pub(super) fn is_done(&self, generation: Generation) -> bool {
        self.entries[generation.index].state == State::Done
    }

    /// The name leads to a file that was never read. What it led to before is an earlier one from now on.
    pub(super) fn begin(&mut self, name: &str) -> Generation {
        self.leave(name);
        let number = self.next_number(name);
        self.entries.push(Entry { name: name.to_owned(), number, state: State::Current, file: None });
        Generation { index: self.entries.len() - 1, number }
    }

    /// The number of the next file under a name.
    pub(super) fn next_number(&self, name: &str) -> u16 {
        let numbers = self.entries.iter().filter(|entry| entry.name == name).map(|entry| entry.number);
        numbers.max().map_or(0, |last| last.saturating_add(1))
    }

    /// A generation that was done has grown: it is read on.
    pub(super) fn revive(&mut self, generation: Generation, is_current: bool) {
        let name = self.entries[generation.index].name.clone();
        if is_current {
            self.leave(&name);
        }
        self.entries[generation.index].state = if is_current { State::Current } else { State::Earlier };
    }

    /// A name leads to another file than before.
    fn leave(&mut self, name: &str) {
        for entry in self.entries.iter_mut().filter(|entry| entry.name == name && entry.state == State::Current) {
            entry.state = State::Earlier;
        }
    }

    /// Generations that may have more to read.
    pub(super) fn unfinished(&self) -> Vec<Unfinished> {
        let open = |entry: &Entry| matches!(entry.state, State::Current | State::Earlier);
        let entries = self.entries.iter().enumerate().filter(|(_, entry)| open(entry));
        let unfinished = entries.filter_map(|(index, entry)| {
            let position = entry.file.as_ref()?.position;
            let is_current = entry.state == State::Current;
            Some(Unfinished { generation: entry.generation(index), name: entry.name.clone(), position, is_current })
        });
        unfinished.collect()
    }

    /// Looks for a generation in the folder of its name: the file itself under another name, else a copy that holds what was read.
    pub(super) fn locate(&self, dir: &Path, generation: Generation) -> io::Result<Option<File>> {
        let Some(saved) = &self.entries[generation.index].file else { return Ok(None) };
        let path = dir.join(self.name(generation));
        let is_it = |found: &Metadata| found.is_file() && found.ino() == saved.inode && found.len() >= saved.position;
        if let Ok(file) = File::open(&path)
            && is_it(&file.metadata()?)
            && head(&file, saved.head_bytes)? == saved.head
        {
            return Ok(Some(file));
        }
        match search(disk::parent(&path), is_it, |file| Ok(head(file, saved.head_bytes)? == saved.head))? {
            Some(file) => Ok(Some(file)),
            None => self.copied(dir, generation, saved.position),
        }
    }

    /// Looks for a copy of a generation with at least so many bytes, in the folder of its name: what `copytruncate` leaves.
    pub(super) fn copied(&self, dir: &Path, generation: Generation, bytes_min: u64) -> io::Result<Option<File>> {
        // Without bytes of its start nothing says which file a copy is one of.
        let Some(saved) = self.entries[generation.index].file.as_ref().filter(|saved| saved.head_bytes > 0) else { return Ok(None) };
        let path = dir.join(self.name(generation));
        let known: Vec<u64> = self.entries.iter().filter_map(|entry| Some(entry.file.as_ref()?.inode)).collect();
        let can_be = |found: &Metadata| found.is_file() && found.len() >= bytes_min && !known.contains(&found.ino());
        search(disk::parent(&path), can_be, |file| Ok(head(file, saved.head_bytes)? == saved.head))
    }

    /// A file of this generation is safe up to a position. Returns whether that is news.
    pub(super) fn commit(&mut self, generation: Generation, inode: u64, file: Option<&File>, position: u64) -> io::Result<bool> {
        let entry = &mut self.entries[generation.index];
        let saved = match &entry.file {
            _ if entry.state == State::Gone => return Ok(false),
            Some(known) if known.inode == inode && known.position == position => return Ok(false),
            Some(known) if known.inode == inode && known.head_bytes == HEAD_BYTES => SavedFile { position, ..known.clone() },
            _ => SavedFile { generation: entry.number, ..describe(file, inode, position)? },
        };
        entry.file = Some(saved);
        Ok(true)
    }

    /// Nothing more of a generation will be read.
    pub(super) fn finish(&mut self, generation: Generation) {
        let entry = &mut self.entries[generation.index];
        entry.state = if entry.file.is_some() { State::Done } else { State::Gone };
    }

    /// A generation is not there any more, what was read of it is all there ever will be.
    pub(super) fn forget(&mut self, generation: Generation) {
        self.entries[generation.index].state = State::Gone;
    }

    /// Forgets what is done and lies no longer in the folder of its name: another file can have its number one day.
    pub(super) fn prune(&mut self, dir: &Path) -> io::Result<()> {
        let mut folders: BTreeMap<std::path::PathBuf, Vec<u64>> = BTreeMap::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.state == State::Done) {
            let folder = disk::parent(&dir.join(&entry.name)).to_owned();
            if !folders.contains_key(&folder) {
                folders.insert(folder.clone(), inodes(&folder)?);
            }
            let Some(saved) = &entry.file else { continue };
            if !folders.get(&folder).is_some_and(|there| there.contains(&saved.inode)) {
                entry.state = State::Gone;
            }
        }
        Ok(())
    }
}

/// Whether there is a file with this inode under a path.
pub(super) fn leads_to(path: &Path, inode: u64) -> bool {
    fs::metadata(path).is_ok_and(|found| found.ino() == inode)
}

fn inodes(folder: &Path) -> io::Result<Vec<u64>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.metadata()?.ino())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The first file of a folder, by name, that both questions are answered with yes for.
fn search(folder: &Path, quick: impl Fn(&Metadata) -> bool, sure: impl Fn(&File) -> io::Result<bool>) -> io::Result<Option<File>> {
    let mut paths = match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    paths.sort();
    for path in paths {
        // A link would be found again under its own name, and a file that cannot be read is not the one that was.
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if !quick(&found) {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        if sure(&file)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// What to remember of a file. One that cannot be opened any more is remembered by its inode alone.
fn describe(file: Option<&File>, inode: u64, position: u64) -> io::Result<SavedFile> {
    let Some(file) = file else { return Ok(SavedFile { position, inode, head_bytes: 0, head: hash(&[]), generation: 0 }) };
    let head_bytes = file.metadata()?.len().min(HEAD_BYTES);
    Ok(SavedFile { position, inode, head_bytes, head: head(file, head_bytes)?, generation: 0 })
}

fn head(file: &File, bytes: u64) -> io::Result<String> {
    let mut data = vec![0; usize::try_from(bytes.min(HEAD_BYTES)).unwrap_or_default()];
    match file.read_exact_at(&mut data, 0) {
        Ok(()) => Ok(hash(&data)),
        // Shorter than what is asked about: another one.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// FNV-1a.
fn hash(data: &[u8]) -> String {
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}
