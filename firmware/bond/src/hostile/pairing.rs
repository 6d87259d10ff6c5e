//! Units and gateways that know a code, and those that say so.

use std::sync::Arc;
use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::Writer;
use bondbox_wire::envelope::Envelope;
use bondbox_wire::handshake::MAX_DATAGRAM as MAX_HANDSHAKE;

use super::{config, gateway, identities, sender_of, shake};
use crate::crypto::{End, GatewayTls, Standing};
use crate::gateway::{GatewayEvent, MAX_PAIRINGS, TooManyPairings};
use crate::handshake::{Expected, GatewayHandshake, GatewayParams, NoSession, UnitHandshake, UnitParams};
use crate::pair::{Pair, home, link_at, one_way};
use crate::sender::{SenderConfig, SenderEvent, Trust};
use crate::{Gateway, Identity, PairingCode, PairingSecret, PublicKey};

const HOUR: Duration = Duration::from_secs(3_600);

fn secret(code: &str) -> PairingSecret {
    code.parse::<PairingCode>().unwrap().secret()
}

fn ours() -> PairingSecret {
    secret("K7QF-2M9X-0V1S-ZT4E")
}

fn theirs() -> PairingSecret {
    secret("0000-0000-0000-0001")
}

/// A unit that no gateway knows, with somebody to talk to. Another `seed` is another life.
fn stranger(seed: u64, identity: &Arc<Identity>, gateway: Trust) -> Pair {
    let now = Instant::from_millis(1);
    Pair::of(now, sender_of(now, SenderConfig { gateway, ..config(identity) }, seed))
}

fn new_unit() -> Arc<Identity> {
    Arc::new(Identity::generate())
}

fn pinned() -> PublicKey {
    identities()[2].public()
}

/// What both ends say of it, once each.
fn paired(pair: &Pair) -> (Vec<PublicKey>, Vec<PublicKey>) {
    let gateway = pair.events.iter().filter_map(|(_, event)| match event {
        GatewayEvent::Paired { unit, .. } => Some(*unit),
        _ => None,
    });
    let unit = pair.told.iter().filter_map(|event| match event {
        SenderEvent::Paired { gateway } => Some(*gateway),
        _ => None,
    });
    (gateway.collect(), unit.collect())
}

fn reasons(pair: &Pair) -> Vec<&NoSession> {
    let failed = pair.told.iter().filter_map(|event| match event {
        SenderEvent::HandshakeFailed(why) => Some(why),
        _ => None,
    });
    failed.collect()
}

#[test]
fn who_shares_a_code_pairs_in_the_handshake_of_the_first_session_and_pins_each_other() {
    let unit = new_unit();
    let mut pair = stranger(2, &unit, Trust::Code(ours()));
    pair.gateway.open_pairing(pair.now, theirs(), pair.now + HOUR).unwrap();
    pair.gateway.open_pairing(pair.now, ours(), pair.now + HOUR).unwrap();
    pair.run(1_000);
    assert_eq!(paired(&pair), (vec![unit.public()], vec![pinned()]));
    assert_eq!(*pair.sender.gateway(), Trust::Pinned(pinned()));
    assert!(pair.gateway.is_pairing(&theirs()) && !pair.gateway.is_pairing(&ours()), "a code serves once");
    pair.nothing_is_missing();

    // Another life of the unit comes with what it has pinned.
    let mut gateway = std::mem::replace(&mut pair.gateway, gateway(pair.now));
    let mut again = stranger(3, &unit, Trust::Pinned(pinned()));
    again.now = pair.now;
    std::mem::swap(&mut again.gateway, &mut gateway);
    again.run(1_000);
    assert_eq!(again.sender.status(again.now).sessions, 1);
}

#[test]
fn pairing_ends_well_whatever_is_lost() {
    for pattern in 0..24_u64 {
        let mut pair = stranger(2, &new_unit(), Trust::Code(ours()));
        pair.gateway.open_pairing(pair.now, ours(), pair.now + HOUR).unwrap();
        let (mut up, mut down) = (pattern, pattern * 5);
        let is_lost = move |count: &mut u64| {
            *count += 1;
            (*count * 7 + pattern * 3) % 5 < 2
        };
        pair.up = Box::new(move |now, link, _| {
            let lost = now < Instant::from_millis(6_000) && is_lost(&mut up);
            if lost { vec![] } else { vec![(one_way(link), home(link))] }
        });
        pair.down = Box::new(move |now, route, _| {
            let lost = now < Instant::from_millis(6_000) && is_lost(&mut down);
            link_at(route).filter(|_| !lost).map(|link| (one_way(link), link)).into_iter().collect()
        });
        pair.run(8_000);
        let (gateway, unit) = paired(&pair);
        assert_eq!((gateway.len(), unit), (1, vec![pinned()]), "pattern {pattern}");
    }
}

