//! From a datagram to its session: handshakes, joins, indices, resets.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::envelope::{Sealed, encode_reset};
use bondbox_wire::frame::{Clock, Frame, Frames};
use bondbox_wire::handshake::{Handshake, encode_version};
use rand_chacha::rand_core::Rng;

use super::admission::{Admit, ask};
use super::session::{Arrival, Session};
use super::{CloseReason, Gateway, GatewayEvent, Route, SessionId, StreamKey};
use crate::handshake::{Accepted, GatewayHandshake, GatewayParams, HandshakeRefused, MAX_LATENCY};
use crate::receiver::Receiver;

impl Gateway {
    pub(super) fn on_handshake(&mut self, now: Instant, route: Route, len: usize, piece: &Handshake<'_>) {
        self.expire_pairings(now);
        match self.admission.admit(now, route, piece) {
            Admit::Going => {}
            Admit::Begin(place) => {
                let session_index = self.draw_index();
                let params = GatewayParams { session_index, latency: self.config.latency, pairing: Vec::new() };
                let handshake = GatewayHandshake::new(piece.id, &self.tls, params);
                self.admission.begin(now, piece.id, place, handshake, session_index);
            }
            Admit::Ask(cookie) => {
                self.rejected.cookie_asked += 1;
                let question = ask(piece.id, &cookie);
                if question.len() <= len {
                    self.say(route, question);
                }
                return;
            }
            Admit::Full => {
                self.rejected.half_open_full += 1;
                return;
            }
            Admit::Over => return,
        }
        let Some((handshake, index)) = self.admission.get(piece.id) else { return };
        let accepted = match handshake.handle(&self.tls, piece) {
            Ok(accepted) => accepted,
            Err(refused) => {
                let counter = match refused {
                    HandshakeRefused::UnknownUnit => &mut self.rejected.unknown_unit,
                    HandshakeRefused::UnknownCode => &mut self.rejected.unknown_code,
                    HandshakeRefused::Malformed => &mut self.rejected.failed_handshake,
                };
                *counter += 1;
                if !handshake.speaks() {
                    return self.admission.end(piece.id);
                }
                None
            }
        };
        let (answers, more) = self.admission.answer(piece.id, route, len);
        self.rejected.amplification += u64::from(more);
        answers.into_iter().for_each(|answer| self.say(route, answer));
        if let Some(accepted) = accepted {
            // The unit has all that was to be said: without it, it could not have ended.
            self.admission.end(piece.id);
            self.open_session(now, accepted, index);
        }
    }

    /// A few words to someone unproven.
    fn say(&mut self, route: Route, datagram: Vec<u8>) {
        if self.outbox.len() < MAX_OUTBOX {
            self.outbox.push_back((route, datagram));
        }
    }

    fn open_session(&mut self, now: Instant, accepted: Accepted, index: u32) {
        if let Some(code) = &accepted.vouched {
            self.pair(accepted.unit, code);
        }
        let stream = StreamKey { unit: accepted.unit, name: accepted.params.stream.clone() };
        if self.indices.contains_key(&index) {
            // Drawn by another meanwhile, once in a million times: the unit begins anew.
            return;
        }
        self.make_room(&stream);
        let id = SessionId(self.next_session);
        self.next_session += 1;
        let told = self.latencies.get(&stream).copied();
        let latency = told.or(self.config.latency).unwrap_or(accepted.params.latency).min(MAX_LATENCY);
        let clock = Clock { sender: now, receiver: now, drift_ppb: 0 };
        let mut receiver = Receiver::new(now, latency, &self.config.outputs, clock);
        if told.is_some() {
            // The handshake could not say so.
            receiver.set_latency(latency);
        }
        self.indices.insert(index, (id, 0));
        self.sessions.insert(id, Session::new(now, index, self.origin, stream, receiver, accepted));
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
        self.announce(now, id);
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
        self.lend(id);
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let mut closed = false;
        for frame in Frames::new(plain) {
            let arrival = match frame {
                Ok(frame) => session.on_frame(now, path, &frame),
                Err(error) => {
                    self.rejected.on_frame_error(error);
                    break;
                }
            };
            match arrival {
                Arrival::Taken => {}
                Arrival::OnChannel => self.events.extend(session.channel_events()),
                // Of one that is not announced it is told when that is.
                Arrival::Track(info) if session.announced => {
                    self.events.push_back(GatewayEvent::Track { session: id, info })
                }
                Arrival::Track(_) => {}
                Arrival::Rejected(count) => count(&mut self.rejected),
                Arrival::Left(index) => drop(self.indices.remove(&index)),
                Arrival::Closed => {
                    closed = true;
                    break;
                }
            }
        }
        self.lend(id);
        if closed {
            self.end(id);
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

    /// "I do not know this index": rate-limited and never larger than what came.
    fn reset(&mut self, now: Instant, route: Route, index: u32, len: usize) {
        self.rejected.unknown_index += 1;
        let mut buffer = [0; 8];
        let mut writer = Writer::new(&mut buffer);
        if encode_reset(index, &mut writer).is_ok() && writer.len() <= len && self.may_answer(now) {
            self.say(route, writer.written().to_vec());
        }
    }

    /// A handshake of another version: "this is the one that is spoken here", two bytes, and only to who has said more. It is not
    /// authenticated, and a unit does no more with it than show it.
    pub(super) fn on_other_version(&mut self, now: Instant, route: Route, len: usize) {
        let mut buffer = [0; 2];
        let mut writer = Writer::new(&mut buffer);
        // Who has said as little is another gateway, and would be answered by ours for ever.
        if encode_version(&mut writer).is_ok() && len > writer.len() && self.may_answer(now) {
            self.say(route, writer.written().to_vec());
        }
    }

    /// Of answers to those who have proven nothing so many go out in a second.
    fn may_answer(&mut self, now: Instant) -> bool {
        if now >= self.answers_at {
            self.answers_at = now + Duration::from_secs(1);
            self.answers_left = ANSWERS_PER_SECOND;
        }
        let may = self.answers_left > 0;
        self.answers_left = self.answers_left.saturating_sub(1);
        may
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

/// Answers to strangers that wait for the socket.
const MAX_OUTBOX: usize = 1_024;
/// A few streams, each with a session that is about to be replaced.
const MAX_SESSIONS_OF_UNIT: usize = 8;
const ANSWERS_PER_SECOND: u32 = 100;
