//! The gateway's end: handshakes, sessions of many units, and their paths, all behind one UDP port.
//!
//! Drive it like [`crate::Sender`]: feed datagrams, look at the clock at the deadline, drain transmits and events.

mod admission;
mod endpoint;
mod kept;
mod pairing;
mod session;
mod status;
mod succession;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bondbox_units::{Instant, TrackId};
use bondbox_wire::envelope::{Envelope, EnvelopeError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use pairing::{MAX_PAIRINGS, TooManyPairings};
pub use status::{OutputStatus, PathStatus, SessionStatus, TrackStatus, UnitReport};

use crate::channel::ChannelEvent;
use crate::counters::Rejected;
use crate::crypto::{GatewayTls, Identity, PairingSecret, PublicKey};
use crate::handshake::MAX_LATENCY;
use crate::receiver::{Delivered, OnDamage, OutputId, Outputs};
use crate::sender::TrackInfo;
use crate::trace::{Fate, TraceEvent};
use admission::Admission;
use kept::Kept;
use session::Session;

/// What a gateway is to do.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// Units that may open sessions.
    pub units: Vec<PublicKey>,
    /// From a unit's ingest to our live output; `None` leaves it to the unit.
    pub latency: Option<Duration>,
    /// What each session puts out.
    pub outputs: Outputs,
}

/// The way a datagram came, and its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The other end.
    pub remote: SocketAddr,
    /// Our address, where the socket has several.
    pub local: Option<IpAddr>,
}

/// A session, never used twice in one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A stream: what stays the same when its unit opens another session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The unit.
    pub unit: PublicKey,
    /// The name that the unit gave it.
    pub name: String,
}

/// What happened at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayEvent {
    /// A unit knew a pairing code: from now on it may open sessions, and the code lets nobody else in.
    Paired {
        /// The unit.
        unit: PublicKey,
        /// Of its code.
        code: PairingSecret,
    },
    /// A unit opened a session.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// Its stream.
        stream: StreamKey,
        /// The session that it replaces.
        replaces: Option<SessionId>,
        /// Units and clock of that session go on: there is nothing to begin anew.
        continues: bool,
        /// From the unit's ingest to our live output.
        latency: Duration,
    },
    /// The unit said what a track is.
    Track {
        /// The session.
        session: SessionId,
        /// The track.
        info: TrackInfo,
    },
    /// A unit is due.
    Unit {
        /// The session.
        session: SessionId,
        /// At this output; each gets its own.
        output: OutputId,
        /// The unit.
        unit: Delivered,
    },
    /// A message came, or one of ours is over.
    Channel {
        /// The stream.
        stream: StreamKey,
        /// What happened.
        event: ChannelEvent,
    },
    /// A session is over.
    SessionClosed {
        /// The session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The unit closed it.
    ByUnit,
    /// The unit opened another one for the same stream.
    Replaced,
    /// Nothing came for a minute.
    Silent,
    /// The unit's key is no longer among those that may open sessions.
    Revoked,
}

/// The receiving engine for all units.
pub struct Gateway {
    config: GatewayConfig,
    tls: GatewayTls,
    /// The codes that let a unit in, and until when.
    pairings: Vec<(PairingSecret, Instant)>,
    rng: ChaCha8Rng,
    admission: Admission,
    sessions: BTreeMap<SessionId, Session>,
    /// By the index in a DATA datagram: the session and its path's id; by that in a JOIN: the session and 0.
    indices: HashMap<u32, (SessionId, u32)>,
    next_session: u64,
    outbox: VecDeque<(Route, Vec<u8>)>,
    events: VecDeque<GatewayEvent>,
    answers_at: Instant,
    answers_left: u32,
    rejected: Rejected,
    /// What our messages are known by.
    origin: u32,
    /// Of streams that were told another than the settings say.
    latencies: BTreeMap<StreamKey, Duration>,
    /// Of streams that have ended, the oldest first.
    kept: VecDeque<(StreamKey, Kept)>,
}

