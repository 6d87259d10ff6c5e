//! From a datagram to its session: handshakes, joins, indices, resets.

use std::collections::HashMap;
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::envelope::{Sealed, encode_reset};
use bondbox_wire::frame::{Frame, Frames};
use bondbox_wire::handshake::{Handshake, MAX_DATAGRAM};
use rand_chacha::rand_core::Rng;

use super::session::{Arrival, Session};
use super::{CloseReason, Gateway, GatewayEvent, HalfOpen, Route, SessionId, StreamKey};
use crate::handshake::{Accepted, GatewayHandshake, GatewayParams, HandshakeRefused, MAX_LATENCY};

impl Gateway {
    pub(super) fn on_handshake(&mut self, now: Instant, route: Route, len: usize, piece: &Handshake<'_>) {
        if !self.half_open.contains_key(&piece.id) {
            if piece.acknowledged > 0 {
                // The rest of a handshake that is over: nothing to do.
                return;
            }
            if self.half_open.len() >= MAX_HALF_OPEN {
                self.rejected.half_open_full += 1;
                return;
            }
            let half_open = self.half_open(now, piece.id);
            self.half_open.insert(piece.id, half_open);
        }
        let Some(half) = self.half_open.get_mut(&piece.id) else { return };
        match half.handshake.handle(piece) {
            Ok(None) => {}
            Ok(Some(accepted)) => {
                let index = half.session_index;
                self.open_session(now, accepted, index);
            }
            Err(refused) => {
                let counter = match refused {
                    HandshakeRefused::UnknownUnit => &mut self.rejected.unknown_unit,
                    HandshakeRefused::Malformed => &mut self.rejected.failed_handshake,
                };
                *counter += 1;
                self.half_open.remove(&piece.id);
                return;
            }
        }
        self.answer_handshake(route, len, piece.id);
    }

    fn half_open(&mut self, now: Instant, id: [u8; 8]) -> HalfOpen {
        let session_index = self.draw_index();
        let params = GatewayParams { session_index, latency: self.config.latency };
        let handshake = GatewayHandshake::new(now, id, &self.tls, params);
        HalfOpen { handshake, session_index, allowance: HashMap::new() }
    }

    fn answer_handshake(&mut self, route: Route, len: usize, id: [u8; 8]) {
        let Some(half) = self.half_open.get_mut(&id) else { return };
        if !half.allowance.contains_key(&route) && half.allowance.len() >= MAX_ROUTES {
            return;
        }
        let allowance = half.allowance.entry(route).or_default();
        *allowance += AMPLIFICATION * len;
        for piece in half.handshake.answer() {
            let mut buffer = [0; MAX_DATAGRAM];
            let mut writer = Writer::new(&mut buffer);
            let written = half.handshake.encode(piece, &mut writer).is_ok();
            if !written || writer.len() > *allowance || self.outbox.len() >= MAX_OUTBOX {
                break;
            }
            *allowance -= writer.len();
            self.outbox.push_back((route, writer.written().to_vec()));
        }
    }

    fn open_session(&mut self, now: Instant, accepted: Accepted, index: u32) {
        let stream = StreamKey { unit: accepted.unit, name: accepted.params.stream };
        self.make_room(&stream);
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let latency = self.config.latency.unwrap_or(accepted.params.latency).min(MAX_LATENCY);
        self.indices.insert(index, (id, 0));
        self.sessions.insert(id, Session::new(now, stream, latency, accepted.keys));
    }

    /// A unit may hold so many sessions. Beyond that each new one ends the oldest that no link has joined, or else that of
    /// its own stream, or else of any.
    fn make_room(&mut self, stream: &StreamKey) {
        let own = self.sessions.iter().filter(|(_, session)| session.stream.unit == stream.unit);
        let own: Vec<_> = own.map(|(id, session)| (session.announced, session.stream != *stream, *id)).collect();
        if own.len() >= MAX_SESSIONS_OF_UNIT
            && let Some((_, _, oldest)) = own.into_iter().min()
        {
            self.rejected.too_many_sessions += 1;
            self.close(oldest, CloseReason::Replaced);
        }
    }

