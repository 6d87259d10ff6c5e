//! The unit's end: takes units, and spreads them over its links.
//!
//! Drive it like this: feed it with [`Sender::push`], [`Sender::handle_datagram`], [`Sender::add_link`]; after each input,
//! and at [`Sender::deadline`] after [`Sender::handle_timeout`], call [`Sender::poll_transmit`] until it gives nothing, and
//! [`Sender::poll_event`] likewise.

mod clock;
mod delay;
mod drain;
mod encoder;
mod features;
mod link;
mod liveness;
mod loss;
mod messages;
mod mtu;
mod pacing;
mod path;
mod policy;
mod radio;
mod rate;
mod returned;
mod schedule;
mod session;
mod status;
mod store;
mod tracing;
mod units;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};
use bondbox_wire::envelope::{Envelope, EnvelopeError};
use bondbox_wire::frame::{TrackKind, UnitHeader};
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

pub use crate::handshake::NoSession;
pub use encoder::Headroom;
pub use features::{Feature, Features};
pub use link::LinkName;
pub use policy::{LinkUse, Policy};
pub use radio::RadioReport;
pub use status::{LinkStatus, SenderStatus, SessionState};

use crate::channel::{ChannelEvent, Channels};
use crate::counters::Rejected;
use crate::crypto::{Identity, PairingSecret, PublicKey};
use crate::receiver::Delivered;
use crate::trace::{self, Side, Trace};
use crate::window::WindowSum;
use encoder::EncoderTarget;
use link::Link;
use path::Verdict;
use session::{Opening, Session};
use store::Store;

/// Whom a sender talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody: no session is opened.
    Nobody,
    /// The gateway with this key, as pinned at pairing.
    Pinned(PublicKey),
    /// Whoever knows this code, which is then pinned: [`SenderEvent::Paired`].
    Code(PairingSecret),
}

/// What a sender is to do.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// Who we are.
    pub identity: Arc<Identity>,
    /// Who we talk to.
    pub gateway: Trust,
    /// The stream's name, as [`crate::is_stream_name`] allows; with our key it says which stream this is.
    pub stream: String,
    /// From ingest to the gateway's output, at most 30 s. The gateway may set another.
    pub latency: Duration,
    /// From the gateway's ingest to our output, of return tracks; at most 30 s.
    pub return_latency: Duration,
    /// How much of the links' capacity is kept free.
    pub headroom: Headroom,
    /// Least and most that the encoder may be told.
    pub encoder_range: (Bitrate, Bitrate),
    /// What the encoder is told first.
    pub encoder_start: Bitrate,
    /// Which link takes a packet.
    pub policy: Policy,
    /// Which parts of the engine are on.
    pub features: Features,
}

/// A track's description, for the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its id.
    pub track: TrackId,
    /// What its units are.
    pub kind: TrackKind,
    /// Picture width in pixels, 0 without picture.
    pub width: u16,
    /// Picture height in pixels, 0 without picture.
    pub height: u16,
    /// Frames a second times 1,000, or samples a second; 0 when unknown.
    pub rate: u32,
    /// Sound channels, 0 without sound.
    pub channels: u8,
    /// For people, at most 64 bytes.
    pub label: String,
}

/// A unit to send: an access unit, or a datagram of an opaque track.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The track.
    pub track: TrackId,
    /// When to show it; `None` for opaque tracks.
    pub pts: Option<Instant>,
    /// When to decode it; `None` is as `pts`.
    pub dts: Option<Instant>,
    /// What it means to lose it.
    pub priority: Priority,
    /// Decoding can start here.
    pub keyframe: bool,
    /// Something before it is missing at the source.
    pub discontinuity: bool,
    /// Its bytes.
    pub payload: Bytes,
}

impl Unit {
    /// A datagram of an opaque track.
    pub const fn datagram(track: TrackId, priority: Priority, payload: Bytes) -> Self {
        Self { track, pts: None, dts: None, priority, keyframe: false, discontinuity: false, payload }
    }

