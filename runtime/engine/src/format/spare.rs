//! Buffers of parts that are stored, kept to be filled again.
//!
//! A part is the largest thing that is allocated, and it is freed by another thread than the one that filled it. An allocator gives such
//! memory back late and hands out fresh pages meanwhile, each of which costs a fault: files of 150 MB a second then hold three times what
//! the budget counts. Spare buffers are what the budget leaves free: [`Spares::tidy`] drops what is more, and what nobody needed for a while.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::limits::{PART_BYTES, SPARE_FOR};

/// What a part of so many bytes holds in memory: more than half of one stays in the buffer of a whole one.
pub(crate) fn held_bytes(bytes: usize) -> usize {
    if bytes > PART_BYTES / 2 { bytes.max(PART_BYTES) } else { bytes }
}

/// Spare buffers of a process, and how long parts are. Clones share the buffers.
#[derive(Clone, Debug)]
pub(crate) struct Spares {
    part_bytes: usize,
    shelf: Arc<Mutex<Shelf>>,
}

impl Default for Spares {
    fn default() -> Self {
        Self::new(PART_BYTES)
    }
}

#[derive(Debug, Default)]
struct Shelf {
    buffers: Vec<Vec<u8>>,
    /// The fewest that lay here since the last look: so many were not needed.
    fewest: usize,
    next_look: Duration,
}

impl Spares {
    /// For parts of this length.
    pub(crate) fn new(part_bytes: usize) -> Self {
        Self { part_bytes, shelf: Arc::default() }
    }

    /// The length of a part.
    pub(super) const fn part_bytes(&self) -> usize {
        self.part_bytes
    }

    /// What a buffer holds beyond a part, for the row that crosses its end.
    pub(super) const fn slack_bytes(&self) -> usize {
        self.part_bytes / 128
    }

    /// What a buffer holds.
    pub(super) const fn room_bytes(&self) -> usize {
        self.part_bytes + self.slack_bytes()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer that holds a part without growing, if one lies here.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let mut shelf = self.shelf();
        let buffer = shelf.buffers.pop()?;
        shelf.fewest = shelf.fewest.min(shelf.buffers.len());
        Some(buffer)
    }

    /// A part whose buffer comes back here once nobody needs its bytes, if it is as large as it should be.
    pub(super) fn part(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Part { bytes, spares: self.clone() })
    }

    /// Drops what is more than `free_bytes`, and, once in a while, what nobody needed since the last time.
    pub(crate) fn tidy(&self, now: Duration, free_bytes: usize) {
        let mut dropped = Vec::new();
        let mut shelf = self.shelf();
        if now >= shelf.next_look {
            shelf.next_look = now + SPARE_FOR;
            let rest = shelf.buffers.len() - shelf.fewest;
            dropped = shelf.buffers.split_off(rest);
            shelf.fewest = rest;
        }
        let mut held: usize = shelf.buffers.iter().map(Vec::capacity).sum();
        while held > free_bytes
            && let Some(buffer) = shelf.buffers.pop()
        {
            held -= buffer.capacity();
            dropped.push(buffer);
        }
        shelf.fewest = shelf.fewest.min(shelf.buffers.len());
        // Memory is given back when nobody waits for the lock any more.
        drop(shelf);
        drop(dropped);
    }
}

struct Part {
    bytes: Vec<u8>,
    spares: Spares,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut buffer = mem::take(&mut self.bytes);
        let room = self.spares.room_bytes();
        if (room..=room + room / 8).contains(&buffer.capacity()) {
            buffer.clear();
            self.spares.shelf().buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lying(spares: &Spares) -> usize {
        spares.shelf().buffers.len()
    }

    fn stored(spares: &Spares, count: usize) {
        let parts: Vec<Bytes> = (0..count).map(|_| spares.part(Vec::with_capacity(100))).collect();
        drop(parts);
    }

    #[test]
    fn a_stored_part_is_filled_again() {
        let spares = Spares::new(100);
        assert!(spares.take().is_none());
        let mut buffer = Vec::with_capacity(100);
        buffer.extend_from_slice(b"part");
        let (address, part) = (buffer.as_ptr(), spares.part(buffer));
        let second = part.slice(1..);
        drop(part);
        assert_eq!((second.as_ref(), lying(&spares)), (&b"art"[..], 0), "somebody still reads it");
        drop(second);
        let again = spares.take().unwrap();
        assert_eq!((again.as_ptr(), again.len(), lying(&spares)), (address, 0, 0));
    }

    #[test]
    fn only_buffers_of_the_right_size_are_kept() {
        let spares = Spares::new(1280);
        assert_eq!((spares.part_bytes(), spares.slack_bytes(), spares.room_bytes()), (1280, 10, 1290));
        for (capacity, kept) in [(1289, 0), (1290, 1), (2600, 1)] {
            drop(spares.part(Vec::with_capacity(capacity)));
            assert_eq!(lying(&spares), kept, "{capacity}");
        }
    }

    #[test]
    fn spares_are_within_what_is_free() {
        let spares = Spares::new(100);
        stored(&spares, 5);
        spares.tidy(Duration::ZERO, 500);
        assert_eq!(lying(&spares), 5);
        spares.tidy(Duration::ZERO, 299);
        assert_eq!(lying(&spares), 2);
        spares.tidy(Duration::ZERO, 0);
        assert_eq!(lying(&spares), 0);
    }

    #[test]
    fn what_nobody_needs_goes() {
        let spares = Spares::new(100);
        let at = |looks: u32| SPARE_FOR * looks;
        stored(&spares, 4);
        spares.tidy(at(1), usize::MAX);
        assert_eq!(lying(&spares), 4, "they came since the last look");
        let used = [spares.take().unwrap(), spares.take().unwrap(), spares.take().unwrap()];
        used.into_iter().for_each(|buffer| drop(spares.part(buffer)));
        spares.tidy(at(1) + SPARE_FOR / 2, usize::MAX);
        assert_eq!(lying(&spares), 4, "not yet");
        spares.tidy(at(2), usize::MAX);
        assert_eq!(lying(&spares), 3, "one lay there all the time");
        spares.tidy(at(3), usize::MAX);
        assert_eq!(lying(&spares), 0);
    }
}
