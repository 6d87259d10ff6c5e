//! All streams: which session feeds which outputs, and what became of those that have ended.
//!
//! A stream is a unit's key and a name. It outlives its sessions: a newer one goes on where the older left off.

mod history;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bondbox_bond::channel::{Channel, ChannelEvent};
use bondbox_bond::gateway::{CloseReason, GatewayEvent, SessionId, SessionStatus, StreamKey};
use bondbox_bond::receiver::{Delivered, OutputId};
use bondbox_units::Instant;
use bytes::Bytes;

use crate::output::{Counters, Deliver, Directory, Outputs};
use crate::report::{Headline, status};
use history::History;

/// Every stream of this gateway.
pub(crate) struct Streams {
    deliver: Option<SocketAddr>,
    record: Option<PathBuf>,
    directory: Arc<Directory>,
    by_key: BTreeMap<StreamKey, Stream>,
    sessions: BTreeMap<SessionId, StreamKey>,
    /// Who has the one place that datagrams go to.
    delivered: Option<StreamKey>,
    /// A session has opened or closed since [`Streams::status`] was last asked.
    turned: bool,
}

/// One stream.
pub(crate) struct Stream {
    /// As it is called in addresses: its name, told apart where two units use one.
    pub(crate) name: String,
    session: Option<SessionId>,
    ended: Option<(Instant, CloseReason)>,
    pub(crate) outputs: Outputs,
    pub(crate) history: History,
    /// Of its session, as last seen.
    pub(crate) last: Option<SessionStatus>,
    /// What of it those who look are told at once.
    shown: Headline,
    /// What the unit last said of itself.
    pub(crate) telemetry: Option<Bytes>,
}

impl Streams {
    pub(crate) fn new(deliver: Option<SocketAddr>, record: Option<PathBuf>, directory: Arc<Directory>) -> Self {
        Self {
            deliver,
            record,
            directory,
            by_key: BTreeMap::new(),
            sessions: BTreeMap::new(),
            delivered: None,
            turned: false,
        }
    }

    pub(crate) fn handle(&mut self, now: Instant, event: GatewayEvent) {
        match event {
            GatewayEvent::SessionOpened { session, stream, continues, latency, .. } => {
                tracing::info!(
                    stream = stream.name,
                    unit = stream.unit.fingerprint(),
                    session = session.0,
                    latency_ms = latency.as_millis() as u64,
                    "session open"
                );
                self.open(session, stream, continues);
            }
            GatewayEvent::Track { session, info } => {
                let Some(stream) = self.of(session) else { return };
                tracing::info!(stream = stream.name, track = info.track.0, kind = ?info.kind, label = info.label, "track");
                stream.outputs.set_track(session, &info);
            }
            GatewayEvent::Channel { stream, event } => self.on_channel(&stream, event),
            // Says nothing of a stream.
            GatewayEvent::Paired { .. } => {}
            GatewayEvent::Unit { session, output, unit } => self.unit(now, session, output, &unit),
            GatewayEvent::SessionClosed { session, reason } => self.close(now, session, reason),
        }
    }

    /// Everything that was put out in this turn leaves now.
    pub(crate) fn flush(&mut self) {
        self.by_key.values_mut().for_each(|stream| stream.outputs.flush());
    }

    fn on_channel(&mut self, key: &StreamKey, event: ChannelEvent) {
        let Some(stream) = self.by_key.get_mut(key) else { return };
        if let ChannelEvent::Message { channel: Channel::Telemetry, body, .. } = event {
            stream.telemetry = Some(body);
        }
    }

    /// What the unit of the stream that is called so in addresses last said of itself.
    pub(crate) fn telemetry(&self, name: &str) -> Option<Bytes> {
        self.by_key.get(self.key_of(name)?)?.telemetry.clone()
    }

    /// The stream that is called so in addresses.
    pub(crate) fn key_of(&self, name: &str) -> Option<&StreamKey> {
        self.by_key.iter().find(|(_, stream)| stream.name == name).map(|(key, _)| key)
    }

    /// Forgets streams that have been over for a while.
    pub(crate) fn tidy(&mut self, now: Instant) {
        let over = |stream: &Stream| stream.ended.is_some_and(|(at, _)| now.since(at) >= ENDED_FOR);
        for (key, stream) in self.by_key.extract_if(.., |_, stream| over(stream)) {
            self.directory.remove(&stream.name);
            if self.delivered.as_ref() == Some(&key) {
                self.delivered = None;
            }
        }
    }

