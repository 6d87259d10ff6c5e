//! What outlives a stream's sessions: its trace, and the messages on its channels.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::frame::Channel;
use bytes::Bytes;

use super::session::Session;
use super::{Gateway, GatewayEvent, SessionId, StreamKey};
use crate::channel::{Channels, MessageId, Refused};
use crate::sender::Unit;
use crate::trace::{Side, Trace, TraceEvent};

/// Of a stream whose session is over.
pub(super) struct Kept {
    trace: Trace,
    channels: Channels,
}

impl Gateway {
    /// What happened to a stream lately, if it is there or ended not long ago.
    pub fn trace(&self, stream: &StreamKey) -> Option<&Trace> {
        let open = self.sessions.values().rev().find(|session| session.announced && session.stream == *stream);
        let ended = || self.kept.iter().find(|(ended, _)| ended == stream).map(|(_, kept)| &kept.trace);
        open.map(|session| &session.trace).or_else(ended)
    }

    /// Sends a message to the unit of a stream, in this session or the next ones, until it is acknowledged or `expiry` is
    /// over: [`GatewayEvent::Channel`] tells which.
    ///
    /// # Errors
    /// [`Refused`] when it is too long, too many wait, or there is no such stream.
    pub fn send_message(
        &mut self,
        now: Instant,
        stream: &StreamKey,
        channel: Channel,
        body: Bytes,
        expiry: Duration,
    ) -> Result<MessageId, Refused> {
        let open = self.sessions.values_mut().rev().find(|session| session.announced && session.stream == *stream);
        let ended = self.kept.iter_mut().find(|(ended, _)| ended == stream).map(|(_, kept)| &mut kept.channels);
        let channels = open.map(|session| &mut session.channels).or(ended).ok_or(Refused::NoStream)?;
        channels.send(now, channel, body, expiry)
    }

    /// Sends a unit of a return track to the unit of a stream; [`SessionStatus::returned`](super::SessionStatus::returned)
    /// says what became of those before. A new session begins without those that were on their way.
    ///
    /// # Errors
    /// [`Refused`] when it is too long, too much waits, or the stream has no session.
    pub fn push(&mut self, now: Instant, stream: &StreamKey, unit: Unit) -> Result<(), Refused> {
        // The unit listens in the newest one.
        let open = self.sessions.values_mut().rev().find(|session| session.is_joined() && session.stream == *stream);
        open.ok_or(Refused::NoStream)?.returned.push(now, unit)
    }

    /// A session is over; its stream may go on in another.
    pub(super) fn keep(&mut self, session: &mut Session) {
        session.kept = true;
        let mut trace = std::mem::replace(&mut session.trace, Trace::new(Instant::ZERO, Side::Gateway, 0));
        trace.record_then(&TraceEvent::SessionClosed);
        let channels = std::mem::replace(&mut session.channels, Channels::new(Instant::ZERO, self.origin));
        self.kept.push_back((session.stream.clone(), Kept { trace, channels }));
        if self.kept.len() > MAX_ENDED
            && let Some((stream, mut kept)) = self.kept.pop_front()
        {
            kept.channels.give_up();
            self.events.extend(events(&stream, &mut kept.channels));
        }
    }

    /// The first link of a session has joined: its stream goes on, if it was there before.
    pub(super) fn resume(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(at) = self.kept.iter().position(|(stream, _)| *stream == session.stream)
            && let Some((_, Kept { mut trace, channels })) = self.kept.remove(at)
        {
            trace.append(&session.trace);
            (session.trace, session.channels) = (trace, channels);
        }
        session.channels.begin_session();
        session
            .trace
            .record(now, &TraceEvent::SessionOpened { session: session.index, latency: session.receiver.latency() });
    }

    /// Messages to streams that are over expire like any others.
    pub(super) fn expire_kept(&mut self, now: Instant) {
        for (stream, kept) in &mut self.kept {
            kept.channels.handle_timeout(now);
            self.events.extend(events(stream, &mut kept.channels));
        }
    }
}

/// What happened on a stream's channels.
pub(super) fn events(stream: &StreamKey, channels: &mut Channels) -> Vec<GatewayEvent> {
    let events = std::iter::from_fn(|| channels.poll_event());
    events.map(|event| GatewayEvent::Channel { stream: stream.clone(), event }).collect()
}

/// Streams that are remembered after their end.
const MAX_ENDED: usize = 8;