impl Gateway {
    /// A gateway without sessions. `seed` feeds the indices it draws; they must differ from run to run, not be secret.
    pub fn new(now: Instant, config: GatewayConfig, seed: u64) -> Self {
        let tls = GatewayTls::new(&config.identity, config.units.iter().copied());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let origin = rng.next_u32();
        Self {
            config,
            tls,
            pairings: Vec::new(),
            rng,
            admission: Admission::new(now),
            sessions: BTreeMap::new(),
            indices: HashMap::new(),
            next_session: 1,
            outbox: VecDeque::new(),
            events: VecDeque::new(),
            answers_at: now,
            answers_left: 0,
            rejected: Rejected::default(),
            origin,
            latencies: BTreeMap::new(),
            kept: VecDeque::new(),
        }
    }

    /// Sets which units may open sessions. Sessions of others end at once.
    pub fn set_units(&mut self, units: Vec<PublicKey>) {
        self.tls.set_units(units.iter().copied());
        let revoked = self.sessions.iter().filter(|(_, session)| !units.contains(&session.stream.unit));
        let revoked: Vec<_> = revoked.map(|(id, _)| *id).collect();
        self.config.units = units;
        revoked.into_iter().for_each(|id| self.close(id, CloseReason::Revoked));
    }

    /// Sets how long the units of a stream wait for the live output, in this session and the next ones, up to 30 s. It gets
    /// there by 50 ms a second, and the unit is told. `false` when there is no such stream.
    pub fn set_latency(&mut self, stream: &StreamKey, latency: Duration) -> bool {
        let mut known = false;
        for session in self.sessions.values_mut().filter(|session| session.stream == *stream) {
            session.receiver.set_latency(latency);
            known |= session.announced;
        }
        if known {
            self.latencies.insert(stream.clone(), latency.min(MAX_LATENCY));
        }
        known
    }