#[test]
fn a_unit_that_hears_nothing_right_after_it_was_let_in_is_let_in_again() {
    let mut pair = stranger(2, &new_unit(), Trust::Code(ours()));
    pair.gateway.open_pairing(pair.now, ours(), pair.now + HOUR).unwrap();
    while paired(&pair).0.is_empty() {
        pair.run(1);
    }
    pair.lose_what_flies();
    let back = pair.now + Duration::from_secs(5);
    pair.down = Box::new(move |now, route, _| {
        link_at(route).filter(|_| now > back).map(|link| (one_way(link), link)).into_iter().collect()
    });
    pair.run(4_000);
    assert_eq!(paired(&pair).1, []);
    pair.run(6_000);
    assert_eq!((paired(&pair).0.len(), paired(&pair).1), (1, vec![pinned()]));
}

#[test]
fn a_gateway_that_does_not_know_the_code_never_sees_the_units_key() {
    for opened in [None, Some(theirs())] {
        let mut pair = stranger(2, &new_unit(), Trust::Code(ours()));
        if let Some(code) = opened {
            pair.gateway.open_pairing(pair.now, code, pair.now + HOUR).unwrap();
        }
        pair.run(3_000);
        assert_eq!(paired(&pair), (vec![], vec![]));
        assert!(reasons(&pair).len() > 1 && reasons(&pair).iter().all(|why| **why == NoSession::UnknownCode));
        let counts = pair.gateway.rejected();
        assert_eq!((counts.unknown_unit, counts.unknown_code, pair.sender.rejected().wrong_gateway > 1), (0, 0, true));
        // Whoever types it in late is in time.
        pair.gateway.open_pairing(pair.now, ours(), pair.now + HOUR).unwrap();
        pair.run(3_000);
        assert_eq!(paired(&pair).1, [pinned()]);
    }
}

#[test]
fn an_open_code_lets_nobody_in_who_does_not_know_it() {
    let mut pair = stranger(2, &new_unit(), Trust::Pinned(pinned()));
    pair.gateway.open_pairing(pair.now, ours(), pair.now + HOUR).unwrap();
    pair.run(3_000);
    assert_eq!((pair.sender.status(pair.now).sessions, paired(&pair).0.len()), (0, 0));
    assert!(pair.gateway.rejected().unknown_unit > 0 && pair.gateway.is_pairing(&ours()));
}

#[test]
fn a_code_that_has_expired_was_closed_or_has_served_lets_nobody_in() {
    for end in 0..3 {
        let mut pair = stranger(2, &new_unit(), Trust::Nobody);
        pair.gateway.open_pairing(pair.now, ours(), pair.now + Duration::from_millis(1_500)).unwrap();
        match end {
            0 => pair.run(1_501),
            1 => pair.gateway.close_pairing(&ours()),
            _ => {
                let mut first = stranger(3, &new_unit(), Trust::Code(ours()));
                std::mem::swap(&mut first.gateway, &mut pair.gateway);
                first.run(1_000);
                assert_eq!(paired(&first).0.len(), 1);
                std::mem::swap(&mut first.gateway, &mut pair.gateway);
                pair.now = first.now;
            }
        }
        assert!(!pair.gateway.is_pairing(&ours()));
        pair.sender.set_gateway(pair.now, Trust::Code(ours()));
        pair.run(2_000);
        assert_eq!((paired(&pair).1, reasons(&pair).is_empty()), (vec![], false), "end {end}");
    }
}

#[test]
fn a_unit_that_trusts_nobody_says_nothing_until_it_is_told_whom_to_trust() {
    let mut pair = stranger(2, &new_unit(), Trust::Nobody);
    pair.gateway.open_pairing(pair.now, ours(), pair.now + HOUR).unwrap();
    pair.up = Box::new(|_, _, _| panic!("it said something"));
    pair.run(2_000);
    pair.up = Box::new(|_, link, _| vec![(one_way(link), home(link))]);
    pair.sender.set_gateway(pair.now, Trust::Code(ours()));
    pair.run(1_000);
    assert_eq!(paired(&pair).1, [pinned()]);
    assert!(!pair.out.is_empty());
}

