use super::*;
use crate::handshake::MAX_LATENCY;
use crate::pair::plain_header;

const TRACK: TrackId = TrackId(0);

fn store(lens: &[usize]) -> Store {
    let header = plain_header();
    let mut store = Store::default();
    for (i, len) in lens.iter().enumerate() {
        let at = Instant::from_millis(100 * i as u64);
        store.push(at, TRACK, header, Bytes::from(vec![0; *len]), at);
    }
    store
}

fn chunk(unit: u64, range: Range<u32>) -> Chunk {
    Chunk { track: TRACK, unit, range }
}

#[test]
fn bytes_can_be_taken_out_of_the_middle_and_none_is_forgotten() {
    let mut store = store(&[1_000]);
    store.take_first(0, &(300..500));
    store.take_first(1, &(500..600));
    store.take_first(0, &(0..100));
    let left: Vec<_> = store.waiting_first().iter().map(|chunk| chunk.range.clone()).collect();
    assert_eq!(left, [100..300, 600..1_000]);
    assert_eq!(store.backlog(), 600);
    store.take_first(0, &(100..300));
    store.take_first(0, &(600..1_000));
    assert!(store.is_idle());
}

#[test]
fn what_arrived_or_waits_already_is_not_queued_again() {
    let mut store = store(&[1_000, 1_000]);
    store.on_acknowledged(&chunk(0, 200..400));
    store.send_again(Again::Rescue, None, &chunk(0, 0..500));
    store.send_again(Again::Repair, None, &chunk(0, 100..600));
    let waiting: Vec<_> = store.waiting_again().iter().map(|w| (w.why, w.chunk.range.clone())).collect();
    assert_eq!(waiting, [(Again::Repair, 500..600), (Again::Rescue, 0..200), (Again::Rescue, 400..500)]);
    store.on_acknowledged(&chunk(0, 0..1_000));
    assert!(store.waiting_again().is_empty());
    assert_eq!(store.acknowledged, 1);
}

#[test]
fn a_copy_that_arrived_before_its_turn_blocks_nobody() {
    let mut store = store(&[500, 700]);
    store.on_acknowledged(&chunk(0, 0..500));
    let left: Vec<_> = store.waiting_first().iter().map(|chunk| chunk.unit).collect();
    assert_eq!((left, store.backlog(), store.acknowledged), (vec![1], 700, 1));
}

#[test]
fn a_horizon_is_understood_around_the_wrap_of_numbers() {
    let mut store = Store::default();
    store.tracks.insert(TRACK, Units::starting_at((1 << 32) - 2));
    let header = plain_header();
    for ms in 0..4 {
        let at = Instant::from_millis(ms);
        store.push(at, TRACK, header, Bytes::from_static(b"x"), at);
    }
    store.on_horizon(TRACK, u32::MAX);
    assert_eq!(store.expired, 1);
    store.on_horizon(TRACK, 1);
    assert_eq!((store.expired, store.len()), (3, 1));
}

#[test]
fn a_source_that_nobody_empties_does_not_grow_without_end() {
    let mut store = Store::default();
    let megabyte = Bytes::from(vec![0; 1 << 20]);
    for ms in 0..200 {
        let at = Instant::from_millis(ms);
        store.push(at, TRACK, plain_header(), megabyte.clone(), at);
    }
    assert!(store.bytes <= MAX_BYTES);
    assert_eq!(store.len() as u64 + store.expired, 200);
    assert_eq!(store.backlog() as usize, store.bytes);
}

#[test]
fn what_is_late_for_the_live_output_waits_for_the_longer_one_behind_all_else() {
    let mut store = store(&[100, 100, 100]);
    store.set_longer(Duration::from_millis(1_000));
    store.take_first(0, &(0..60));
    store.send_again(Again::Repair, None, &chunk(0, 0..20));
    store.expire(Instant::from_millis(150));
    assert!(store.waiting_again().is_empty());
    assert_eq!((store.backlog(), store.expired, store.missed_live, store.len()), (100, 0, 2, 3));
    // What comes to be known as lost later is late too, and what arrives meanwhile is not sent.
    store.send_again(Again::Repair, None, &chunk(0, 30..40));
    store.on_acknowledged(&chunk(0, 80..90));
    let mut sent = vec![];
    while let Some(chunk) = store.next_late() {
        store.take_late(chunk.range.end);
        sent.push((chunk.unit, chunk.range));
    }
    assert_eq!(sent, [(0, 0..20), (0, 60..80), (0, 90..100), (0, 30..40), (1, 0..100)]);
    store.expire(Instant::from_millis(1_001));
    assert_eq!((store.expired, store.missed_live, store.len()), (1, 3, 2));
}

#[test]
fn nothing_is_kept_for_longer_than_the_longest_latency_whatever_is_said_meanwhile() {
    let mut store = Store::default();
    let deadline = Instant::ZERO + MAX_LATENCY;
    store.push(Instant::ZERO, TRACK, plain_header(), Bytes::from_static(b"x"), deadline);
    store.set_longer(MAX_LATENCY);
    store.expire(deadline);
    assert_eq!((store.len(), store.missed_live), (1, 0));
    store.expire(deadline + Duration::from_millis(1));
    assert_eq!((store.len(), store.missed_live, store.expired), (0, 1, 1));
}

#[test]
fn a_unit_past_its_time_leaves_all_queues() {
    let mut store = store(&[100, 100]);
    store.take_first(0, &(0..100));
    store.send_again(Again::Repair, None, &chunk(0, 0..50));
    store.expire(Instant::from_millis(50));
    assert!(store.waiting_again().is_empty());
    assert_eq!((store.expired, store.backlog()), (1, 100));
    store.expire(Instant::from_millis(500));
    assert_eq!((store.expired, store.backlog()), (2, 0));
}
