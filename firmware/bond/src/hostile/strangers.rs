//! Those without keys: garbage in handshakes, floods of them, forged and unknown indices.

use std::collections::HashMap;
use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::envelope::{Envelope, encode_reset};
use bondbox_wire::handshake::{Handshake, MAX_DATAGRAM as MAX_HANDSHAKE};
use bondbox_wire::{MAX_DATAGRAM, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{HOSTILE, Honest, cases, gateway, identities, route, sender};
use crate::Gateway;
use crate::gateway::Route;
use crate::handshake::{Expected, Step, UnitHandshake, UnitParams};

fn datagram(piece: &Handshake<'_>) -> Vec<u8> {
    let mut buffer = [0; MAX_HANDSHAKE];
    let mut writer = Writer::new(&mut buffer);
    piece.encode(&mut writer).unwrap();
    writer.written().to_vec()
}

/// The datagrams of a unit's first flight.
fn first_flight(id: [u8; 8]) -> Vec<Vec<u8>> {
    let [unit, _, gateway] = identities();
    let params = UnitParams {
        stream: "cam".into(),
        latency: Duration::from_millis(600),
        return_latency: Duration::ZERO,
        life: [1; 8],
        pairing: None,
    };
    let mut handshake = UnitHandshake::new(Instant::ZERO, id, unit, Expected::Key(gateway.public()), &params);
    let pieces = handshake.send(Instant::ZERO);
    pieces.into_iter().map(|piece| encoded(&handshake, LinkId(0), piece)).collect()
}

/// Bytes that go to each way.
fn answers(now: Instant, gateway: &mut Gateway) -> HashMap<Route, usize> {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut bytes = HashMap::new();
    while let Some((to, len)) = gateway.poll_transmit(now, &mut buffer) {
        *bytes.entry(to).or_default() += len;
    }
    bytes
}

/// Rough pieces of a handshake: the true first flight cut, damaged, overlapping, or bytes of nobody.
fn pieces() -> impl Strategy<Value = Vec<(u8, u64, u64, u64, Vec<u8>, bool)>> {
    vec((0..4_u8, 0..3_000_u64, 0..9_000_u64, 0..3_000_u64, vec(any::<u8>(), 0..200), any::<bool>()), 1..60)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn rough_handshakes_are_survived_on_both_ends_and_never_answered_with_more_than_thrice(pieces in pieces()) {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        let mut unit = sender(now, &identities()[0], 2);
        let flight = first_flight([3; 8]);
        let (mut sent, mut came) = (HashMap::new(), HashMap::new());
        for (id, offset, total, acknowledged, bytes, genuine) in pieces {
            now += Duration::from_millis(7);
            let acknowledged = if genuine { 0 } else { acknowledged };
            let piece = Handshake { id: [id; 8], cookie: &[], offset, total, acknowledged, bytes: &bytes };
            let mut rough = if genuine && id == 3 { flight[offset as usize % flight.len()].clone() } else { datagram(&piece) };
            let way = route(HOSTILE, u16::from(id));
            *came.entry(way).or_insert(0) += rough.len();
            unit.handle_datagram(now, LinkId(0), &mut rough.clone());
            gateway.handle_datagram(now, way, &mut rough);
            gateway.handle_timeout(now);
            for (to, bytes) in answers(now, &mut gateway) {
                *sent.entry(to).or_insert(0) += bytes;
                prop_assert!(sent[&to] <= 3 * came[&to], "{} bytes to {to:?} for {}", sent[&to], came[&to]);
            }
        }
        prop_assert!(gateway.status(now).is_empty());
    }
}

#[test]
fn a_first_flight_from_everywhere_is_answered_in_proportion() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let flight = first_flight([3; 8]);
    for port in 0..100 {
        for datagram in &flight {
            gateway.handle_datagram(now, route(HOSTILE, port), &mut datagram.clone());
        }
    }
    let came: usize = flight.iter().map(Vec::len).sum();
    let sent = answers(now, &mut gateway);
    assert!(sent.values().all(|bytes| *bytes <= 3 * came));
    assert!(sent.len() <= 16, "{} ways", sent.len());
}

