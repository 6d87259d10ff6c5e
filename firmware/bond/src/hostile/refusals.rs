//! What a unit is told that is not let in, by whom, and what nobody can make it believe.

use std::sync::Arc;
use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::handshake::VERSION;

use super::{HOSTILE, config, gateway, identities, route, sender_of};
use crate::Identity;
use crate::handshake::{HandshakeRefused, open_refusal, seal_refusal, shaken};
use crate::pair::{Pair, home, link_at, one_way};
use crate::sender::{NoSession, SenderConfig, SenderEvent, Trust};

/// A unit that was never paired with the gateway whose key it has.
fn unknown() -> Pair {
    let (now, unit) = (Instant::from_millis(1), Arc::new(Identity::generate()));
    let gateway = Trust::Pinned(identities()[2].public());
    Pair::of(now, sender_of(now, SenderConfig { gateway, ..config(&unit) }, 2))
}

/// Why there was no session, each time.
fn reasons(pair: &Pair) -> Vec<NoSession> {
    let failed = pair.told.iter().filter_map(|event| match event {
        SenderEvent::HandshakeFailed(why) => Some(why.clone()),
        _ => None,
    });
    failed.collect()
}

#[test]
fn a_unit_that_the_gateway_does_not_know_is_told_by_the_gateway_each_time_it_tries() {
    let mut pair = unknown();
    pair.run(3_000);
    assert_eq!(reasons(&pair), [NoSession::UnknownUnit, NoSession::UnknownUnit, NoSession::UnknownUnit]);
    assert_eq!((pair.gateway.rejected().unknown_unit, pair.sender.rejected().refused), (3, 3));
    assert_eq!(pair.sender.status(pair.now).sessions, 0);
}

#[test]
fn it_is_told_whatever_is_lost() {
    for pattern in 0..12_u64 {
        let mut pair = unknown();
        let (mut up, mut down) = (pattern, pattern * 5);
        let is_lost = move |count: &mut u64| {
            *count += 1;
            (*count * 7 + pattern * 3) % 5 < 2
        };
        pair.up = Box::new(move |_, link, _| if is_lost(&mut up) { vec![] } else { vec![(one_way(link), home(link))] });
        pair.down = Box::new(move |_, route, _| {
            link_at(route).filter(|_| !is_lost(&mut down)).map(|link| (one_way(link), link)).into_iter().collect()
        });
        pair.run(20_000);
        assert!(reasons(&pair).contains(&NoSession::UnknownUnit), "pattern {pattern}: {:?}", reasons(&pair));
    }
}

#[test]
fn a_unit_that_is_revoked_on_the_air_is_told_within_three_seconds() {
    let mut pair = Pair::open();
    pair.gateway.set_units(vec![]);
    pair.run(3_000);
    assert_eq!(reasons(&pair).first(), Some(&NoSession::UnknownUnit));
    // Let in again, it is on the air again.
    pair.gateway.set_units(vec![identities()[1].public()]);
    pair.run(2_000);
    assert_eq!(pair.sender.status(pair.now).sessions, 2);
}

#[test]
fn without_a_word_of_the_gateways_it_is_said_how_far_it_came() {
    // Nothing comes back; nothing comes back once the gateway has proven itself.
    for (silent_after, why) in [(0, NoSession::NoAnswer), (50, NoSession::NotLetIn)] {
        let mut pair = unknown();
        let until = pair.now + Duration::from_millis(silent_after);
        pair.down = Box::new(move |now, route, _| {
            link_at(route).filter(|_| now < until).map(|link| (one_way(link), link)).into_iter().collect()
        });
        pair.run(3_200);
        assert_eq!(reasons(&pair), [why], "after {silent_after} ms");
    }
}

#[test]
fn another_version_is_said_where_nothing_else_is_heard() {
    let mut pair = unknown();
    pair.down = Box::new(|_, _, _| vec![]);
    pair.run(100);
    pair.sender.handle_datagram(pair.now, LinkId(0), &mut [0x60, 9]);
    pair.run(3_100);
    assert_eq!(reasons(&pair), [NoSession::OtherVersion(9)]);
    // The next attempt hears of nobody.
    pair.run(3_000);
    assert_eq!(reasons(&pair), [NoSession::OtherVersion(9), NoSession::NoAnswer]);
    // Whoever says it beside the gateway stops nobody.
    let mut pair = Pair::new();
    for _ in 0..20 {
        pair.sender.handle_datagram(pair.now, LinkId(0), &mut [0x60, 9]);
        pair.run(10);
    }
    assert_eq!((reasons(&pair), pair.sender.status(pair.now).sessions), (vec![], 1));
}

#[test]
fn a_handshake_of_another_version_is_answered_with_two_bytes_and_never_with_more() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut buffer = [0; MAX_DATAGRAM];
    let mut answers = 0;
    for millis in 0..2_000_u64 {
        let now = now + Duration::from_millis(millis);
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut [0x60, VERSION + 1, 7]);
        while let Some((_, len)) = gateway.poll_transmit(now, &mut buffer) {
            assert_eq!(buffer[..len], [0x60, VERSION]);
            answers += 1;
        }
    }
    assert_eq!(answers, 200, "a hundred a second");
    // Another gateway's answer is not answered.
    let later = now + Duration::from_secs(10);
    gateway.handle_datagram(later, route(HOSTILE, 0), &mut [0x60, VERSION + 1]);
    assert!(gateway.poll_transmit(later, &mut buffer).is_none());
}

#[test]
fn a_refusal_is_read_with_the_keys_of_its_own_handshake_and_no_others() {
    let ((mut unit, mut gateway), (mut other_unit, _)) = (shaken(), shaken());
    let message = seal_refusal(&mut gateway, HandshakeRefused::UnknownUnit).unwrap();
    assert_eq!(open_refusal(&mut other_unit, Instant::ZERO, &message), None);
    for i in 0..message.len() {
        let mut changed = message;
        changed[i] ^= 1;
        assert_eq!(open_refusal(&mut unit, Instant::ZERO, &changed), None, "byte {i}");
    }
    assert_eq!(open_refusal(&mut unit, Instant::ZERO, &message[..20]), None);
    assert_eq!(open_refusal(&mut unit, Instant::ZERO, &message), Some(NoSession::UnknownUnit));
    let used = seal_refusal(&mut gateway, HandshakeRefused::UnknownCode).unwrap();
    assert_eq!(open_refusal(&mut unit, Instant::ZERO, &used), Some(NoSession::UsedCode));
    assert!(seal_refusal(&mut gateway, HandshakeRefused::Malformed).is_none());
}
