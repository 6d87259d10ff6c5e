//! Those without keys: garbage in handshakes, floods of them, forged and unknown indices.

use std::collections::HashMap;
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::envelope::encode_reset;
use bondbox_wire::handshake::{Handshake, MAX_DATAGRAM as MAX_HANDSHAKE};
use bondbox_wire::{MAX_DATAGRAM, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{HOSTILE, Honest, gateway, identities, route, sender};
use crate::Gateway;
use crate::handshake::{UnitHandshake, UnitParams};

fn datagram(piece: &Handshake<'_>) -> Vec<u8> {
    let mut buffer = [0; MAX_HANDSHAKE];
    let mut writer = Writer::new(&mut buffer);
    piece.encode(&mut writer).unwrap();
    writer.written().to_vec()
}

/// The datagrams of a unit's first flight.
fn first_flight(id: [u8; 8]) -> Vec<Vec<u8>> {
    let [unit, _, gateway] = identities();
    let params = UnitParams { stream: "cam".into(), latency: Duration::from_millis(600) };
    let mut handshake = UnitHandshake::new(Instant::ZERO, id, unit, gateway.public(), &params);
    let pieces = handshake.send(Instant::ZERO);
    let encode = |piece| {
        let mut buffer = [0; MAX_HANDSHAKE];
        let mut writer = Writer::new(&mut buffer);
        handshake.encode(piece, &mut writer).unwrap();
        writer.written().to_vec()
    };
    pieces.into_iter().map(encode).collect()
}

/// Bytes that go to each way.
fn answers(now: Instant, gateway: &mut Gateway) -> HashMap<crate::gateway::Route, usize> {
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
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rough_handshakes_are_survived_on_both_ends_and_never_answered_with_more_than_thrice(pieces in pieces()) {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        let mut unit = sender(now, &identities()[0]);
        let flight = first_flight([3; 8]);
        let (mut sent, mut came) = (HashMap::new(), HashMap::new());
        for (id, offset, total, acknowledged, bytes, genuine) in pieces {
            now += Duration::from_millis(7);
            let acknowledged = if genuine { 0 } else { acknowledged };
            let piece = Handshake { id: [id; 8], cookie: &[], offset, total, acknowledged, bytes: &bytes };
            let mut rough = if genuine && id == 3 { flight[offset as usize % flight.len()].clone() } else { datagram(&piece) };
            let way = route(HOSTILE, u16::from(id));
            *came.entry(way).or_insert(0) += rough.len();
            unit.handle_datagram(now, bondbox_units::LinkId(0), &mut rough.clone());
            gateway.handle_datagram(now, way, &mut rough);
            gateway.handle_timeout(now);
            for (to, bytes) in answers(now, &mut gateway) {
                *sent.entry(to).or_insert(0) += bytes;
            }
        }
        for (to, bytes) in sent {
            prop_assert!(bytes <= 3 * came[&to], "{bytes} bytes to {to:?} for {}", came[&to]);
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

#[test]
fn half_open_handshakes_have_an_end_and_are_forgotten() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let first = first_flight([3; 8]).remove(0);
    for id in 0..200_u64 {
        let mut hello = first.clone();
        hello[2..10].copy_from_slice(&id.to_be_bytes());
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut hello);
    }
    assert_eq!(gateway.rejected().half_open_full, 200 - 64);
    answers(now, &mut gateway);
    now += Duration::from_secs(3);
    gateway.handle_timeout(now);
    let mut honest = Honest::new(now);
    open(&mut now, &mut gateway, &mut honest);
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
        let link = bondbox_units::LinkId(to.remote.port() as u8);
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