/// The first datagram of handshakes that nobody means, each with an id of its own, by a way that changes with it or not.
fn flood(now: Instant, gateway: &mut Gateway, ids: std::ops::Range<u64>, way: impl Fn(u64) -> Route) -> usize {
    let first = first_flight([3; 8]).remove(0);
    let mut sent = 0;
    for id in ids {
        let mut hello = first.clone();
        hello[2..10].copy_from_slice(&(id << 8 | 0xff).to_be_bytes());
        gateway.handle_datagram(now, way(id), &mut hello);
        let said: usize = answers(now, gateway).values().sum();
        assert!(said <= 3 * first.len());
        sent += said;
    }
    sent
}

#[test]
fn strangers_fill_64_places_and_the_next_are_asked_for_a_cookie_and_nothing_is_kept_of_them() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    flood(now, &mut gateway, 0..64, |_| route(HOSTILE, 0));
    assert_eq!((gateway.rejected().cookie_asked, gateway.half_open()), (0, 64));
    let asked = flood(now, &mut gateway, 64..10_000, |id| route(HOSTILE, id as u16));
    assert_eq!((gateway.rejected().cookie_asked, gateway.half_open()), (10_000 - 64, 64));
    assert_eq!(asked, 46 * (10_000 - 64), "a cookie is much smaller than what it answers");
    now += Duration::from_secs(3);
    gateway.handle_timeout(now);
    assert_eq!(gateway.half_open(), 0);
    let mut honest = Honest::new(now);
    open(&mut now, &mut gateway, &mut honest);
    assert_eq!(gateway.rejected().cookie_asked, 10_000 - 64);
}

#[test]
fn a_unit_with_several_links_opens_its_session_through_a_flood_of_strangers() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut honest = Honest::new(now);
    let start = now;
    for round in 0..20 {
        now += Duration::from_millis(5);
        // From addresses of their own, or in the name of others: none can read what is answered.
        flood(now, &mut gateway, round * 100..(round + 1) * 100, |id| route(HOSTILE, id as u16));
        step(now, &mut gateway, &mut honest);
    }
    assert_eq!(honest.sender.status(now).sessions, 1, "within {:?}", now - start);
    assert!(gateway.rejected().cookie_asked > 1_000);
    assert_eq!(gateway.rejected().half_open_full, 0);
}

#[test]
fn a_cookie_of_one_link_does_not_serve_another_and_each_link_gets_its_own() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    flood(now, &mut gateway, 0..64, |_| route(HOSTILE, 0));
    let [unit, _, pinned] = identities();
    let params = UnitParams {
        stream: "cam".into(),
        latency: Duration::from_millis(600),
        return_latency: Duration::ZERO,
        life: [1; 8],
        pairing: None,
    };
    let mut handshake = UnitHandshake::new(now, [3; 8], unit, Expected::Key(pinned.public()), &params);
    let links = [LinkId(0), LinkId(1)];
    let mut said = [vec![], vec![]];
    for (link, said) in links.into_iter().zip(&mut said) {
        for piece in handshake.send(now) {
            gateway.handle_datagram(now, route(super::HONEST, link.0.into()), &mut encoded(&handshake, link, piece));
        }
        *said = datagrams(now, &mut gateway);
    }
    for (link, said) in links.into_iter().zip(&said) {
        for (_, datagram) in said {
            let Ok(Envelope::Handshake(piece)) = Envelope::decode(datagram) else { panic!("no handshake") };
            let again = handshake.handle(now, link, &piece).unwrap();
            // Both pieces of the first flight got the same cookie: the second says nothing new.
            assert!(matches!(again, Step::Again(_) | Step::Wait));
        }
    }
    // The cookie of link 0, seen from where link 1 is.
    gateway.handle_datagram(now, route(super::HONEST, 1), &mut encoded(&handshake, links[0], 0));
    assert_eq!((gateway.half_open(), gateway.rejected().cookie_asked), (64, 5));
    gateway.handle_datagram(now, route(super::HONEST, 1), &mut encoded(&handshake, links[1], 0));
    assert_eq!((gateway.half_open(), gateway.rejected().cookie_asked), (65, 5));
    // What another link brings belongs to the same handshake, whose place is taken.
    gateway.handle_datagram(now, route(super::HONEST, 0), &mut encoded(&handshake, links[0], 0));
    assert_eq!((gateway.half_open(), gateway.rejected().cookie_asked), (65, 5));
}

