//! A paired unit that does anything: frames on open paths, joins, copies of its own packets from elsewhere, new keys,
//! handshakes, all at any time. It answers no PING, so that nobody gets more than thrice what came from there.

use std::collections::HashMap;
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::envelope::Address;
use bondbox_wire::frame::{Frame, Media, Track, TrackKind};
use bondbox_wire::handshake::Handshake;
use bondbox_wire::{MAX_DATAGRAM, Writer};
use proptest::collection::vec;
use proptest::prelude::*;

use super::frames::plaintext;
use super::unit_side::{Rogue, link_join, open_path};
use super::{HOSTILE, cases, gateway, route};
use crate::Gateway;
use crate::gateway::Route;
use crate::pair::plain_header;

#[derive(Clone, Debug)]
enum Act {
    Frames(Vec<u8>),
    Join {
        path: u32,
        proper: bool,
        frames: Vec<u8>,
    },
    /// The last datagram once more, or changed, from another port.
    Copy {
        port: u16,
        change: Option<(prop::sample::Index, u8)>,
    },
    Move {
        port: u16,
    },
    Rotate,
    Handshake {
        id: u8,
        offset: u64,
        bytes: Vec<u8>,
    },
    Wait {
        micros: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => plaintext().prop_map(Act::Frames),
        2 => (0..40_u32, any::<bool>(), plaintext()).prop_map(|(path, proper, frames)| Act::Join { path, proper, frames }),
        2 => (0..6_u16, prop::option::of(any::<(prop::sample::Index, u8)>())).prop_map(|(port, change)| Act::Copy { port, change }),
        2 => (0..6_u16).prop_map(|port| Act::Move { port }),
        1 => Just(Act::Rotate),
        1 => (any::<u8>(), 0..9_000_u64, vec(any::<u8>(), 0..300))
            .prop_map(|(id, offset, bytes)| Act::Handshake { id, offset, bytes }),
        4 => prop_oneof![0..2_000_u64, 0..400_000_u64, 0..70_000_000_u64].prop_map(|micros| Act::Wait { micros }),
    ]
}

/// Bytes by address.
#[derive(Default)]
struct Account {
    came: HashMap<Route, usize>,
    sent: HashMap<Route, usize>,
}

impl Account {
    fn give(&mut self, now: Instant, gateway: &mut Gateway, from: Route, datagram: &[u8]) {
        *self.came.entry(from).or_default() += datagram.len();
        gateway.handle_datagram(now, from, &mut datagram.to_vec());
    }

    fn drain(&mut self, now: Instant, gateway: &mut Gateway) {
        gateway.handle_timeout(now);
        let mut buffer = [0; MAX_DATAGRAM];
        let mut rounds = 0;
        while let Some((to, len)) = gateway.poll_transmit(now, &mut buffer) {
            *self.sent.entry(to).or_default() += len;
            rounds += 1;
            assert!(rounds <= 200, "it does not stop answering");
        }
        let events = std::iter::from_fn(|| gateway.poll_event()).count();
        assert!(events <= 2_000, "{events} events at once");
        gateway.handle_timeout(now);
        assert!(gateway.poll_transmit(now, &mut buffer).is_none(), "it had said that there was no more");
        assert!(gateway.deadline(now) > now, "it wants to be called again at once, for ever");
        assert!(gateway.held() <= 33 << 20, "{} bytes held", gateway.held());
        assert!(gateway.held_for_coding() <= 2 << 20, "{} bytes held for coding", gateway.held_for_coding());
        for (to, sent) in &self.sent {
            let came = self.came.get(to).copied().unwrap_or(0);
            assert!(*sent <= 3 * came, "{sent} bytes to {to:?} for {came}");
        }
    }
}

/// A half of a unit of `track`.
fn half_a_unit(track: u8, writer: &mut Writer<'_>) {
    let media = Media {
        track: TrackId(track),
        unit: 0,
        offset: 0,
        last: false,
        again: false,
        header: Some(plain_header()),
        bytes: b"half",
    };
    media.encode(writer).unwrap();
}

#[test]
fn a_damaged_picture_waits_for_no_other_damaged_track() {
    let mut now = Instant::from_millis(1);
    let mut gateway = gateway(now);
    let mut rogue = Rogue::new(now, &mut gateway);
    let index = open_path(now, &mut gateway, &mut rogue, 1);
    let mut buffer = [0; 900];
    let mut writer = Writer::new(&mut buffer);
    half_a_unit(0, &mut writer);
    half_a_unit(13, &mut writer);
    let kind = TrackKind::H264;
    let picture = Track { track: TrackId(13), kind, width: 640, height: 360, rate: 25_000, channels: 0, label: "" };
    Frame::Track(picture).encode(&mut writer).unwrap();
    let datagram = rogue.seal(now, 1, Address::Path(index), writer.written());
    let mut account = Account::default();
    account.came.insert(route(HOSTILE, 0), 600);
    account.give(now, &mut gateway, route(HOSTILE, 0), &datagram);
    for _ in 0..60 {
        now += Duration::from_millis(700);
        account.drain(now, &mut gateway);
    }
    assert!(gateway.status(now)[0].tracks.iter().all(|track| track.counters.lost == 1));
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a_rogue_unit_may_do_anything(acts in vec(act(), 1..80)) {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        let mut rogue = Rogue::new(now, &mut gateway);
        let index = open_path(now, &mut gateway, &mut rogue, 1);
        let mut account = Account::default();
        // Its join, of which not all was spent on the answer.
        account.came.insert(route(HOSTILE, 0), 60);
        let mut port = 0;
        let mut last = vec![];
        for act in acts {
            let datagram = match act {
                Act::Frames(frames) => rogue.seal(now, 1, Address::Path(index), &frames),
                Act::Join { path, proper, frames } => {
                    rogue.join(now, path, &if proper { link_join(path) } else { frames })
                }
                Act::Copy { port, change } => {
                    let mut copy: Vec<u8> = Vec::clone(&last);
                    if let Some((at, to)) = change.filter(|_| !copy.is_empty()) {
                        let at = at.index(copy.len());
                        copy[at] = to;
                    }
                    account.give(now, &mut gateway, route(HOSTILE, port), &copy);
                    vec![]
                }
                Act::Move { port: to } => {
                    port = to;
                    vec![]
                }
                Act::Rotate => {
                    rogue.wear_out_keys();
                    vec![]
                }
                Act::Handshake { id, offset, bytes } => {
                    let total = (offset + bytes.len() as u64).min(8 * 1_024);
                    let piece = Handshake { id: [id; 8], cookie: &[], offset, total, acknowledged: 0, bytes: &bytes };
                    let mut buffer = [0; MAX_DATAGRAM];
                    let mut writer = Writer::new(&mut buffer);
                    piece.encode(&mut writer).unwrap();
                    writer.written().to_vec()
                }
                Act::Wait { micros } => {
                    now += Duration::from_micros(micros);
                    vec![]
                }
            };
            if !datagram.is_empty() {
                account.give(now, &mut gateway, route(HOSTILE, port), &datagram);
                last = datagram;
            }
            account.drain(now, &mut gateway);
        }
        for _ in 0..20 {
            now += Duration::from_millis(700);
            account.drain(now, &mut gateway);
        }
        // Half-open handshakes and silence end; whatever is left does within a minute.
        now += Duration::from_secs(61);
        account.drain(now, &mut gateway);
        prop_assert_eq!((gateway.status(now).len(), gateway.half_open(), gateway.held()), (0, 0, 0));
    }
}
