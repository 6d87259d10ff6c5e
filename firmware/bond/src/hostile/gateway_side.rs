//! The pinned gateway against a unit.

use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::envelope::{Address, Envelope};
use bondbox_wire::frame::{Frame, Frames, LinkAccept};
use bondbox_wire::{MAX_DATAGRAM, ReplayWindow, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use super::frames::{plaintext, written};
use super::{cases, identities, sender, unit};
use crate::Sender;
use crate::crypto::{GatewayTls, SessionKeys};
use crate::handshake::{GatewayHandshake, GatewayParams};
use crate::packet::{Heading, seal};
use crate::sender::{SenderEvent, SessionState};

/// A gateway that holds keys and nothing else.
struct Rogue {
    keys: SessionKeys,
    /// Of paths 1 and 2: what the unit wants to be called by.
    indices: [u32; 2],
    next_pn: [u64; 2],
}

impl Rogue {
    /// Shakes hands with `sender` and reads its joins.
    fn new(now: Instant, sender: &mut Sender) -> Self {
        let [unit, _, gateway] = identities();
        let tls = GatewayTls::new(gateway, [unit.public()]);
        let params = GatewayParams {
            session_index: SESSION,
            latency: Some(Duration::from_secs(1_000_000)),
            pairing: Vec::new(),
        };
        let (mut handshake, mut keys) = (None, None);
        let mut indices = [None; 2];
        let mut buffer = [0; MAX_DATAGRAM];
        sender.handle_timeout(now);
        for round in 0..40 {
            sender.handle_timeout(now + Duration::from_millis(20 * round));
            while let Some(sent) = sender.poll_transmit(now + Duration::from_millis(20 * round), &mut buffer) {
                let datagram = &mut buffer[..sent.len];
                match Envelope::decode(datagram).unwrap() {
                    Envelope::Handshake(piece) => {
                        let shake =
                            handshake.get_or_insert_with(|| GatewayHandshake::new(piece.id, &tls, params.clone()));
                        keys = shake.handle(&tls, &piece).unwrap_or(None).or(keys);
                    }
                    Envelope::Join { path, sealed, .. } => {
                        let keys: &mut SessionKeys = &mut keys.as_mut().expect("joined after the handshake").keys;
                        let (header, payload) = datagram.split_at_mut(sealed.header_len);
                        let pn = sealed.packet_number(0);
                        let len = keys.open(now, sealed.phase, path, pn, header, payload).expect("sealed for us");
                        for frame in Frames::new(&payload[..len]).flatten() {
                            if let Frame::LinkJoin(join) = frame {
                                indices[path as usize - 1] = Some(join.index);
                            }
                        }
                    }
                    _ => {}
                }
            }
            let Some(shake) = &handshake else { continue };
            for piece in shake.answer() {
                let mut writer = Writer::new(&mut buffer);
                shake.encode(piece, &mut writer).unwrap();
                let len = writer.len();
                sender.handle_datagram(now, LinkId(0), &mut buffer[..len]);
            }
            if indices.iter().all(Option::is_some) {
                break;
            }
        }
        let keys = keys.expect("the handshake ends").keys;
        Self { keys, indices: indices.map(|index| index.expect("both links join")), next_pn: [0; 2] }
    }

    /// Seals frames for one of the unit's paths.
    fn seal(&mut self, now: Instant, path: usize, plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = [0; MAX_DATAGRAM];
        let pn = self.next_pn[path];
        self.next_pn[path] += 1;
        let to = Address::Path(self.indices[path]);
        let heading = Heading { path: path as u32 + 1, to, pn, acknowledged: pn.checked_sub(1) };
        let len = seal(now, &mut self.keys, heading, &mut buffer, |writer| writer.bytes(plaintext).unwrap());
        buffer[..len].to_vec()
    }
}

fn accept(now: Instant) -> Vec<u8> {
    written(&Frame::LinkAccept(LinkAccept { index: 5, join_sent: now, received: Instant::from_millis(9) }))
}

/// Drains the unit; gives how many datagrams it sent.
fn drain(now: Instant, sender: &mut Sender) -> usize {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut sent = 0;
    for _ in 0..4 {
        sender.handle_timeout(now);
        sent += std::iter::from_fn(|| sender.poll_transmit(now, &mut buffer)).take(10_000).count();
        assert!(sent < 10_000, "the unit does not stop sending");
    }
    assert!(sender.deadline(now) > now, "the unit wants to be called again at once, for ever");
    sent
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_rogue_gateway_cannot_break_a_unit(
        acts in vec((0..2_usize, plaintext(), 0..2_000_u64, 0..30_usize), 1..60),
        slow in any::<bool>(),
    ) {
        let mut now = Instant::from_millis(1);
        let mut sender = sender(now, &identities()[0], 2);
        let mut rogue = Rogue::new(now, &mut sender);
        now += Duration::from_millis(900);
        (0..2).for_each(|path| {
            let mut datagram = rogue.seal(now, path, &accept(now));
            sender.handle_datagram(now, LinkId(path as u8), &mut datagram);
        });
        prop_assert_eq!(sender.status(now).session, SessionState::Open);
        let mut pushed = 0;
        for (path, frames, wait, units) in acts {
            now += Duration::from_micros(if slow { wait * 1_000 } else { wait * 10 });
            for _ in 0..units {
                sender.push(now, unit(pushed));
                pushed += 1;
            }
            drain(now, &mut sender);
            let mut datagram = rogue.seal(now, path, &frames);
            sender.handle_datagram(now, LinkId(path as u8), &mut datagram);
            drain(now, &mut sender);
            while sender.poll_event().is_some() {}
            let status = sender.status(now);
            let counted = status.units_acknowledged + status.units_expired + status.units_waiting;
            prop_assert_eq!(status.units_in, counted, "{:?}", status);
            prop_assert!(sender.held_returned() <= MOST_RETURNED);
        }
        // Whatever latency it asked for, nothing is kept for longer than the longest.
        now += Duration::from_secs(31);
        drain(now, &mut sender);
        prop_assert_eq!(sender.status(now).units_waiting, 0);
    }
}

#[test]
fn return_tracks_that_are_never_due_take_a_bounded_room() {
    let mut now = Instant::from_millis(1);
    let mut sender = sender(now, &identities()[0], 2);
    let mut rogue = Rogue::new(now, &mut sender);
    (0..2).for_each(|path| {
        let mut datagram = rogue.seal(now, path, &accept(now));
        sender.handle_datagram(now, LinkId(path as u8), &mut datagram);
    });
    let mut buffer = [0; MAX_DATAGRAM];
    for number in 0..20_000_u32 {
        now += Duration::from_micros(100);
        let media = bondbox_wire::frame::Media {
            track: bondbox_units::TrackId(number as u8 % 4),
            unit: number,
            offset: 500_000,
            last: false,
            again: false,
            header: None,
            bytes: &[7; 400],
        };
        let mut datagram = rogue.seal(now, 0, &written(&Frame::Media(media)));
        sender.handle_datagram(now, LinkId(0), &mut datagram);
        sender.handle_timeout(now);
        while sender.poll_transmit(now, &mut buffer).is_some() {}
        assert!(sender.held_returned() <= MOST_RETURNED, "{}", sender.held_returned());
    }
    assert!(sender.held_returned() > MOST_RETURNED / 2, "{}", sender.held_returned());
}

/// What a gateway may make a unit hold of its return tracks.
const MOST_RETURNED: usize = 1 << 20;

#[test]
fn a_gateway_that_wants_keyframes_all_the_time_gets_two_a_second() {
    let now = Instant::from_millis(1);
    let mut sender = sender(now, &identities()[0], 2);
    let track = bondbox_units::TrackId(0);
    let info = crate::sender::TrackInfo {
        track,
        kind: bondbox_wire::frame::TrackKind::H264,
        width: 0,
        height: 0,
        rate: 0,
        channels: 0,
        label: String::new(),
    };
    sender.set_track(info);
    let mut rogue = Rogue::new(now, &mut sender);
    let now = now + Duration::from_millis(900);
    let mut datagram = rogue.seal(now, 0, &accept(now));
    sender.handle_datagram(now, LinkId(0), &mut datagram);
    while sender.poll_event().is_some() {}
    for ms in 0..2_000 {
        let now = now + Duration::from_millis(ms);
        let frames = written(&Frame::Keyframe { track }).repeat(50);
        let mut datagram = rogue.seal(now, 0, &frames);
        sender.handle_datagram(now, LinkId(0), &mut datagram);
    }
    let wanted =
        std::iter::from_fn(|| sender.poll_event()).filter(|event| *event == SenderEvent::KeyframeWanted(track));
    assert_eq!(wanted.count(), 4);
}

#[test]
fn a_path_that_stays_silent_for_an_hour_keeps_nothing_of_it() {
    let mut now = Instant::from_millis(1);
    let mut sender = sender(now, &identities()[0], 2);
    let mut rogue = Rogue::new(now, &mut sender);
    now += Duration::from_millis(900);
    for path in 0..2 {
        let mut datagram = rogue.seal(now, path, &accept(now));
        sender.handle_datagram(now, LinkId(path as u8), &mut datagram);
    }
    drain(now, &mut sender);
    let mut seen = ReplayWindow::new();
    for _ in 0..36_000 {
        now += Duration::from_millis(100);
        drain(now, &mut sender);
        // Path 2 acknowledges what it got, so that the session lives; path 1 nothing.
        let ack = bondbox_wire::frame::Acked { pn: seen.expected(), received: now };
        seen.accept(ack.pn);
        let mut buffer = [0; 100];
        let mut writer = Writer::new(&mut buffer);
        bondbox_wire::frame::AckBuilder::new(2, 0).encode(std::iter::once(ack), &mut writer).unwrap();
        let frames = writer.written().to_vec();
        let mut datagram = rogue.seal(now, 1, &frames);
        sender.handle_datagram(now, LinkId(1), &mut datagram);
    }
    assert!(sender.remembered() < 2_000, "{} packets", sender.remembered());
}

const SESSION: u32 = 9;