#[test]
fn one_address_has_sixteen_places_by_cookies_and_leaves_the_others_to_others() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    flood(now, &mut gateway, 0..64, |_| route(HOSTILE, 0));
    let first = first_flight([3; 8]).remove(0);
    for id in 100..200_u64 {
        let mut hello = first.clone();
        hello[2..10].copy_from_slice(&(id << 8).to_be_bytes());
        gateway.handle_datagram(now, route(HOSTILE, id as u16), &mut hello);
        let asked = datagrams(now, &mut gateway);
        let Ok(Envelope::Handshake(question)) = Envelope::decode(&asked[0].1) else { panic!("no handshake") };
        let Ok(Envelope::Handshake(piece)) = Envelope::decode(&hello) else { panic!("no handshake") };
        let mut again = datagram(&Handshake { cookie: question.cookie, ..piece });
        gateway.handle_datagram(now, route(HOSTILE, id as u16), &mut again);
        answers(now, &mut gateway);
    }
    assert_eq!((gateway.half_open(), gateway.rejected().half_open_full), (64 + 16, 100 - 16));
    let mut honest = Honest::new(now);
    open(&mut now, &mut gateway, &mut honest);
}

#[test]
fn a_nat_that_moves_a_unit_within_its_handshake_stops_neither_it_nor_the_count_of_what_is_answered() {
    for under_pressure in [false, true] {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        if under_pressure {
            flood(now, &mut gateway, 0..64, |_| route(HOSTILE, 0));
        }
        let mut sender = sender(now, &identities()[0], 2);
        let (mut came, mut sent) = (HashMap::new(), HashMap::new());
        let mut buffer = [0; MAX_DATAGRAM];
        for round in 0..40_u16 {
            now += Duration::from_millis(10);
            sender.handle_timeout(now);
            // A new port for each of the first rounds.
            let port = |link: LinkId| 100 * round.min(3) + u16::from(link.0);
            while let Some(out) = sender.poll_transmit(now, &mut buffer) {
                let way = route(super::HONEST, port(out.link));
                *came.entry(way).or_insert(0) += out.len;
                gateway.handle_datagram(now, way, &mut buffer[..out.len]);
            }
            for (to, mut datagram) in datagrams(now, &mut gateway) {
                *sent.entry(to).or_insert(0) += datagram.len();
                // What goes to a port that is no more is lost.
                let link = LinkId((to.remote.port() % 100) as u8);
                if to == route(super::HONEST, port(link)) {
                    sender.handle_datagram(now, link, &mut datagram);
                }
            }
            for (to, bytes) in &sent {
                assert!(*bytes <= 3 * came[to], "{bytes} bytes to {to:?} for {}", came[to]);
            }
        }
        assert_eq!(sender.status(now).sessions, 1, "under pressure: {under_pressure}");
    }
}

