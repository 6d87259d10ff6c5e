//! A paired unit that lets very many units be due at one instant: whoever is due then, too, does not wait for all of them.

use std::time::Duration;

use bondbox_units::{Instant, Priority, TrackId};
use bondbox_wire::envelope::Address;
use bondbox_wire::frame::{Frame, Media, UnitHeader};

use super::frames::written;
use super::unit_side::{Rogue, open_path};
use super::{HOSTILE, Honest, gateway, route};
use crate::Gateway;
use crate::gateway::{GatewayEvent, SessionId};

/// Units of the rogue's.
const HOARD: u32 = 20_000;

/// Sends units that are all due as if they had come in now.
fn hoard(now: Instant, gateway: &mut Gateway, rogue: &mut Rogue, index: u32, last: bool) {
    let header = UnitHeader {
        priority: Priority::Standard,
        keyframe: false,
        discontinuity: false,
        ingest_low: now.as_micros() as u32,
        pts_offset: 0,
        dts_offset: 0,
        skips: 0,
    };
    for unit in (0..HOARD).step_by(40) {
        let frames = (unit..unit + 40).map(|unit| {
            let header = Some(header);
            let media = Media { track: TrackId(0), unit, offset: 0, last, again: false, header, bytes: b"x" };
            written(&Frame::Media(media))
        });
        let mut datagram = rogue.seal(now, 1, Address::Path(index), &frames.collect::<Vec<_>>().concat());
        gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram);
    }
}

/// Units that come out, of this session and of others.
fn units_out(gateway: &mut Gateway, session: SessionId) -> (u32, u32) {
    let mut out = (0, 0);
    while let Some(event) = gateway.poll_event() {
        match event {
            GatewayEvent::Unit { session: of, .. } if of == session => out.0 += 1,
            GatewayEvent::Unit { .. } => out.1 += 1,
            _ => {}
        }
    }
    out
}

#[test]
fn one_session_with_a_hoard_that_is_due_at_once_delays_no_other() {
    for last in [true, false] {
        let mut now = Instant::from_millis(1);
        let mut gateway = gateway(now);
        let mut rogue = Rogue::new(now, &mut gateway);
        let index = open_path(now, &mut gateway, &mut rogue, 1);
        let session = gateway.status(now)[0].session;
        let mut honest = Honest::new(now);
        let mut buffer = [0; bondbox_wire::MAX_DATAGRAM];
        let (mut hoarded, mut largest, mut turns) = (0, 0, 0);
        // The rogue's latency is the longest that there is: 30 s.
        hoard(now, &mut gateway, &mut rogue, index, last);
        for _ in 0..32_000 / 5 {
            now += Duration::from_millis(5);
            honest.push(now);
            honest.exchange(now, &mut gateway);
            let mut first = true;
            while std::mem::take(&mut first) || gateway.deadline(now) <= now {
                gateway.handle_timeout(now);
                while let Some((to, len)) = gateway.poll_transmit(now, &mut buffer) {
                    if to != route(HOSTILE, 0) {
                        let link = bondbox_units::LinkId(to.remote.port() as u8);
                        honest.sender.handle_datagram(now, link, &mut buffer[..len]);
                    }
                }
                let (own, others) = units_out(&mut gateway, session);
                turns += u32::from(own > 0);
                (hoarded, largest) = (hoarded + own, largest.max(own));
                honest.delivered += others;
            }
        }
        let lost: u64 = gateway.status(now)[0].tracks.iter().map(|track| track.counters.lost).sum();
        assert_eq!((hoarded, lost), if last { (HOARD, 0) } else { (0, HOARD.into()) });
        assert!(largest <= 256 && (!last || turns >= HOARD / 256), "{largest} in one of {turns} turns");
        assert!(honest.delivered + 60 > honest.pushed, "{} of {}", honest.delivered, honest.pushed);
    }
}
