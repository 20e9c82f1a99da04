//! What is owed to the broker: acknowledgements, in the order of arrival. No IO.
//!
//! A message gets a local number on arrival. When everything below a number is safe in the sink, the messages below it are
//! acknowledged. The numbers go on over a reconnect, what is owed does not: the broker sends again what it got no answer for,
//! and the copy gets a number of its own. So a message can come twice and is never lost.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::packet::write_ack;

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBCOMP: u8 = 0x70;

/// A message that has not been acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Owed {
    position: i64,
    packet_id: u16,
    qos: u8,
}

/// The order of arrival and what is owed.
#[derive(Debug, Default)]
pub(super) struct Session {
    next: i64,
    owed: VecDeque<Owed>,
}

impl Session {
    /// The number of the next message.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Numbers a message that arrived.
    pub(super) fn arrived(&mut self, qos: u8, packet_id: u16) -> i64 {
        let position = self.next;
        self.next += 1;
        if qos > 0 {
            self.owed.push_back(Owed { position, packet_id, qos });
        }
        position
    }

    /// Messages that wait for their acknowledgement.
    pub(super) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// Writes the acknowledgements of every message below `position`.
    pub(super) fn acknowledge(&mut self, position: i64, out: &mut BytesMut) {
        while let Some(first) = self.owed.front().copied().filter(|owed| owed.position < position) {
            write_ack(out, if first.qos == 1 { PUBACK } else { PUBREC }, first.packet_id);
            self.owed.pop_front();
        }
    }

    /// Answers a PUBREL: the second half of QoS 2.
    pub(super) fn released(packet_id: u16, out: &mut BytesMut) {
        write_ack(out, PUBCOMP, packet_id);
    }

    /// The connection is gone, and with it what was owed on it.
    pub(super) fn disconnected(&mut self) {
        self.owed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_follow_the_position_in_order() {
        let mut session = Session::default();
        assert_eq!(session.arrived(1, 11), 0);
        assert_eq!(session.arrived(0, 0), 1);
        assert_eq!(session.arrived(2, 12), 2);
        assert_eq!(session.arrived(1, 13), 3);
        let mut out = BytesMut::new();
        session.acknowledge(0, &mut out);
        assert!(out.is_empty(), "nothing is safe yet");
        session.acknowledge(3, &mut out);
        assert_eq!(&out[..], [PUBACK, 2, 0, 11, PUBREC, 2, 0, 12]);
        assert_eq!(session.owed(), 1);
    }

    #[test]
    fn a_lost_connection_forgets_what_it_owed_but_not_its_numbers() {
        let mut session = Session::default();
        session.arrived(1, 1);
        session.disconnected();
        assert_eq!((session.owed(), session.next()), (0, 1));
        let mut out = BytesMut::new();
        session.acknowledge(1, &mut out);
        assert!(out.is_empty(), "an old packet number means nothing on a new connection");
        assert_eq!(session.arrived(1, 1), 1);
    }

    #[test]
    fn a_release_is_completed() {
        let mut out = BytesMut::new();
        Session::released(258, &mut out);
        assert_eq!(&out[..], [PUBCOMP, 2, 1, 2]);
    }
}
