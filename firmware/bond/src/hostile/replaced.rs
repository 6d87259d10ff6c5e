//! Sessions that end, are forgotten, or are made to look so.

use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::Writer;
use bondbox_wire::envelope::{Envelope, encode_reset};

use super::{identities, sender};
use crate::gateway::{CloseReason, GatewayEvent};
use crate::pair::{Pair, home, link_at, one_way};

/// What was said of sessions: opened, opened to go on, closed.
fn story(pair: &Pair) -> Vec<&'static str> {
    let word = |(_, event): &(Instant, GatewayEvent)| match event {
        GatewayEvent::SessionOpened { continues: true, .. } => Some("goes on"),
        GatewayEvent::SessionOpened { .. } => Some("opened"),
        GatewayEvent::SessionClosed { reason: CloseReason::Replaced, .. } => Some("replaced"),
        GatewayEvent::SessionClosed { reason: CloseReason::Silent, .. } => Some("silent"),
        GatewayEvent::SessionClosed { .. } => Some("closed"),
        _ => None,
    };
    pair.events.iter().filter_map(word).collect()
}

#[test]
fn a_forged_reset_costs_a_handshake_and_no_media() {
    let mut pair = Pair::open();
    let seen = std::rc::Rc::new(std::cell::Cell::new(0));
    let sees = seen.clone();
    pair.up = Box::new(move |_, link, datagram| {
        if let Ok(Envelope::Data { index, .. }) = Envelope::decode(datagram) {
            sees.set(index);
        }
        vec![(one_way(link), home(link))]
    });
    pair.run(100);
    let mut forged = [0; 8];
    let mut writer = Writer::new(&mut forged);
    encode_reset(seen.get(), &mut writer).unwrap();
    let len = writer.len();
    pair.sender.handle_datagram(pair.now, LinkId(0), &mut forged[..len]);
    pair.run(3_000);
    assert_eq!(story(&pair), ["opened", "replaced", "goes on"]);
    assert_eq!(pair.sender.status(pair.now).sessions, 2);
    pair.nothing_is_missing();
    assert!(pair.out.iter().all(|(_, _, gap)| !gap), "nor is anything marked as missing");
    // What the unit sent in the old session while the new one opened was taken, too.
    assert_eq!(pair.gateway.rejected().unknown_index, 0);
}

/// Bends a pair so that nothing arrives between `from_ms` and `to_ms`.
fn dark(pair: &mut Pair, from_ms: u64, to_ms: u64) {
    let lit = move |now: Instant| !(Instant::from_millis(from_ms)..Instant::from_millis(to_ms)).contains(&now);
    pair.up = Box::new(move |now, link, _| if lit(now) { vec![(one_way(link), home(link))] } else { vec![] });
    pair.down = Box::new(move |now, to, _| {
        link_at(to).filter(|_| lit(now)).map(|link| (one_way(link), link)).into_iter().collect()
    });
}

#[test]
fn a_session_survives_58_seconds_of_darkness_and_goes_on_where_the_stream_is() {
    let mut pair = Pair::open();
    dark(&mut pair, 2_000, 60_000);
    pair.run(57_900);
    let before = pair.out.len();
    assert_eq!(story(&pair), ["opened"]);
    pair.run(4_000);
    assert!(!story(&pair).contains(&"silent"), "{:?}", story(&pair));
    let back = &pair.out[before..];
    assert!(back[0].2, "what came before is missing, and is marked so");
    let last_gap = back.iter().rposition(|(_, _, gap)| *gap).expect("the first");
    assert!(back[last_gap].0 <= Instant::from_millis(61_500), "whole again at {}", back[last_gap].0);
    assert!(back[last_gap..].windows(2).all(|pair| pair[0].1 + 1 == pair[1].1));
    assert!(back.len() > 300, "{}", back.len());
}

#[test]
fn a_session_that_is_dark_for_longer_ends_and_the_next_one_begins_anew() {
    let mut pair = Pair::open();
    dark(&mut pair, 2_000, 65_000);
    pair.run(66_000);
    assert_eq!(story(&pair), ["opened", "silent", "opened"]);
}

#[test]
fn a_unit_that_is_started_anew_follows_what_it_said_before_and_is_marked() {
    let mut pair = Pair::open();
    let last = pair.pushed - 1;
    let died = pair.now;
    // The same key and stream, and a count of units and a clock map of its own.
    pair.sender = sender(pair.now, &identities()[1], 7);
    pair.run(3_000);
    assert_eq!(story(&pair), ["opened", "replaced", "opened"]);
    let first = pair.out.iter().position(|(_, number, _)| *number > last).expect("it goes on");
    let numbers: Vec<_> = pair.out.iter().map(|(_, number, _)| *number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "in order, and none twice");
    // 30 ms before it died all had arrived, or were on their way.
    let said = numbers[..first].last().expect("before");
    assert!(last - said <= 1, "{said} of {last}");
    let gaps: Vec<_> = pair.out.iter().filter(|(_, _, gap)| *gap).map(|(_, number, _)| *number).collect();
    assert_eq!(gaps, [numbers[first]]);
    let opened = pair.events.last().expect("opened").0;
    assert!(opened - died <= Duration::from_millis(260), "not before the old one was heard out: {opened}");
}

#[test]
fn a_unit_that_is_started_anew_three_times_within_its_latency_ends_with_one_session() {
    let mut pair = Pair::open();
    for seed in 7..10 {
        pair.sender = sender(pair.now, &identities()[1], seed);
        pair.run(120);
    }
    pair.run(2_000);
    assert_eq!(pair.gateway.status(pair.now).len(), 1);
    let story = story(&pair);
    let count = |what| story.iter().filter(|word| **word == what).count();
    assert_eq!(count("opened"), count("replaced") + 1, "{story:?}");
    let numbers: Vec<_> = pair.out.iter().map(|(_, number, _)| *number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert!(pair.out.len() + 200 > pair.pushed as usize);
}