    /// What travels with it when it is taken in now.
    pub(crate) fn header(&self, now: Instant) -> UnitHeader {
        let offset = |to: Option<Instant>, from: Instant| {
            to.map_or(0, |to| to.micros_since(from).clamp(i32::MIN.into(), i32::MAX.into()) as i32)
        };
        UnitHeader {
            priority: self.priority,
            keyframe: self.keyframe,
            discontinuity: self.discontinuity,
            ingest_low: now.as_micros() as u32,
            pts_offset: offset(self.pts, now),
            dts_offset: self.pts.map_or(0, |pts| offset(self.dts, pts)),
            skips: 0,
        }
    }
}

/// What happened at the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// Media can flow; units wait this long at the gateway.
    SessionOpened {
        /// The latency that holds.
        latency: Duration,
    },
    /// Units will wait this long at the gateway, which gets there by 50 ms a second.
    LatencyChanged {
        /// The latency that will hold.
        latency: Duration,
    },
    /// Nothing was acknowledged on any link for a second.
    SessionDark,
    /// Something was acknowledged again.
    SessionBack,
    /// A gateway knew the code, and has let us in: it is the one that is talked to from now on.
    Paired {
        /// Its key, to be pinned.
        gateway: PublicKey,
    },
    /// A session was to be opened, and none was; it is tried again.
    HandshakeFailed(NoSession),
    /// What the encoder may produce from now on.
    TargetBitrate(Bitrate),
    /// The gateway needs a keyframe on this track.
    KeyframeWanted(TrackId),
    /// A link joined, fell silent or came back.
    LinkChanged {
        /// The link.
        link: LinkId,
        /// Its new state.
        state: bondbox_wire::frame::LinkState,
    },
    /// A link that was removed has nothing in flight any more.
    LinkLeft(LinkId),
    /// A message came, or one of ours is over.
    Channel(ChannelEvent),
    /// A unit of a return track is due.
    Unit(Delivered),
}

/// A datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Over this link.
    pub link: LinkId,
    /// Bytes at the front of the buffer.
    pub len: usize,
}

/// The sending engine.
pub struct Sender {
    config: SenderConfig,
    rng: ChaCha8Rng,
    /// Tells the gateway that our sessions have one clock and one count of units.
    life: [u8; 8],
    links: BTreeMap<LinkId, Link>,
    usage: BTreeMap<LinkId, LinkUse>,
    tracks: BTreeMap<TrackId, TrackInfo>,
    store: Store,
    session: Option<Session>,
    opening: Opening,
    encoder: EncoderTarget,
    encode_delay: Duration,
    produced: WindowSum<10>,
    events: VecDeque<SenderEvent>,
    next_tick: Instant,
    /// What [`Sender::handle_datagram`] works with.
    verdicts: Vec<Verdict>,
    rejected: Rejected,
    units_in: u64,
    sessions: u64,
    dark: bool,
    /// Who has shown that it knows the code, though no session with it was opened yet.
    vouched: Option<PublicKey>,
    /// When a RESET was believed last.
    reset_at: Option<Instant>,
    /// When a keyframe was asked for last.
    keyframes: BTreeMap<TrackId, Instant>,
    /// Units that nothing builds on since the last one that something does, of each track.
    disposable: BTreeMap<TrackId, u16>,
    channels: Channels,
    trace: Trace,
    sampled: Instant,
}

