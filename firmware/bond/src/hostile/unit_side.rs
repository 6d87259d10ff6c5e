//! A paired unit against the gateway.

use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::envelope::{Address, Envelope};
use bondbox_wire::frame::{Frame, LinkJoin};
use proptest::collection::vec;
use proptest::prelude::*;

use super::frames::{plaintext, written};
use super::{HOSTILE, Honest, cases, gateway, identities, route, shake};
use crate::Gateway;
use crate::crypto::SessionKeys;
use crate::gateway::GatewayEvent;
use crate::handshake::{Expected, UnitHandshake, UnitParams};
use crate::packet::{Heading, seal};

/// A unit that holds keys and nothing else.
pub(super) struct Rogue {
    keys: SessionKeys,
    session: u32,
    next_pn: u64,
    /// Datagrams that went to it.
    answers: usize,
    answered_bytes: usize,
}

impl Rogue {
    pub(super) fn new(now: Instant, gateway: &mut Gateway) -> Self {
        let [unit, _, pinned] = identities();
        let params = UnitParams {
            stream: "rogue".into(),
            latency: Duration::from_secs(1_000_000),
            return_latency: Duration::from_secs(1_000_000),
            life: [1; 8],
            pairing: None,
        };
        let mut handshake = UnitHandshake::new(now, [6; 8], unit, Expected::Key(pinned.public()), &params);
        let (keys, params) = shake(now, gateway, &mut handshake).expect("the handshake ends");
        Self { keys, session: params.session_index, next_pn: 0, answers: 0, answered_bytes: 0 }
    }

    pub(super) fn seal(&mut self, now: Instant, path: u32, to: Address, plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = [0; MAX_DATAGRAM];
        let heading = Heading { path, to, pn: self.next_pn, acknowledged: self.next_pn.checked_sub(1) };
        self.next_pn += 1;
        let len = seal(now, &mut self.keys, heading, &mut buffer, |writer| writer.bytes(plaintext).unwrap());
        buffer[..len].to_vec()
    }

    /// As if enough had been sealed to rotate the keys.
    pub(super) const fn wear_out_keys(&mut self) {
        self.keys.wear_out();
    }

    pub(super) fn join(&mut self, now: Instant, path: u32, plaintext: &[u8]) -> Vec<u8> {
        self.seal(now, path, Address::NewPath { session: self.session, path }, plaintext)
    }
}

pub(super) fn link_join(index: u32) -> Vec<u8> {
    written(&Frame::LinkJoin(LinkJoin { index, sent: Instant::from_millis(1), link: LinkId(0), name: "evil" }))
}

/// Drains the gateway until nothing is due, and holds its answers against what came.
fn drain(now: Instant, gateway: &mut Gateway, rogue: &mut Rogue, honest: Option<&mut Honest>) {
    let mut honest = honest;
    let mut buffer = [0; MAX_DATAGRAM];
    gateway.handle_timeout(now);
    while let Some((to, len)) = gateway.poll_transmit(now, &mut buffer) {
        if to == route(HOSTILE, 0) {
            rogue.answers += 1;
            rogue.answered_bytes += len;
        } else if let Some(honest) = &mut honest {
            let link = LinkId(to.remote.port() as u8);
            honest.sender.handle_datagram(now, link, &mut buffer[..len]);
        }
    }
    while let Some(event) = gateway.poll_event() {
        if let (Some(honest), GatewayEvent::Unit { session, .. }) = (&mut honest, &event)
            && gateway.status(now).iter().any(|status| status.session == *session && status.stream.name == "cam")
        {
            honest.on_event(&event);
        }
    }
    gateway.handle_timeout(now);
    assert!(gateway.poll_transmit(now, &mut buffer).is_none(), "it had said that there was no more");
    assert!(gateway.deadline(now) > now, "the gateway wants to be called again at once, for ever");
}

/// What the rogue does: frames on a path's index, or a join of a path with frames of its own.
fn acts() -> impl Strategy<Value = Vec<(u8, u32, bool, Vec<u8>, u64)>> {
    vec((0..4_u8, 0..5_u32, any::<bool>(), plaintext(), 0..60_u64), 1..50)
}

