//! Buffers of parts that are stored, kept to be filled again.
//!
//! A part is the largest thing that is allocated, and it is freed by another thread than the one that filled it. An allocator gives such
//! memory back late and hands out fresh pages meanwhile, each of which costs a fault: files of 150 MB a second then hold three times what
//! the budget counts. Spare buffers are what the budget leaves free: [`Spares::tidy`] drops what is more, and what nobody needed for a while.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::limits::SPARE_FOR;

/// Spare buffers of a process. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    buffers: Vec<Vec<u8>>,
    /// The fewest that lay here since the last look: so many were not needed.
    fewest: usize,
    next_look: Duration,
}

impl Spares {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer that holds at least `bytes` without growing, if one lies here.
    pub(super) fn take(&self, bytes: usize) -> Option<Vec<u8>> {
        let mut shelf = self.shelf();
        let index = shelf.buffers.iter().rposition(|buffer| buffer.capacity() >= bytes)?;
        let buffer = shelf.buffers.swap_remove(index);
        shelf.fewest = shelf.fewest.min(shelf.buffers.len());
        Some(buffer)
    }

    /// A part whose buffer comes back here once nobody needs its bytes.
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
        buffer.clear();
        self.spares.shelf().buffers.push(buffer);
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
        let spares = Spares::default();
        assert!(spares.take(1).is_none());
        let mut buffer = Vec::with_capacity(100);
        buffer.extend_from_slice(b"part");
        let (address, part) = (buffer.as_ptr(), spares.part(buffer));
        let second = part.slice(1..);
        drop(part);
        assert_eq!((second.as_ref(), lying(&spares)), (&b"art"[..], 0), "somebody still reads it");
        drop(second);
        assert!(spares.take(101).is_none(), "too small");
        let again = spares.take(100).unwrap();
        assert_eq!((again.as_ptr(), again.len(), lying(&spares)), (address, 0, 0));
    }

    #[test]
    fn spares_are_within_what_is_free() {
        let spares = Spares::default();
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
        let spares = Spares::default();
        let at = |looks: u32| SPARE_FOR * looks;
        stored(&spares, 4);
        spares.tidy(at(1), usize::MAX);
        assert_eq!(lying(&spares), 4, "they came since the last look");
        let used = [spares.take(100).unwrap(), spares.take(100).unwrap(), spares.take(100).unwrap()];
        used.into_iter().for_each(|buffer| drop(spares.part(buffer)));
        spares.tidy(at(1) + SPARE_FOR / 2, usize::MAX);
        assert_eq!(lying(&spares), 4, "not yet");
        spares.tidy(at(2), usize::MAX);
        assert_eq!(lying(&spares), 3, "one lay there all the time");
        spares.tidy(at(3), usize::MAX);
        assert_eq!(lying(&spares), 0);
    }
}
