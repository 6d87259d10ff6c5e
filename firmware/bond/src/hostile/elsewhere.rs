//! Packets of a unit that come from elsewhere: a NAT has moved it, or someone copies what it sends.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bondbox_units::{Instant, LinkId};

use super::{HONEST, HOSTILE, route};
use crate::gateway::Route;
use crate::pair::{Pair, home, link_at, one_way};

/// Where the copier sends from.
fn copier() -> Route {
    route(HOSTILE, 9)
}

/// Where link 0 is after `moves` of its NAT.
fn moved(moves: u16) -> Route {
    route(HONEST, 10 * moves)
}

/// Bends a pair so that link 0 is seen at `moves()` and reached there only.
fn rebind(pair: &mut Pair, moves: impl Fn(Instant) -> u16 + Clone + 'static) {
    let at = moves.clone();
    pair.up = Box::new(move |now, link, _| {
        let from = if link == LinkId(0) { moved(at(now)) } else { home(link) };
        vec![(one_way(link), from)]
    });
    pair.down = Box::new(move |now, to, _| {
        let link = link_at(to).filter(|link| *link != LinkId(0) || to == moved(moves(now)));
        link.map(|link| (one_way(link), link)).into_iter().collect()
    });
}

#[test]
fn a_nat_that_moves_a_link_costs_nothing() {
    let mut pair = Pair::open();
    rebind(&mut pair, |now| if now < Instant::from_millis(3_000) { 0 } else { 1 });
    pair.run(3_000);
    pair.nothing_is_missing();
    assert!(pair.out.iter().all(|(_, _, gap)| !gap));
    assert_eq!(pair.sender.status(pair.now).sessions, 1);
    assert!(pair.sender.status(pair.now).links.iter().all(|link| link.packets_lost == 0));
}

#[test]
fn a_nat_that_moves_a_link_ten_times_a_second_costs_nothing() {
    let mut pair = Pair::open();
    rebind(&mut pair, |now| (now.as_micros() / 100_000 % 1_000) as u16);
    pair.run(5_000);
    pair.nothing_is_missing();
    assert_eq!(pair.sender.status(pair.now).sessions, 1);
}

#[test]
fn a_link_that_is_seen_at_two_addresses_by_turns_loses_nothing() {
    let mut pair = Pair::open();
    // Packets leave by either of two addresses of a carrier's NAT, and both reach the unit.
    let turn = Cell::new(0_u16);
    pair.up = Box::new(move |_, link, _| {
        turn.set(turn.get() ^ 1);
        vec![(one_way(link), if link == LinkId(0) { moved(turn.get()) } else { home(link) })]
    });
    pair.run(5_000);
    pair.nothing_is_missing();
    assert!(pair.sender.status(pair.now).links.iter().all(|link| link.packets_lost == 0));
}

/// What a copier was told, by when.
type Heard = Rc<RefCell<Vec<(Instant, usize)>>>;

/// Bends a pair so that all that link 0 sends from `from_ms` on comes from elsewhere first.
fn copy(pair: &mut Pair, from_ms: u64, relays: bool) -> Heard {
    let heard = Heard::default();
    let note = heard.clone();
    let since = Instant::from_millis(from_ms);
    pair.up = Box::new(move |now, link, _| {
        let mut arrivals = vec![(one_way(link), home(link))];
        if link == LinkId(0) && now >= since {
            arrivals.insert(0, (Duration::from_millis(5), copier()));
        }
        arrivals
    });
    pair.down = Box::new(move |now, to, datagram| {
        if to == copier() {
            note.borrow_mut().push((now, datagram.len()));
            return if relays { vec![(Duration::from_millis(5), LinkId(0))] } else { vec![] };
        }
        link_at(to).map(|link| (one_way(link), link)).into_iter().collect()
    });
    heard
}

#[test]
fn a_copier_that_overtakes_every_packet_does_not_capture_the_path() {
    for relays in [false, true] {
        let mut pair = Pair::open();
        let heard = copy(&mut pair, 3_000, relays);
        pair.run(1_500);
        // Those on their way when the copies began to overtake were taken for lost.
        let before = pair.sender.status(pair.now).links[0].packets_lost;
        pair.run(4_500);
        pair.nothing_is_missing();
        // Home answers within a round trip, each time that the copier is listened to again.
        let heard = heard.borrow();
        let first = heard.first().expect("it was answered at first").0;
        let early = heard.iter().filter(|(at, _)| *at - first <= Duration::from_millis(100)).count();
        assert_eq!(early, heard.len(), "relays: {relays}, {} datagrams", heard.len());
        assert_eq!(pair.sender.status(pair.now).sessions, 1);
        let lost = pair.sender.status(pair.now).links[0].packets_lost - before;
        assert_eq!(lost, 0, "relays: {relays}");
    }
}

#[test]
fn a_copier_that_overtakes_the_join_does_not_capture_the_path() {
    for relays in [false, true] {
        let mut pair = Pair::new();
        let heard = copy(&mut pair, 0, relays);
        pair.run(4_000);
        pair.nothing_is_missing();
        let after = |at: Instant| heard.borrow().iter().filter(|(heard, _)| *heard >= at).count();
        if !relays {
            assert_eq!(after(Instant::from_millis(1_500)), 0);
        }
        let before = pair.sender.status(pair.now).links[0].packets_lost;
        // A relay was taken for the unit, whose packets came through it both ways. It stops relaying, and goes on copying.
        let relay = std::mem::replace(&mut pair.down, Box::new(|_, _, _| vec![]));
        drop(relay);
        pair.down = Box::new(|_, to, _| link_at(to).map(|link| (one_way(link), link)).into_iter().collect());
        pair.run(14_000);
        pair.nothing_is_missing();
        assert_eq!(pair.sender.status(pair.now).sessions, 1);
        let lost = pair.sender.status(pair.now).links[0].packets_lost - before;
        assert_eq!(lost, 0, "relays: {relays}");
    }
}

#[test]
fn an_address_that_proves_nothing_gets_at_most_thrice_what_came_from_it() {
    let mut pair = Pair::open();
    let came = Rc::new(RefCell::new(HashMap::<Route, usize>::new()));
    let sent = Rc::new(RefCell::new(HashMap::<Route, usize>::new()));
    let (count_came, count_sent) = (came.clone(), sent.clone());
    let next = Cell::new(0_u16);
    // Each packet is copied from an address of its own: those who have it never asked for anything.
    pair.up = Box::new(move |_, link, datagram| {
        next.set(next.get().wrapping_add(1));
        let victim = route(HOSTILE, next.get());
        *count_came.borrow_mut().entry(victim).or_default() += datagram.len();
        vec![(Duration::from_millis(5), victim), (one_way(link), home(link))]
    });
    pair.down = Box::new(move |_, to, datagram| {
        *count_sent.borrow_mut().entry(to).or_default() += datagram.len();
        link_at(to).map(|link| (one_way(link), link)).into_iter().collect()
    });
    pair.run(3_000);
    pair.nothing_is_missing();
    let (came, sent) = (came.borrow(), sent.borrow());
    let victims = sent.iter().filter(|(to, _)| link_at(**to).is_none());
    for (victim, bytes) in victims {
        assert!(*bytes <= 3 * came[victim], "{bytes} bytes to {victim:?} for {}", came[victim]);
    }
}