impl Sender {
    /// A sender without links. `seed` feeds the ids it draws; they must differ from run to run, or the gateway takes
    /// this run for the one before; they need not be secret.
    ///
    /// # Panics
    ///
    /// When the stream's name is not allowed.
    pub fn new(now: Instant, mut config: SenderConfig, seed: u64) -> Self {
        config.latency = config.latency.min(crate::handshake::MAX_LATENCY);
        config.return_latency = config.return_latency.min(crate::handshake::MAX_LATENCY);
        assert!(crate::is_stream_name(&config.stream), "a stream may not be called {:?}", config.stream);
        let headroom = if config.features.has(Feature::Headroom) { config.headroom } else { Headroom::None };
        let encoder = EncoderTarget::new(now, headroom, config.encoder_range, config.encoder_start);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut life = [0; 8];
        rng.fill_bytes(&mut life);
        Self {
            config,
            channels: Channels::new(now, rng.next_u32()),
            rng,
            life,
            links: BTreeMap::new(),
            usage: BTreeMap::new(),
            tracks: BTreeMap::new(),
            store: Store::default(),
            session: None,
            opening: Opening::Waiting { until: now },
            encoder,
            encode_delay: Duration::ZERO,
            produced: WindowSum::default(),
            events: VecDeque::new(),
            next_tick: now,
            verdicts: Vec::with_capacity(path::ACKED),
            rejected: Rejected::default(),
            units_in: 0,
            sessions: 0,
            dark: false,
            vouched: None,
            reset_at: None,
            keyframes: BTreeMap::new(),
            disposable: BTreeMap::new(),
            trace: Trace::new(now, Side::Unit, trace::UNIT_BYTES),
            sampled: now,
        }
    }

    /// Sends over this link too. Its name is for people, at most 15 bytes. One that is there already begins anew.
    pub fn add_link(&mut self, now: Instant, id: LinkId, name: &str) {
        self.links.insert(id, Link::new(name));
        let usage = self.usage.get(&id).copied().unwrap_or_default();
        for session in self.session.iter_mut().chain(self.opening.session()) {
            session.leave(now, id, &mut self.store);
            session.join(now, id, usage, &mut self.rng);
        }
        self.hurry_opening(now);
        self.next_tick = now;
    }

    /// Uses a link like this from now on, also when it leaves and comes back.
    pub fn set_link_use(&mut self, id: LinkId, usage: LinkUse) {
        self.usage.insert(id, usage);
        for session in self.session.iter_mut().chain(self.opening.session()) {
            session.set_use(id, usage);
        }
    }

    /// Sends over this link no more. What is in flight on it is sent on others if it is not acknowledged.
    pub fn remove_link(&mut self, now: Instant, id: LinkId) {
        if self.links.remove(&id).is_none() {
            return;
        }
        for session in self.session.iter_mut().chain(self.opening.session()) {
            session.leave(now, id, &mut self.store);
        }
        self.forget_pieces(id);
        self.events.push_back(SenderEvent::LinkLeft(id));
        self.next_tick = now;
    }

    /// Talks to somebody else from the next session on, also after [`Sender::close`]; one that is open goes on.
    pub fn set_gateway(&mut self, now: Instant, gateway: Trust) {
        self.config.gateway = gateway;
        self.vouched = None;
        if !matches!(self.opening, Opening::Idle) {
            self.opening = Opening::Waiting { until: now };
            self.next_tick = now;
        }
    }

    /// Whom it talks to.
    pub const fn gateway(&self) -> &Trust {
        &self.config.gateway
    }

    /// Ends the session: the gateway is told on every link with the next transmits, and no other is opened until
    /// [`Sender::set_gateway`].
    pub fn close(&mut self) {
        self.opening = Opening::Closed;
        if let Some(session) = &mut self.session {
            session.close();
        }
    }

    /// Tells the gateway what a track is, now and in each new session.
    pub fn set_track(&mut self, info: TrackInfo) {
        if self.tracks.insert(info.track, info.clone()) != Some(info)
            && let Some(session) = &mut self.session
        {
            session.tracks_told = false;
        }
    }

    /// Tells how long units took from the camera to here, for the gateway's page.
    pub const fn set_encode_delay(&mut self, delay: Duration) {
        self.encode_delay = delay;
    }