#[test]
fn so_many_codes_are_open_at_a_time_and_one_that_is_opened_again_counts_once() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    for _ in 0..3 {
        gateway.open_pairing(now, ours(), now + HOUR).unwrap();
    }
    for _ in 1..MAX_PAIRINGS {
        gateway.open_pairing(now, PairingCode::generate().secret(), now + HOUR / 2).unwrap();
    }
    assert_eq!(gateway.open_pairing(now, theirs(), now + HOUR), Err(TooManyPairings));
    assert_eq!(gateway.open_pairing(now + HOUR / 2, theirs(), now + HOUR), Ok(()), "the others have expired");
    assert!(gateway.is_pairing(&ours()));
}

/// Plays a unit's handshake with a gateway that it has pinned, with a proof of its own; whether the gateway has proven itself.
fn proves_itself(gateway: &mut Gateway, id: u8, unit: &Identity, proof: [u8; 32]) -> bool {
    let now = Instant::from_millis(2);
    let params = UnitParams { pairing: Some(proof), ..params() };
    let mut handshake = UnitHandshake::new(now, [id; 8], unit, Expected::Key(pinned()), &params);
    shake(now, gateway, &mut handshake).is_some()
}

fn params() -> UnitParams {
    let latency = Duration::from_millis(600);
    UnitParams { stream: "cam".into(), latency, return_latency: Duration::ZERO, life: [1; 8], pairing: None }
}

#[test]
fn a_proof_of_another_code_or_of_another_units_key_lets_nobody_in() {
    let (unit, honest) = (new_unit(), new_unit());
    let proofs = [
        theirs().prove(End::Unit, unit.public()),
        ours().prove(End::Unit, honest.public()),
        ours().prove(End::Gateway, unit.public()),
        ours().prove(End::Gateway, pinned()),
    ];
    for proof in proofs {
        let mut gateway = gateway(Instant::from_millis(1));
        gateway.open_pairing(Instant::from_millis(1), ours(), Instant::from_millis(9_000)).unwrap();
        assert!(proves_itself(&mut gateway, 6, &unit, proof));
        assert_eq!((gateway.rejected().unknown_code, gateway.poll_event()), (1, None));
        assert!(gateway.is_pairing(&ours()));
        // A unit that the gateway knows is let in whatever it says of codes.
        let known = &identities()[0];
        assert!(proves_itself(&mut gateway, 7, known, proof));
        assert_eq!((gateway.rejected().unknown_code, gateway.poll_event()), (1, None));
    }
}

#[test]
fn a_code_that_is_opened_during_a_handshake_waits_for_the_next_in_which_the_unit_is_told_of_it() {
    let unit = new_unit().public();
    let (tls, proof) = (GatewayTls::new(&identities()[2], []), ours().prove(End::Unit, unit));
    tls.set_codes(vec![ours()]);
    assert_eq!(tls.standing(unit, Some(&proof), &[]), Standing::WrongCode);
    assert_eq!(tls.standing(unit, Some(&proof), &[theirs(), ours()]), Standing::Vouched(ours()));
}

#[test]
fn a_gateway_cannot_use_what_another_says_of_its_own_key() {
    let (unit, rogue) = (new_unit(), Identity::generate());
    let tls = GatewayTls::new(&rogue, []);
    // It has seen what the true one says to everyone who asks.
    let proofs = vec![ours().prove(End::Gateway, pinned()), ours().prove(End::Unit, rogue.public())];
    let params = UnitParams { pairing: Some(ours().prove(End::Unit, unit.public())), ..params() };
    let now = Instant::from_millis(1);
    let mut client = UnitHandshake::new(now, [7; 8], &unit, Expected::Code(ours()), &params);
    let answer = GatewayParams { session_index: 5, latency: None, pairing: vec![] };
    let mut server = GatewayHandshake::saying([7; 8], &tls, &GatewayParams { pairing: proofs, ..answer });
    let mut buffer = [0; MAX_HANDSHAKE];
    let mut read = |write: &dyn Fn(&mut Writer<'_>)| {
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        writer.written().to_vec()
    };
    for piece in client.send(now) {
        let datagram = read(&|out| client.encode(LinkId(0), piece, out).unwrap());
        let Ok(Envelope::Handshake(piece)) = Envelope::decode(&datagram) else { panic!("no handshake") };
        assert!(server.handle(&tls, &piece).unwrap().is_none());
    }
    let mut said = vec![];
    for piece in server.answer() {
        let datagram = read(&|out| server.encode(piece, out).unwrap());
        let Ok(Envelope::Handshake(piece)) = Envelope::decode(&datagram) else { panic!("no handshake") };
        said.push(client.handle(now, LinkId(0), &piece).err());
    }
    assert_eq!(said.into_iter().flatten().next(), Some(NoSession::UnknownCode));
}
