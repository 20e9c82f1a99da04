//! What was handed to librdkafka and not yet reported. No IO.
//!
//! A batch has a slot, and a record carries its slot and row through librdkafka in one word.

use std::collections::VecDeque;

use kpipe_engine::connector::Ticket;
use rdkafka::types::RDKafkaErrorCode;

/// Batches that are on their way.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    slots: VecDeque<Slot>,
    /// Number of the first slot.
    first: u32,
    in_flight: usize,
    done: Vec<Ticket>,
    refused: Vec<Refused>,
}

#[derive(Debug)]
struct Slot {
    ticket: Ticket,
    /// Rows in librdkafka.
    open: usize,
    /// All rows were handed over.
    complete: bool,
}

/// A row that was not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) ticket: Ticket,
    pub(super) row: u32,
    pub(super) code: RDKafkaErrorCode,
}

impl Ledger {
    /// The slot of a batch that is being handed over, a new one if it is the first time.
    pub(super) fn slot(&mut self, ticket: Ticket) -> u32 {
        let known = self.slots.iter().rposition(|slot| slot.ticket == ticket && !slot.complete);
        let index = known.unwrap_or_else(|| {
            self.slots.push_back(Slot { ticket, open: 0, complete: false });
            self.slots.len() - 1
        });
        self.first.wrapping_add(index as u32)
    }

    /// A row was taken by librdkafka. Returns nothing to undo it: a row that is not taken is not opened.
    pub(super) fn open(&mut self, slot: u32, rows: usize) {
        self.in_flight += rows;
        if let Some(slot) = self.get(slot) {
            slot.open += rows;
        }
    }

    /// All rows of the batch were handed over or refused.
    pub(super) fn complete(&mut self, slot: u32) {
        if let Some(slot) = self.get(slot) {
            slot.complete = true;
        }
        self.retire();
    }

    /// A row was refused before librdkafka took it.
    pub(super) fn refuse(&mut self, slot: u32, row: u32, code: RDKafkaErrorCode) {
        if let Some(ticket) = self.get(slot).map(|slot| slot.ticket) {
            self.refused.push(Refused { ticket, row, code });
        }
    }

    /// librdkafka's report on a row.
    pub(super) fn report(&mut self, word: usize, code: Option<RDKafkaErrorCode>) {
        let (slot, row) = unpack(word);
        if let Some(code) = code {
            self.refuse(slot, row, code);
        }
        let Some(found) = self.get(slot) else { return };
        found.open -= 1;
        let retire = found.open == 0;
        self.in_flight -= 1;
        if retire {
            self.retire();
        }
    }

    /// Batches whose rows are all reported, and rows that were refused, since the last call.
    pub(super) fn take(&mut self) -> (Vec<Refused>, Vec<Ticket>) {
        (std::mem::take(&mut self.refused), std::mem::take(&mut self.done))
    }

    /// Rows in librdkafka.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn get(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot.wrapping_sub(self.first) as usize)
    }

    /// Batches end in the order in which they were begun.
    fn retire(&mut self) {
        while let Some(slot) = self.slots.front().filter(|slot| slot.complete && slot.open == 0) {
            self.done.push(slot.ticket);
            self.slots.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}

/// Slot and row in one word.
pub(super) fn pack(slot: u32, row: u32) -> usize {
    (slot as usize) << 32 | row as usize
}

fn unpack(word: usize) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

const _: () = assert!(usize::BITS == 64, "a slot and a row fit into a pointer");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn send(ledger: &mut Ledger, ticket: u64, rows: u32) -> Vec<usize> {
        let slot = ledger.slot(Ticket(ticket));
        ledger.open(slot, rows as usize);
        ledger.complete(slot);
        (0..rows).map(|row| pack(slot, row)).collect()
    }

    fn done(ledger: &mut Ledger) -> Vec<u64> {
        ledger.take().1.into_iter().map(|ticket| ticket.0).collect()
    }

    #[test]
    fn a_batch_is_done_when_its_last_row_is() {
        let mut ledger = Ledger::default();
        let words = send(&mut ledger, 7, 3);
        for word in &words[..2] {
            ledger.report(*word, None);
        }
        assert_eq!((done(&mut ledger), ledger.in_flight()), (vec![], 1));
        ledger.report(words[2], None);
        assert_eq!((done(&mut ledger), ledger.in_flight()), (vec![7], 0));
    }

    #[test]
    fn a_batch_in_two_parts_is_one() {
        let mut ledger = Ledger::default();
        let slot = ledger.slot(Ticket(1));
        ledger.open(slot, 1);
        ledger.report(pack(slot, 0), None);
        assert_eq!(done(&mut ledger), [] as [u64; 0], "more of it may come");
        assert_eq!(ledger.slot(Ticket(1)), slot);
        ledger.open(slot, 1);
        ledger.complete(slot);
        assert_eq!(done(&mut ledger), [] as [u64; 0]);
        ledger.report(pack(slot, 1), None);
        assert_eq!(done(&mut ledger), [1]);
    }

    #[test]
    fn an_empty_batch_and_one_that_is_all_refused_are_done() {
        let mut ledger = Ledger::default();
        send(&mut ledger, 1, 0);
        let slot = ledger.slot(Ticket(2));
        ledger.refuse(slot, 5, RDKafkaErrorCode::MessageSizeTooLarge);
        ledger.complete(slot);
        let (refused, tickets) = ledger.take();
        assert_eq!(tickets, [Ticket(1), Ticket(2)]);
        assert_eq!(refused, [Refused { ticket: Ticket(2), row: 5, code: RDKafkaErrorCode::MessageSizeTooLarge }]);
    }

    #[test]
    fn slot_numbers_wrap_around() {
        let mut ledger = Ledger { first: u32::MAX, ..Ledger::default() };
        let first = send(&mut ledger, 1, 1);
        let second = send(&mut ledger, 2, 1);
        ledger.report(second[0], None);
        assert_eq!(done(&mut ledger), [] as [u64; 0]);
        ledger.report(first[0], Some(RDKafkaErrorCode::InvalidRecord));
        assert_eq!(ledger.take().1, [Ticket(1), Ticket(2)]);
        assert_eq!((ledger.first, ledger.in_flight()), (1, 0));
    }

    proptest! {
        #[test]
        fn every_batch_is_done_once_whatever_the_order_of_reports(
            sizes in proptest::collection::vec(0_u32..20, 1..20),
            seed in any::<u64>(),
        ) {
            let mut ledger = Ledger::default();
            let mut words = Vec::new();
            for (ticket, rows) in sizes.iter().enumerate() {
                words.extend(send(&mut ledger, ticket as u64, *rows));
            }
            let mut finished = done(&mut ledger);
            let mut state = seed | 1;
            while !words.is_empty() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let word = words.swap_remove((state >> 33) as usize % words.len());
                ledger.report(word, None);
                finished.extend(done(&mut ledger));
            }
            prop_assert_eq!(finished, (0..sizes.len() as u64).collect::<Vec<_>>());
            prop_assert_eq!(ledger.in_flight(), 0);
        }
    }
}
