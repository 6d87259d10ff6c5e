//! A paired unit that floods the gateway with coded symbols, each about as much and as hard to solve as it may be.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::envelope::Address;
use bondbox_wire::frame::{MAX_SOURCES, Repair, Run};
use bondbox_wire::{MAX_DATAGRAM, Writer};

use super::unit_side::{Rogue, open_path};
use super::{HOSTILE, gateway, route};
use crate::coding::{CodingCounters, MULTIPLICATIONS};

/// Datagrams of a flood: 4 s of 20 Mbit/s.
const FLOOD: u64 = 8_000;

/// Sends datagrams of one symbol each over the packets that `run` gives for its number, and tells how many packets were
/// multiplied, and how many symbols were of use.
fn flood(run: impl Fn(u64) -> [Run; 2]) -> (u64, CodingCounters) {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut rogue = Rogue::new(now, &mut gateway);
    let index = open_path(now, &mut gateway, &mut rogue, 1);
    let before = MULTIPLICATIONS.get();
    let (mut buffer, mut answers) = ([0; MAX_DATAGRAM - 25], [0; MAX_DATAGRAM]);
    for i in 0..FLOOD {
        now += Duration::from_micros(500);
        let mut writer = Writer::new(&mut buffer);
        let sum: Vec<u8> = (0..1_200_u64).map(|at| (i * 31 + at * 7) as u8).collect();
        Repair::encode(i as u32, &run(i), &sum, &mut writer).unwrap();
        let mut datagram = rogue.seal(now, 1, Address::Path(index), writer.written());
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram);
        gateway.handle_timeout(now);
        while gateway.poll_transmit(now, &mut answers).is_some() {}
        assert!(gateway.held_for_coding() <= 2 << 20, "{} bytes held", gateway.held_for_coding());
    }
    let counters = gateway.status(now)[0].coding;
    assert_eq!(counters.symbols, FLOOD, "the flood did not reach the coder");
    (MULTIPLICATIONS.get() - before, counters)
}

/// Worked on, and no longer than packets earn.
fn assert_earned((multiplications, counters): (u64, CodingCounters)) {
    assert!(multiplications >= FLOOD, "{multiplications} for {counters:?}");
    assert!(multiplications <= 48 * FLOOD, "{multiplications} for {counters:?}");
}

#[test]
fn symbols_over_what_came_cost_no_multiplication() {
    let came = |i: u64| {
        [
            Run { path: 1, first: i.saturating_sub(64), packets: 32 },
            Run { path: 1, first: i.saturating_sub(30), packets: 8 },
        ]
    };
    let (multiplications, counters) = flood(came);
    assert_eq!(multiplications, 0);
    assert!(counters.idle > FLOOD * 9 / 10, "{counters:?}");
}

#[test]
fn symbols_over_what_never_comes_are_worked_on_no_longer_than_they_earn() {
    let never = |i: u64| {
        [Run { path: 7, first: 1_000 + i % 7, packets: 30 }, Run { path: 8, first: 1_000 + i % 5, packets: 18 }]
    };
    assert_earned(flood(never));
}

#[test]
fn symbols_over_ever_new_packets_and_over_what_came_are_worked_on_no_longer_than_they_earn() {
    let new = |i: u64| {
        let half = MAX_SOURCES as u16 / 2;
        [Run { path: 7, first: i * 60, packets: half }, Run { path: 1, first: i.saturating_sub(70), packets: half }]
    };
    assert_earned(flood(new));
}

#[test]
fn symbols_over_what_is_about_to_come_are_worked_on_no_longer_than_they_earn() {
    let soon = |i: u64| [Run { path: 1, first: i + 2, packets: 60 }, Run { path: 9, first: i / 50, packets: 4 }];
    assert_earned(flood(soon));
}