    /// Whether a session or a link is in another state than when [`Streams::status`] was last asked.
    pub(crate) fn have_changed(&self, now: Instant, sessions: &[SessionStatus]) -> bool {
        let same = |session: &SessionStatus| {
            let stream = self.by_key.get(&session.stream).filter(|stream| stream.session == Some(session.session));
            stream.is_none_or(|stream| stream.shown == crate::report::headline(now, session))
        };
        self.turned || !sessions.iter().all(same)
    }

    /// Takes in what the engine says of its sessions; gives what those who look are told.
    pub(crate) fn status(&mut self, now: Instant, sessions: Vec<SessionStatus>) -> Vec<(status::Stream, Counters)> {
        self.turned = false;
        for session in sessions {
            if let Some(stream) = self.by_key.get_mut(&session.stream)
                && stream.session == Some(session.session)
            {
                stream.history.add(now, &session);
                stream.shown = crate::report::headline(now, &session);
                stream.last = Some(session);
            }
        }
        let shown = |stream: &Stream| Some((crate::report::stream(now, stream)?, stream.outputs.counters()));
        self.by_key.values().filter_map(shown).collect()
    }

    fn open(&mut self, session: SessionId, key: StreamKey, continues: bool) {
        if !self.by_key.contains_key(&key) {
            let stream = self.new_stream(&key);
            self.directory.insert(&stream.name, stream.outputs.live().clone());
            self.by_key.insert(key.clone(), stream);
        }
        if let Some(stream) = self.by_key.get_mut(&key) {
            if !continues {
                stream.outputs.new_session(session);
                stream.history = History::default();
            }
            (stream.session, stream.ended) = (Some(session), None);
        }
        self.sessions.insert(session, key);
        self.turned = true;
    }

    fn new_stream(&mut self, key: &StreamKey) -> Stream {
        let taken = self.by_key.values().any(|stream| stream.name == key.name);
        let name = if taken { format!("{}-{}", key.name, key.unit.fingerprint()) } else { key.name.clone() };
        let deliver = match (self.deliver, &self.delivered) {
            (Some(to), None) => {
                self.delivered = Some(key.clone());
                Deliver::To(to)
            }
            (Some(to), Some(_)) => {
                tracing::warn!(stream = name, %to, "not delivered: another stream goes there");
                Deliver::Taken(to)
            }
            (None, _) => Deliver::Nowhere,
        };
        Stream {
            outputs: Outputs::new(&name, deliver, self.record.as_deref()),
            name,
            session: None,
            ended: None,
            history: History::default(),
            last: None,
            shown: Headline::default(),
            telemetry: None,
        }
    }

    fn unit(&mut self, now: Instant, session: SessionId, output: OutputId, unit: &Delivered) {
        let Some(stream) = self.of(session) else { return };
        if output == OutputId::LIVE {
            stream.history.on_output(now.since(unit.due));
            stream.outputs.live_unit(now, unit);
        } else {
            stream.outputs.recorded_unit(session, unit);
        }
    }

    fn close(&mut self, now: Instant, session: SessionId, reason: CloseReason) {
        let Some(stream) = self.of(session) else { return };
        tracing::info!(stream = stream.name, session = session.0, ?reason, "session closed");
        stream.outputs.session_over(session);
        if stream.session == Some(session) {
            (stream.session, stream.ended) = (None, Some((now, reason)));
        }
        self.sessions.remove(&session);
        self.turned = true;
    }

    fn of(&mut self, session: SessionId) -> Option<&mut Stream> {
        self.by_key.get_mut(self.sessions.get(&session)?)
    }
}

impl Stream {
    /// Whether no session feeds it.
    pub(crate) const fn is_over(&self) -> bool {
        self.session.is_none()
    }

    /// Why its last session ended, where none feeds it.
    pub(crate) fn ending(&self) -> Option<CloseReason> {
        self.ended.map(|(_, reason)| reason)
    }
}

/// How long a stream that is over is shown, and its viewers and recording wait.
const ENDED_FOR: Duration = Duration::from_secs(60);