fn act(now: Instant, rogue: &mut Rogue, (kind, path, proper, frames, _): &(u8, u32, bool, Vec<u8>, u64)) -> Vec<u8> {
    if *kind == 0 {
        let joined = if *proper { link_join(77) } else { frames.clone() };
        return rogue.join(now, *path, &joined);
    }
    // JOIN datagrams are taken on open paths too, and need no index.
    rogue.join(now, 1, frames)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_rogue_unit_harms_no_other(acts in acts()) {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        let mut honest = Honest::new(now);
        let mut rogue = Rogue::new(now, &mut gateway);
        let mut took = 0;
        for act_now in &acts {
            for _ in 0..act_now.4 / 5 + 20 {
                now += Duration::from_millis(5);
                honest.push(now);
                honest.exchange(now, &mut gateway);
                drain(now, &mut gateway, &mut rogue, Some(&mut honest));
            }
            let mut datagram = act(now, &mut rogue, act_now);
            took += datagram.len();
            gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram);
            drain(now, &mut gateway, &mut rogue, Some(&mut honest));
        }
        for _ in 0..100 {
            now += Duration::from_millis(5);
            honest.exchange(now, &mut gateway);
            drain(now, &mut gateway, &mut rogue, Some(&mut honest));
        }
        prop_assert_eq!(honest.delivered, honest.pushed);
        // An acknowledgement at once, one over another path, one later; a pong, an accept; over at most 5 paths.
        prop_assert!(rogue.answers <= acts.len() * 20 + 20, "{} answers to {}", rogue.answers, acts.len());
        prop_assert!(rogue.answered_bytes <= 40 * took + 10_000, "{} bytes for {took}", rogue.answered_bytes);
    }

    #[test]
    fn a_rogue_unit_may_take_any_time(acts in acts(), waits in vec(0..100_000_000_u64, 50)) {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        let mut rogue = Rogue::new(now, &mut gateway);
        for (act_now, wait) in acts.iter().zip(waits) {
            now += Duration::from_micros(wait * (act_now.4 % 3));
            let mut datagram = act(now, &mut rogue, act_now);
            gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram);
            drain(now, &mut gateway, &mut rogue, None);
        }
    }
}

#[test]
fn a_captured_join_does_not_open_its_path_a_second_time() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut rogue = Rogue::new(now, &mut gateway);
    let captured = rogue.join(now, 1, &link_join(77));
    gateway.handle_datagram(now, route(HOSTILE, 0), &mut captured.clone());
    let mut leave = rogue.join(now, 1, &[]);
    gateway.handle_datagram(now, route(HOSTILE, 0), &mut leave);
    drain(now, &mut gateway, &mut rogue, None);
    // LINK_LEAVE goes on the path's own index in the field; a second path says it here.
    let index = open_path(now, &mut gateway, &mut rogue, 2);
    let mut leave = rogue.seal(now, 2, Address::Path(index), &written(&Frame::LinkLeave { path: 1 }));
    gateway.handle_datagram(now, route(HOSTILE, 0), &mut leave);
    drain(now, &mut gateway, &mut rogue, None);
    let (before, answers) = (gateway.rejected().replayed, rogue.answers);
    gateway.handle_datagram(now, route(HOSTILE, 0), &mut captured.clone());
    drain(now, &mut gateway, &mut rogue, None);
    assert_eq!((gateway.rejected().replayed, rogue.answers), (before + 1, answers));
}

/// Joins a path and gives the index that the gateway wants to be called by on it.
pub(super) fn open_path(now: Instant, gateway: &mut Gateway, rogue: &mut Rogue, path: u32) -> u32 {
    let mut join = rogue.join(now, path, &link_join(88));
    gateway.handle_datagram(now, route(HOSTILE, 0), &mut join);
    let mut buffer = [0; MAX_DATAGRAM];
    let mut index = None;
    while let Some((_, len)) = gateway.poll_transmit(now, &mut buffer) {
        let datagram = &mut buffer[..len];
        let Ok(Envelope::Data { index: 88, sealed }) = Envelope::decode(datagram) else { continue };
        let (header, payload) = datagram.split_at_mut(sealed.header_len);
        let pn = sealed.packet_number(0);
        let plain = rogue.keys.open(now, sealed.phase, path, pn, header, payload).expect("sealed for us");
        for frame in bondbox_wire::frame::Frames::new(&payload[..plain]).flatten() {
            if let Frame::LinkAccept(accept) = frame {
                index = Some(accept.index);
            }
        }
    }
    index.expect("the join was accepted")
}

#[test]
fn a_join_that_names_no_index_makes_nobody_busy() {
    let now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut rogue = Rogue::new(now, &mut gateway);
    for path in 1..40 {
        let mut join = rogue.join(now, path, &written(&Frame::Ping(1)));
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut join);
        drain(now, &mut gateway, &mut rogue, None);
    }
    assert_eq!(rogue.answers, 0);
    assert!(gateway.rejected().unexpected_join > 0, "paths have an end");
}

#[test]
fn media_that_is_never_due_takes_a_bounded_room() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut rogue = Rogue::new(now, &mut gateway);
    let index = open_path(now, &mut gateway, &mut rogue, 1);
    for unit in 0..60_000_u32 {
        now += Duration::from_micros(100);
        let media = bondbox_wire::frame::Media {
            track: bondbox_units::TrackId((unit % 3) as u8),
            unit,
            offset: 1 + unit % 2 * 2_000_000,
            last: false,
            again: false,
            header: None,
            bytes: b"x",
        };
        let mut datagram = rogue.seal(now, 1, Address::Path(index), &written(&Frame::Media(media)));
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram);
        drain(now, &mut gateway, &mut rogue, None);
    }
    assert!(gateway.rejected().out_of_bounds > 1_000);
    let held = gateway.held();
    assert!((1 << 20..33 << 20).contains(&held), "{held} bytes");
}