    /// Sets what is done with damaged units of a track of a session, and of those that go on with it.
    pub fn set_on_damage(&mut self, session: SessionId, track: TrackId, on_damage: OnDamage) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.receiver.set_on_damage(track, on_damage);
        }
    }

    /// Takes in a datagram; it is opened in place.
    pub fn handle_datagram(&mut self, now: Instant, route: Route, datagram: &mut [u8]) {
        match Envelope::decode(datagram) {
            Ok(Envelope::Handshake(piece)) => {
                let len = datagram.len();
                self.on_handshake(now, route, len, &piece);
            }
            Ok(Envelope::Join { session, path, sealed }) => self.on_join(now, route, session, path, sealed, datagram),
            Ok(Envelope::Data { index, sealed }) => self.on_data(now, route, index, sealed, datagram),
            Ok(Envelope::Reset { .. }) => self.rejected.stray_reset += 1,
            Err(error) => {
                self.rejected.on_envelope_error(error);
                if let EnvelopeError::Version(_) = error {
                    self.on_other_version(now, route, datagram.len());
                }
            }
        }
    }

    /// Looks at the clock: lets units out, ends what has timed out. Of a session with very many that are due only some leave
    /// at a time, and [`Gateway::deadline`] is past until the last of them has: other sessions' do not wait for all of these.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.admission.expire(now);
        self.expire_pairings(now);
        let patience = |session: &Session| if session.announced { SESSION_SILENCE } else { JOIN_WITHIN };
        let silent = self.sessions.iter().filter(|(_, session)| now - session.last_arrival() >= patience(session));
        let silent: Vec<_> = silent.map(|(id, _)| *id).collect();
        silent.into_iter().for_each(|id| self.close(id, CloseReason::Silent));
        self.expire_kept(now);
        self.put_out(now, UNITS_A_TURN);
        for session in self.sessions.values_mut().filter(|session| session.announced) {
            session.sample(now);
            session.channels.handle_timeout(now);
            self.events.extend(session.channel_events());
        }
        self.sessions.values_mut().for_each(|session| session.retire_keys(now));
        self.settle(now);
    }

    /// Lets out all units that wait, at every output, though their time has not come: nothing more is to be heard.
    pub fn finish(&mut self, now: Instant) {
        loop {
            self.put_out(now + MAX_LATENCY + FINISH_MARGIN, usize::MAX);
            let before = self.sessions.len();
            self.settle(now);
            if self.sessions.len() == before {
                return;
            }
            // Who waited for one that is over now has its turn, too.
        }
    }

    /// Units that are due, so many of each session.
    fn put_out(&mut self, now: Instant, turn: usize) {
        for (id, session) in self.sessions.iter_mut().filter(|(_, session)| session.announced) {
            let mut turn = turn;
            while let Some((output, mut unit)) = session.receiver.poll(now, &mut turn) {
                unit.discontinuity |= session.broken && session.begun.insert((output, unit.track));
                if output == OutputId::LIVE {
                    let (track, number, lateness) = (unit.track, unit.unit, now - unit.due);
                    let traced = TraceEvent::Unit { track, unit: number, fate: Fate::Delivered, lateness };
                    session.trace.record(now, &traced);
                }
                self.events.push_back(GatewayEvent::Unit { session: *id, output, unit });
            }
        }
    }

    /// Writes the next datagram to send into `buffer`, which has room for [`bondbox_wire::MAX_DATAGRAM`] bytes, and gives
    /// its way and length.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<(Route, usize)> {
        if let Some((route, datagram)) = self.outbox.pop_front() {
            buffer[..datagram.len()].copy_from_slice(&datagram);
            return Some((route, datagram.len()));
        }
        self.sessions.values_mut().find_map(|session| session.poll_transmit(now, buffer))
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<GatewayEvent> {
        self.events.pop_front()
    }

    /// When to call [`Gateway::handle_timeout`] and [`Gateway::poll_transmit`] again at the latest.
    pub fn deadline(&self, now: Instant) -> Instant {
        let sessions = self.sessions.values().filter_map(|session| session.deadline(now)).min();
        sessions.unwrap_or(Instant::FAR_FUTURE).min(now + HOUSEKEEPING)
    }

    /// Datagrams that were not taken, by reason.
    pub const fn rejected(&self) -> &Rejected {
        &self.rejected
    }

    /// Bytes of media that all sessions hold.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.sessions.values().map(|session| session.receiver.held()).sum()
    }

    /// Bytes that all sessions hold for coded repair.
    #[cfg(test)]
    pub(crate) fn held_for_coding(&self) -> usize {
        self.sessions.values().map(|session| session.coding.held()).sum()
    }

    /// As if enough had been sealed to rotate the keys of all sessions.
    #[cfg(test)]
    pub(crate) fn wear_out_keys(&mut self) {
        self.sessions.values_mut().for_each(Session::wear_out_keys);
    }

    /// Handshakes that have a place.
    #[cfg(test)]
    pub(crate) fn half_open(&self) -> usize {
        self.admission.len()
    }

    /// The most bytes that a handshake under way holds of what came.
    #[cfg(test)]
    pub(crate) fn half_open_bytes(&self) -> usize {
        self.admission.most_held()
    }

    fn close(&mut self, id: SessionId, reason: CloseReason) {
        let Some(mut session) = self.sessions.remove(&id) else { return };
        self.indices.retain(|_, (session, _)| *session != id);
        // Who is revoked is told, so that it stops; a unit that went silent or moved on needs no word.
        let (announced, behind) = (session.announced, session.behind);
        if announced && !session.kept {
            self.keep(&mut session);
        }
        if reason == CloseReason::Revoked {
            self.outbox.extend(session.farewell());
        }
        if announced {
            self.events.push_back(GatewayEvent::SessionClosed { session: id, reason });
        }
        self.release(id, behind);
    }
}

/// What a session of 20 Mbit/s brings in a tenth of a second, and half a millisecond of work.
const UNITS_A_TURN: usize = 256;
/// Beyond the longest latency, for clocks that are set apart.
const FINISH_MARGIN: Duration = Duration::from_secs(1);
/// A session survives a tunnel of a minute.
const SESSION_SILENCE: Duration = Duration::from_secs(60);
/// A unit gives up a session that none of its links could join sooner than this.
const JOIN_WITHIN: Duration = Duration::from_secs(10);
/// Grain of what times out.
const HOUSEKEEPING: Duration = Duration::from_millis(500);