    /// Takes a unit in: it is due at the gateway's output one latency from now.
    pub fn push(&mut self, now: Instant, unit: Unit) {
        let header = UnitHeader { skips: self.skips(&unit), ..unit.header(now) };
        self.units_in += 1;
        self.produced.add(now, unit.payload.len() as u64);
        let deadline = now + self.latency();
        self.store.push(now, unit.track, header, unit.payload, deadline);
    }

    /// Units of the track right before `unit` that nothing builds on.
    fn skips(&mut self, unit: &Unit) -> u16 {
        if unit.pts.is_none() {
            return 0;
        }
        let run = self.disposable.entry(unit.track).or_default();
        let skips = if unit.keyframe { 0 } else { *run };
        *run = if unit.priority == Priority::Disposable { run.saturating_add(1) } else { 0 };
        skips
    }

    /// Takes in a datagram that came over `link`; it is opened in place.
    pub fn handle_datagram(&mut self, now: Instant, link: LinkId, datagram: &mut [u8]) {
        self.trace.set_now(now);
        match Envelope::decode(datagram) {
            Ok(Envelope::Handshake(piece)) => self.on_handshake(now, link, &piece),
            Ok(Envelope::Reset { index }) => self.on_reset(now, index),
            Ok(Envelope::Data { index, sealed }) => self.on_data(now, link, index, sealed, datagram),
            Ok(Envelope::Join { .. }) => self.rejected.unexpected_join += 1,
            Err(error) => {
                self.rejected.on_envelope_error(error);
                if let EnvelopeError::Version(version) = error {
                    self.on_other_version(version);
                }
            }
        }
    }

    /// Looks at the clock.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.put_out_returned(now);
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.trace.set_now(now);
        self.drive_opening(now);
        self.drive_session(now);
        self.channels.handle_timeout(now);
        self.sample(now);
    }

    /// Writes the next datagram to send into `buffer`, which has room for [`bondbox_wire::MAX_DATAGRAM`] bytes.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let sent = self.transmit_opening(now, buffer).or_else(|| self.transmit_session(now, buffer))?;
        self.trace_sent(now, sent);
        Some(sent)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        let event = self.events.pop_front().or_else(|| self.channels.poll_event().map(SenderEvent::Channel))?;
        self.trace_event(&event);
        Some(event)
    }

    /// When to call [`Sender::handle_timeout`] and [`Sender::poll_transmit`] again at the latest.
    pub fn deadline(&self, now: Instant) -> Instant {
        let paced = self.session.as_ref().and_then(|session| session.next_ready(now, &self.store));
        let returned = self.session.as_ref().and_then(|session| session.returned.as_ref()?.deadline(now));
        // Timers of all links fire together, once a millisecond.
        let first = [paced, returned].into_iter().flatten().min();
        first.map_or(self.next_tick, |at| at.max(now + COALESCE).min(self.next_tick))
    }

    /// Datagrams that were not taken, by reason.
    pub const fn rejected(&self) -> &Rejected {
        &self.rejected
    }

    /// Packets that are kept in mind.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.session.iter().flat_map(|session| session.paths.values()).map(path::Path::remembered).sum()
    }

    /// As if enough had been sealed to rotate the keys.
    #[cfg(test)]
    pub(crate) fn wear_out_keys(&mut self) {
        self.session.iter_mut().for_each(Session::wear_out_keys);
    }

    /// Of the open session's keys.
    #[cfg(test)]
    pub(crate) fn phase(&self) -> bool {
        self.session.as_ref().is_some_and(Session::phase)
    }

    fn latency(&self) -> Duration {
        self.session.as_ref().map_or(self.config.latency, |session| session.latency)
    }
}

/// Timers that are not about pacing need no finer grain.
const TICK: Duration = Duration::from_millis(5);
/// A timer of its own for each link would wake the processor for single packets.
const COALESCE: Duration = Duration::from_millis(1);