#[test]
fn pieces_up_to_and_past_eight_kilobytes_are_answered_with_less_than_thrice_and_kept_to_four() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let (mut came, mut sent) = (0, 0);
    for offset in (0..8_400_u64).step_by(37) {
        let bytes = [0; 300];
        let piece = Handshake { id: [9; 8], cookie: &[], offset, total: offset + 300, acknowledged: 0, bytes: &bytes };
        let mut datagram = datagram(&piece);
        came += datagram.len();
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram);
        sent += answers(now, &mut gateway).values().sum::<usize>();
        assert!(sent <= 3 * came, "{sent} bytes for {came} at {offset}");
    }
    assert!(gateway.rejected().bad_handshake > 5, "past the limit of the protocol");
    assert!(gateway.half_open_bytes() <= 4 * 1_024, "{}", gateway.half_open_bytes());
}

fn encoded(handshake: &UnitHandshake, link: LinkId, piece: usize) -> Vec<u8> {
    let mut buffer = [0; MAX_HANDSHAKE];
    let mut writer = Writer::new(&mut buffer);
    handshake.encode(link, piece, &mut writer).unwrap();
    writer.written().to_vec()
}

/// What the gateway sends, and where.
fn datagrams(now: Instant, gateway: &mut Gateway) -> Vec<(Route, Vec<u8>)> {
    let mut buffer = [0; MAX_DATAGRAM];
    let next = || gateway.poll_transmit(now, &mut buffer).map(|(to, len)| (to, buffer[..len].to_vec()));
    std::iter::from_fn(next).collect()
}

/// Lets the honest unit open a session.
fn open(now: &mut Instant, gateway: &mut Gateway, honest: &mut Honest) {
    for _ in 0..200 {
        *now += Duration::from_millis(5);
        step(*now, gateway, honest);
    }
    assert_eq!(honest.sender.status(*now).sessions, 1);
}

fn step(now: Instant, gateway: &mut Gateway, honest: &mut Honest) {
    honest.exchange(now, gateway);
    gateway.handle_timeout(now);
    let mut buffer = [0; MAX_DATAGRAM];
    while let Some((to, len)) = gateway.poll_transmit(now, &mut buffer) {
        let link = LinkId(to.remote.port() as u8);
        honest.sender.handle_datagram(now, link, &mut buffer[..len]);
    }
    while gateway.poll_event().is_some() {}
}

#[test]
fn unknown_indices_are_answered_a_hundred_times_a_second_and_never_with_more() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut resets = 0;
    for millis in 0..2_000 {
        let now = now + Duration::from_millis(millis);
        for index in 0..10_u32 {
            let mut stray = vec![0x40];
            stray.extend(index.to_be_bytes());
            stray.extend([0; 17]);
            gateway.handle_datagram(now, route(HOSTILE, 0), &mut stray);
            let bytes: usize = answers(now, &mut gateway).values().sum();
            assert!(bytes <= stray.len());
            resets += usize::from(bytes > 0);
        }
    }
    assert_eq!(resets, 200);
    assert_eq!(gateway.rejected().unknown_index, 20_000);
}

#[test]
fn a_storm_of_forged_resets_opens_one_session_in_five_seconds() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut honest = Honest::new(now);
    open(&mut now, &mut gateway, &mut honest);
    let mut buffer = [0; MAX_DATAGRAM];
    for _ in 0..980 {
        now += Duration::from_millis(5);
        honest.push(now);
        honest.sender.handle_timeout(now);
        while let Some(sent) = honest.sender.poll_transmit(now, &mut buffer) {
            let datagram = &mut buffer[..sent.len];
            // Who listens on the way sees the index, and answers in the gateway's name.
            let seen = u32::from_be_bytes(*datagram[1..].first_chunk().unwrap());
            gateway.handle_datagram(now, route(super::HONEST, sent.link.0.into()), datagram);
            let mut forged = [0; 8];
            let mut writer = Writer::new(&mut forged);
            encode_reset(seen, &mut writer).unwrap();
            let len = writer.len();
            honest.sender.handle_datagram(now, sent.link, &mut forged[..len]);
        }
        step(now, &mut gateway, &mut honest);
    }
    assert_eq!(honest.sender.status(now).sessions, 2);
}
