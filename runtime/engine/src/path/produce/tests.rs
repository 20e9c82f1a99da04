use super::*;
use crate::error::ErrorKind;
use crate::event::tests::Heard;
use crate::fixture;
use crate::position::Position;

/// Takes a few rows at a time; deliveries come when the test says so.
#[derive(Clone, Default)]
struct Sink(Arc<std::sync::Mutex<SinkState>>);

#[derive(Default)]
struct SinkState {
    room: usize,
    taken: Vec<(u64, usize, usize)>,
    deliveries: Vec<Delivery>,
}

impl RecordSink for Sink {
    fn send(&mut self, batch: &OutBatch<'_>, from: usize) -> Result<usize, ConnectorError> {
        let mut state = self.0.lock().unwrap();
        let count = state.room.min(batch.rows.len() - from);
        state.room -= count;
        state.taken.push((batch.ticket.0, from, count));
        Ok(count)
    }

    fn poll(&mut self, _wait: Duration) -> Result<Vec<Delivery>, ConnectorError> {
        Ok(std::mem::take(&mut self.0.lock().unwrap().deliveries))
    }

    fn in_flight(&self) -> usize {
        self.0.lock().unwrap().taken.iter().map(|(_, _, count)| count).sum()
    }
}

fn out(rows: &[u32]) -> OutRows {
    OutRows { rows: rows.to_vec(), topics: vec!["out".into()], topic_of_row: Vec::new(), keys: None, values: None }
}

fn accept(produce: &mut Produce, partition: u32, outs: Vec<OutRows>, dead_letter: Option<u64>) {
    let mut raw = fixture::values(&["a", "b", "c"]);
    raw.partition = PartitionId(partition);
    produce.accept(Rc::new(raw), outs, dead_letter.map(Ticket));
}

fn pump(produce: &mut Produce) -> Vec<Refusal> {
    let voice = Voice::new("p".into(), 0, Arc::new(Heard::default()));
    produce.pump(Duration::ZERO, Duration::ZERO, &voice).unwrap()
}

fn landed(produce: &mut Produce) -> Vec<u32> {
    produce.take_landed(|_| true).iter().map(|landed| landed.partition.0).collect()
}

fn produce(room: usize) -> (Produce, Sink) {
    let sink = Sink::default();
    sink.0.lock().unwrap().room = room;
    (Produce::new(Box::new(sink.clone())), sink)
}

/// The tickets that were sent, in order.
fn tickets(sink: &Sink) -> Vec<u64> {
    sink.0.lock().unwrap().taken.iter().map(|(ticket, ..)| *ticket).collect()
}

fn deliver(sink: &Sink, delivery: Delivery) {
    sink.0.lock().unwrap().deliveries.push(delivery);
}

#[test]
fn a_full_sink_gets_the_rest_later() {
    let (mut produce, sink) = produce(2);
    accept(&mut produce, 0, vec![out(&[0, 1, 2])], None);
    assert!(pump(&mut produce).is_empty() && !produce.has_room());
    sink.0.lock().unwrap().room = 5;
    pump(&mut produce);
    assert!(produce.has_room());
    let taken: Vec<_> = sink.0.lock().unwrap().taken.iter().map(|(_, from, count)| (*from, *count)).collect();
    assert_eq!(taken, [(0, 2), (2, 1)]);
}

#[test]
fn batches_land_in_order_whatever_is_acknowledged_first() {
    let (mut produce, sink) = produce(100);
    accept(&mut produce, 0, vec![out(&[0])], None);
    accept(&mut produce, 0, vec![out(&[1]), out(&[2])], None);
    accept(&mut produce, 1, vec![out(&[1])], None);
    pump(&mut produce);
    let tickets = tickets(&sink);
    tickets[1..].iter().for_each(|ticket| deliver(&sink, Delivery::Done(Ticket(*ticket))));
    pump(&mut produce);
    assert_eq!(landed(&mut produce), [1], "partition 0 waits for its first batch");
    deliver(&sink, Delivery::Done(Ticket(tickets[0])));
    pump(&mut produce);
    assert_eq!(landed(&mut produce), [0, 0]);
    assert!(produce.is_quiet() && produce.rows_in_flight() == 0 && produce.bytes_in_flight() == 0);
}

