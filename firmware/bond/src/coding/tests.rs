//! Both ends of the coder against each other, and the receiving one against a hostile peer.

use std::collections::BTreeMap;

use bondbox_units::{Instant, LinkId, Priority};
use bondbox_wire::frame::{Frame, Frames, MAX_SOURCES, Repair, Run};
use bondbox_wire::{MAX_DATAGRAM, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Channel, CodingReceiver, CodingSender, Plan, Source, Window};

fn ms(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// A plan that owes one symbol with each packet, so that tests decide when to take it.
fn plan() -> Plan {
    Plan::new(Window { packets: MAX_SOURCES, unit: 1.0 }, Channel { loss: 0.5, burst: 20.0 }, 1.0)
}

fn plain(path: u32, pn: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (u64::from(path) * 91 + pn * 37 + i * (pn + 3) + 1) as u8).collect()
}

/// A sender with these packets in its window: path and length each, numbered by path.
fn sender(packets: &[(u32, usize)]) -> (CodingSender, Vec<(u32, u64, Vec<u8>)>) {
    let mut sender = CodingSender::default();
    let (mut next, mut sent) = (BTreeMap::new(), vec![]);
    for (path, len) in packets {
        let pn = next.entry(*path).or_insert(1_000_u64);
        let plain = plain(*path, *pn, *len);
        let source = Source {
            link: LinkId(*path as u8),
            path: *path,
            pn: *pn,
            priority: Priority::Critical,
            deadline: ms(10_000),
            plain: &plain,
        };
        sender.on_sent(&plan(), source);
        sent.push((*path, *pn, plain));
        *pn += 1;
    }
    (sender, sent)
}

fn symbol(sender: &mut CodingSender) -> Vec<u8> {
    let mut buffer = [0; 2_000];
    let mut writer = Writer::new(&mut buffer);
    assert!(sender.write_repair(&mut writer));
    writer.written().to_vec()
}

fn feed(receiver: &mut CodingReceiver, frame: &[u8]) {
    match Frames::new(frame).next() {
        Some(Ok(Frame::Repair(repair))) => receiver.on_repair(ms(100), &repair),
        other => panic!("no symbol: {other:?}"),
    }
}

/// A receiver that has heard of coding, and of each path.
fn receiver(paths: std::ops::Range<u32>) -> CodingReceiver {
    let mut receiver = CodingReceiver::default();
    let (mut other, sent) = sender(&[(99, 40)]);
    feed(&mut receiver, &symbol(&mut other));
    receiver.on_source(ms(100), 99, sent[0].1, &sent[0].2);
    while receiver.poll().is_some() {}
    for path in paths {
        receiver.on_source(ms(100), path, 0, b"first");
    }
    (0..200).for_each(|pn| receiver.on_source(ms(100), 98, pn, b"earns credit"));
    receiver
}

fn out(receiver: &mut CodingReceiver) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| receiver.poll()).collect()
}

#[test]
fn one_symbol_brings_back_any_one_packet() {
    let packets = [(1, 1_400), (2, 30), (1, 700), (3, 1_399), (2, 1)];
    for lost in 0..packets.len() {
        let (mut sender, sent) = sender(&packets);
        let mut receiver = receiver(1..4);
        for (i, (path, pn, plain)) in sent.iter().enumerate() {
            if i != lost {
                receiver.on_source(ms(100), *path, *pn, plain);
            }
        }
        feed(&mut receiver, &symbol(&mut sender));
        assert_eq!(out(&mut receiver), [sent[lost].2.clone()]);
    }
}

#[test]
fn a_packet_that_comes_after_its_symbol_still_helps() {
    let (mut sender, sent) = sender(&[(1, 100), (1, 200), (1, 300)]);
    let mut receiver = receiver(1..2);
    feed(&mut receiver, &symbol(&mut sender));
    receiver.on_source(ms(100), 1, sent[2].1, &sent[2].2);
    assert!(out(&mut receiver).is_empty());
    receiver.on_source(ms(100), 1, sent[0].1, &sent[0].2);
    assert_eq!(out(&mut receiver), [sent[1].2.clone()]);
    receiver.on_source(ms(100), 1, sent[1].1, &sent[1].2);
    assert!(out(&mut receiver).is_empty(), "what was worked out is known");
}

#[test]
fn nothing_is_kept_before_a_symbol_came_and_long_after_the_last() {
    let mut receiver = CodingReceiver::default();
    (0..2_000).for_each(|pn| receiver.on_source(ms(100), 1, pn, &[7; 1_400]));
    assert_eq!(receiver.held(), 0);
    let (mut sender, sent) = sender(&[(1, 100)]);
    feed(&mut receiver, &symbol(&mut sender));
    receiver.on_source(ms(200), 1, sent[0].1, &sent[0].2);
    assert!(receiver.held() > 0);
    receiver.on_source(ms(60_000), 1, 9_000, &[7; 1_400]);
    assert_eq!(receiver.held(), 0);
}