    pub(super) fn on_join(
        &mut self,
        now: Instant,
        route: Route,
        session: u32,
        path: u32,
        sealed: Sealed,
        datagram: &mut [u8],
    ) {
        let Some((id, 0)) = self.indices.get(&session).copied() else {
            self.reset(now, route, session, datagram.len());
            return;
        };
        let index = self.draw_index();
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(stale) = session.drop_stale_path(now) {
            self.indices.remove(&stale);
        }
        match session.open_path(now, route, path, index, sealed, datagram) {
            Ok((plain, new)) => {
                if new {
                    self.indices.insert(index, (id, path));
                }
                let plain = plain.to_vec();
                self.on_frames(now, id, path, &plain);
            }
            Err(count) => count(&mut self.rejected),
        }
        self.announce(id);
    }

    pub(super) fn on_data(&mut self, now: Instant, route: Route, index: u32, sealed: Sealed, datagram: &mut [u8]) {
        let Some((id, path)) = self.indices.get(&index).copied().filter(|(_, path)| *path != 0) else {
            self.reset(now, route, index, datagram.len());
            return;
        };
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let plain = match session.open(now, route, path, sealed, datagram) {
            Ok(plain) => plain,
            Err(count) => return count(&mut self.rejected),
        };
        // The plaintext lives in the datagram, not in the session.
        for frame in Frames::new(plain) {
            let arrival = match frame {
                Ok(frame) => session.on_frame(now, path, &frame),
                Err(error) => return self.rejected.on_frame_error(error),
            };
            match arrival {
                Arrival::Taken => {}
                Arrival::Track(info) => self.events.push_back(GatewayEvent::Track { session: id, info }),
                Arrival::Rejected(count) => count(&mut self.rejected),
                Arrival::Left(index) => drop(self.indices.remove(&index)),
                Arrival::Closed => return self.close(id, CloseReason::ByUnit),
            }
        }
    }

    fn on_frames(&mut self, now: Instant, id: SessionId, path: u32, plain: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        for frame in Frames::new(plain) {
            match frame {
                Ok(Frame::LinkJoin(join)) => session.on_join(now, path, &join),
                Ok(_) => {}
                Err(error) => self.rejected.on_frame_error(error),
            }
        }
    }

    /// The first path of a session has proven that its unit is there: now it replaces the older one of its stream.
    fn announce(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.announced && session.is_joined())
        else {
            return;
        };
        let stream = session.stream.clone();
        // A join held back on the way must not bring an older session back over a newer one.
        if self.sessions.range(id..).any(|(other, newer)| *other != id && newer.announced && newer.stream == stream) {
            return self.close(id, CloseReason::Replaced);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.announced = true;
        let (stream, latency) = (session.stream.clone(), session.latency);
        let older = self
            .sessions
            .iter()
            .find(|(other, session)| **other != id && session.announced && session.stream == stream);
        let replaces = older.map(|(older, _)| *older);
        if let Some(older) = replaces {
            self.close(older, CloseReason::Replaced);
        }
        self.events.push_back(GatewayEvent::SessionOpened { session: id, stream, replaces, latency });
    }

    /// "I do not know this index": rate-limited and never larger than what came.
    fn reset(&mut self, now: Instant, route: Route, index: u32, len: usize) {
        self.rejected.unknown_index += 1;
        if now >= self.resets_at {
            self.resets_at = now + Duration::from_secs(1);
            self.resets_left = RESETS_PER_SECOND;
        }
        let mut buffer = [0; 8];
        let mut writer = Writer::new(&mut buffer);
        if self.resets_left > 0
            && self.outbox.len() < MAX_OUTBOX
            && encode_reset(index, &mut writer).is_ok()
            && writer.len() <= len
        {
            self.resets_left -= 1;
            self.outbox.push_back((route, writer.written().to_vec()));
        }
    }

    /// A free index; the first byte names the worker, of which there is one.
    fn draw_index(&mut self) -> u32 {
        loop {
            let index = self.rng.next_u32() >> 8;
            if !self.indices.contains_key(&index) {
                return index;
            }
        }
    }
}

/// Half-open handshakes at a time.
const MAX_HALF_OPEN: usize = 64;
/// Ways over which one handshake is answered.
const MAX_ROUTES: usize = 16;
/// Until the unit has proven itself, no more bytes go out than this times what came (RFC 9000 §8.1).
const AMPLIFICATION: usize = 3;
/// Answers to strangers that wait for the socket.
const MAX_OUTBOX: usize = 1_024;
/// A few streams, each with a session that is about to be replaced.
const MAX_SESSIONS_OF_UNIT: usize = 8;
const RESETS_PER_SECOND: u32 = 100;