#[test]
fn a_batch_without_rows_lands_in_its_turn() {
    let (mut produce, sink) = produce(100);
    accept(&mut produce, 0, vec![out(&[0])], None);
    accept(&mut produce, 0, vec![out(&[])], None);
    pump(&mut produce);
    assert!(landed(&mut produce).is_empty());
    deliver(&sink, Delivery::Done(Ticket(tickets(&sink)[0])));
    pump(&mut produce);
    assert_eq!(landed(&mut produce), [0, 0]);
}

#[test]
fn a_refused_row_is_known_by_its_source_row_and_holds_the_batch() {
    let (mut produce, sink) = produce(100);
    accept(&mut produce, 0, vec![out(&[1, 2])], None);
    pump(&mut produce);
    let ticket = Ticket(tickets(&sink)[0]);
    deliver(&sink, Delivery::Refused { ticket, row: 1, error: ConnectorError::new(ErrorKind::Data, "too large") });
    deliver(&sink, Delivery::Done(ticket));
    let refusals = pump(&mut produce);
    assert_eq!((refusals[0].reject.row, refusals[0].raw.records.position(2)), (2, Position(102)));
    produce.wait_for(refusals[0].partition, refusals[0].flight, Some(Ticket(4)));
    assert!(produce.take_landed(|ticket| ticket < Ticket(4)).is_empty(), "its dead letter is on its way");
    assert_eq!(produce.take_landed(|ticket| ticket <= Ticket(4)).len(), 1);
}

#[test]
fn a_discarded_partition_lands_no_more_and_late_answers_are_nothing() {
    let (mut produce, sink) = produce(1);
    accept(&mut produce, 0, vec![out(&[0, 1])], None);
    accept(&mut produce, 1, vec![out(&[0])], None);
    pump(&mut produce);
    assert!(produce.has(PartitionId(0)));
    produce.discard(PartitionId(0));
    assert!(!produce.has(PartitionId(0)) && produce.has(PartitionId(1)));
    sink.0.lock().unwrap().room = 100;
    pump(&mut produce);
    let mut sent = tickets(&sink);
    sent.dedup();
    sent.iter().for_each(|ticket| deliver(&sink, Delivery::Done(Ticket(*ticket))));
    pump(&mut produce);
    assert_eq!(landed(&mut produce), [1]);
}

/// A batch of this many rows, all of them sent, and of this many bytes.
fn accept_large(produce: &mut Produce, rows: usize, bytes: usize) {
    let mut raw = fixture::values(&["a"]);
    raw.bytes = bytes;
    produce.accept(Rc::new(raw), vec![out(&vec![0; rows])], None);
}

#[test]
fn rows_and_bytes_under_way_are_bounded() {
    for (rows, bytes, batches) in [(ROWS_IN_FLIGHT_MAX / 10, 1, 10), (1, PRODUCE_BYTES_MAX / 8, 8)] {
        let (mut produce, sink) = produce(usize::MAX);
        for batch in 0..batches {
            assert!(produce.has_room(), "before batch {batch} of {batches}");
            accept_large(&mut produce, rows, bytes);
            assert!(!produce.has_room(), "what is not sent comes first");
            pump(&mut produce);
        }
        assert_eq!((produce.has_room(), produce.rows_in_flight(), produce.bytes_in_flight()), (false, rows * batches, bytes * batches));
        deliver(&sink, Delivery::Done(Ticket(tickets(&sink)[0])));
        pump(&mut produce);
        assert_eq!(landed(&mut produce), [0]);
        assert_eq!(
            (produce.has_room(), produce.rows_in_flight(), produce.bytes_in_flight()),
            (true, rows * (batches - 1), bytes * (batches - 1))
        );
    }
}