#[test]
fn symbols_that_all_arrived_without_them_cost_no_multiplication() {
    let (mut sender, sent) = sender(&[(1, 1_000); 40]);
    let mut receiver = receiver(1..2);
    sent.iter().for_each(|(path, pn, plain)| receiver.on_source(ms(100), *path, *pn, plain));
    (0..4).for_each(|_| feed(&mut receiver, &symbol(&mut sender)));
    assert_eq!((receiver.counters.idle, receiver.counters.recovered), (4, 0));
}

#[test]
fn packets_past_their_time_are_in_no_symbol() {
    let (mut sender, _) = sender(&[(1, 100), (2, 100)]);
    assert!(sender.wants_repair(ms(9_999)));
    assert!(!sender.wants_repair(ms(10_001)));
}

#[test]
fn a_window_of_many_holes_names_the_newest() {
    let mut sender = CodingSender::default();
    let plain = [1; 50];
    for pn in 0..100_u64 {
        let source = Source {
            link: LinkId(1),
            path: 1,
            pn: pn * 2,
            priority: Priority::Standard,
            deadline: ms(10_000),
            plain: &plain,
        };
        sender.on_sent(&plan(), source);
    }
    let frame = symbol(&mut sender);
    let Some(Ok(Frame::Repair(repair))) = Frames::new(&frame).next() else { panic!("no symbol") };
    let named: Vec<_> = repair.sources().map(|(_, pn)| pn).collect();
    assert_eq!(named.len(), 32);
    assert!(named.contains(&198) && named.iter().all(|pn| *pn >= 198 - 62), "{named:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// As many symbols as losses, and two to spare, bring all back, whatever is lost and in which order all comes; and
    /// nothing comes out that was not sent and lost.
    #[test]
    fn losses_come_back_with_two_symbols_to_spare(
        packets in vec((1..4_u32, 1..1_400_usize), 2..60),
        draws in vec(any::<u32>(), 60),
        share in 2..10_u32,
    ) {
        let (mut sender, sent) = sender(&packets);
        let mut receiver = receiver(1..4);
        let is_lost = |i: usize| draws[i] % share == 0;
        let lost: Vec<_> = (0..sent.len()).filter(|i| is_lost(*i)).collect();
        let symbols: Vec<_> = (0..lost.len() + 2).map(|_| symbol(&mut sender)).collect();
        // Sources in their order, symbols anywhere between them.
        let mut next = symbols.iter();
        let mut recovered = vec![];
        for (i, (path, pn, plain)) in sent.iter().enumerate() {
            if draws[i] % 7 == 1 {
                next.next().into_iter().for_each(|frame| feed(&mut receiver, frame));
            }
            if !lost.contains(&i) {
                receiver.on_source(ms(100), *path, *pn, plain);
            }
            recovered.extend(out(&mut receiver));
        }
        next.for_each(|frame| feed(&mut receiver, frame));
        recovered.extend(out(&mut receiver));
        for plain in &recovered {
            prop_assert!(sent.iter().any(|(_, _, sent)| sent == plain), "something that was never sent");
        }
        // What arrives after it was worked out is in both.
        let missing = lost.iter().filter(|i| !recovered.contains(&sent[**i].2)).count();
        prop_assert_eq!(missing, 0, "of {} lost among {}", lost.len(), sent.len());
    }

    /// With fewer symbols than losses in the window nothing wrong comes out either.
    #[test]
    fn too_few_symbols_invent_nothing(
        packets in vec((1..4_u32, 1..1_400_usize), 10..60),
        lost in 2..10_usize,
        symbols in 0..9_usize,
    ) {
        let (mut sender, sent) = sender(&packets);
        let mut receiver = receiver(1..4);
        sent.iter().skip(lost).for_each(|(path, pn, plain)| receiver.on_source(ms(100), *path, *pn, plain));
        (0..symbols.min(lost - 1)).for_each(|_| feed(&mut receiver, &symbol(&mut sender)));
        prop_assert!(out(&mut receiver).is_empty());
    }

    /// Symbols about anything with bytes of anything: bounded memory, bounded work, no panic.
    #[test]
    fn a_hostile_peer_gets_no_more_than_its_share(
        inputs in vec((any::<bool>(), 0..4_u32, 0..400_u64, 1..60_u16, 0..1_400_usize, any::<u32>()), 1..400),
    ) {
        let mut receiver = CodingReceiver::default();
        let mut buffer = [0; 2_000];
        let mut packets = 0;
        for (is_source, path, pn, count, len, id) in inputs {
            if is_source {
                receiver.on_source(ms(100), path, pn, &plain(path, pn, len.min(MAX_DATAGRAM)));
                packets += 1;
            } else {
                let mut writer = Writer::new(&mut buffer);
                let runs = [Run { path, first: pn, packets: count }, Run { path: path ^ 1, first: pn / 2, packets: 7 }];
                if Repair::encode(id, &runs, &plain(path, pn, len + 3), &mut writer).is_ok() {
                    let frame = writer.written().to_vec();
                    if let Some(Ok(Frame::Repair(repair))) = Frames::new(&frame).next() {
                        receiver.on_repair(ms(100), &repair);
                    }
                }
            }
            prop_assert!(receiver.held() <= 2 << 20);
            prop_assert!(receiver.credit() <= 48 * packets);
            while let Some(buffer) = receiver.poll() {
                receiver.recycle(buffer);
            }
        }
    }
}
