//! Sessions of the sender: opening one, joining links to it, sending and receiving in it.

mod coding;
mod late;
mod opening;
mod receive;
mod transmit;

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use coding::Coding;
pub(super) use opening::Opening;

use super::clock::Clocks;
use super::delay::delay_of;
use super::path::Path;
use super::policy::LinkUse;
use super::radio::Guidance;
use super::schedule::Candidate;
use super::store::{Again, Store};
use super::tracing::trace_shed;
use super::{Feature, Sender, SenderEvent, status};
use crate::crypto::SessionKeys;
use crate::handshake::GatewayParams;
use crate::packet::ENVELOPE;
use crate::return_track::ReturnReceiver;
use crate::trace::{TraceEvent, Why};
use crate::window::WindowSum;

/// A session: keys, and a path for each link.
pub(crate) struct Session {
    keys: SessionKeys,
    pub(super) index: u32,
    pub(super) latency: Duration,
    latency_target: Duration,
    /// The gateway has said how long units wait, after the handshake.
    latency_told: bool,
    /// For outputs that wait longer.
    spare: late::Spare,
    pub(super) paths: BTreeMap<LinkId, Path>,
    joins: BTreeMap<LinkId, Join>,
    next_path: u32,
    /// The gateway has said that it knows the tracks.
    pub(super) tracks_told: bool,
    tracks_at: Instant,
    report_at: Instant,
    clock_at: Instant,
    encoder_at: Instant,
    probe_at: Instant,
    /// Bytes that went out on another link because it was the last moment, of a whole second at least: the newest tenth has only
    /// begun.
    rescued: WindowSum<11>,
    pongs: Vec<(LinkId, u64)>,
    progress: Instant,
    opened: Instant,
    pub(super) clocks: Clocks,
    pub(super) wanted: Bitrate,
    coding: Coding,
    /// There from the first unit of a return track on.
    pub(super) returned: Option<ReturnReceiver>,
    /// Paths that were closed, and how often the gateway is still to be told.
    left: Vec<(u32, u8)>,
    /// Links on which the end of the session is still to be told; there once it was decided.
    closing: Option<Vec<LinkId>>,
}

/// When to ask again to join.
struct Join {
    at: Instant,
    interval: Duration,
}

impl Session {
    fn new(now: Instant, keys: SessionKeys, params: GatewayParams, wish: Duration) -> Self {
        Self {
            keys,
            index: params.session_index,
            latency: params.latency.unwrap_or(wish),
            latency_target: params.latency.unwrap_or(wish),
            latency_told: false,
            spare: late::Spare::new(now),
            paths: BTreeMap::new(),
            joins: BTreeMap::new(),
            next_path: 1,
            tracks_told: false,
            tracks_at: now,
            report_at: now,
            clock_at: now,
            encoder_at: now,
            probe_at: now + PROBE_INTERVAL,
            rescued: WindowSum::default(),
            pongs: vec![],
            progress: now,
            opened: now,
            clocks: Clocks::new(now),
            wanted: Bitrate::ZERO,
            coding: Coding::default(),
            returned: None,
            left: vec![],
            closing: None,
        }
    }

    /// Opens a path over `link`. Path ids are never used twice.
    pub(super) fn join(&mut self, now: Instant, link: LinkId, usage: LinkUse, rng: &mut ChaCha8Rng) {
        let mut path = Path::new(now, self.next_path, rng.next_u32(), FIRST_GUESS);
        if let Some(line) = self.clocks.line() {
            path.clock.join(*line);
        }
        path.set_latency(self.latency);
        self.next_path += 1;
        self.paths.insert(link, path);
        self.joins.insert(link, Join { at: now, interval: JOIN_INTERVAL });
        self.set_use(link, usage);
    }

    /// The operator wants a link to be used like this.
    pub(super) fn set_use(&mut self, link: LinkId, usage: LinkUse) {
        if let Some(path) = self.paths.get_mut(&link) {
            path.set_use(usage);
        }
    }

    /// Closes the path over `link`; the gateway is told with the next few reports.
    pub(super) fn leave(&mut self, now: Instant, link: LinkId, store: &mut Store) {
        self.joins.remove(&link);
        if let Some(path) = self.paths.remove(&link) {
            self.left.push((path.id, LEAVES_TOLD));
            self.report_at = now;
            path.chunks_in_flight().for_each(|chunk| store.send_again(Again::Rescue, Some(link), chunk));
        }
    }

    /// As if enough had been sealed to rotate the keys.
    #[cfg(test)]
    pub(super) const fn wear_out_keys(&mut self) {
        self.keys.wear_out();
    }

    /// Of the keys.
    #[cfg(test)]
    pub(super) const fn phase(&self) -> bool {
        self.keys.phase()
    }

    /// The next packets on all links are the last.
    pub(super) fn close(&mut self) {
        let open = self.paths.iter().filter(|(_, path)| path.peer_index.is_some());
        self.closing = Some(open.map(|(link, _)| *link).collect());
    }

    /// From leaving to arriving, of what took `relative` on the two clocks, drift left out.
    pub(super) fn one_way(&self, now: Instant, relative: i64) -> Duration {
        let nothing = self.clocks.line().map_or(relative, |line| line.offset(now) - line.drifted(now));
        delay_of(relative - nothing)
    }

    /// What a delay of nothing looks like on the two clocks, drift left out: the least delay seen, less half the least round
    /// trip. By the line's word, which may be off by a few milliseconds, units were given up that came in time after all: a
    /// tenth of a percent at 400 ms, with handovers every few seconds.
    pub(super) fn delays_from(&self) -> Option<i64> {
        let joined = || self.paths.values().filter(|path| path.peer_index.is_some());
        let least = joined().filter_map(|path| path.delay.base()).min();
        let rtt = joined().map(Path::round_trip).min();
        least.zip(rtt).map(|(least, rtt)| least - (rtt / 2).as_micros() as i64)
    }

    /// The link that delivers first.
    pub(super) fn quickest(&self, now: Instant) -> Option<LinkId> {
        let usable = self.paths.iter().filter(|(_, path)| path.is_usable());
        usable.min_by_key(|(_, path)| path.expected_delay(now)).map(|(link, _)| *link)
    }

    /// When a path can take a packet that waits.
    pub(super) fn next_ready(&self, now: Instant, store: &Store) -> Option<Instant> {
        let probing = |path: &&Path| path.is_probing() && path.is_usable();
        let any = !store.is_idle() || store.has_copies() || self.coding.is_owed();
        let again = !store.waiting_again().is_empty();
        let ready = |path: &Path| if again { path.ready_early_at(now) } else { path.ready_at(now) };
        self.paths.values().filter(|path| any && path.is_usable() || probing(path)).map(ready).min()
    }

    /// The least time from leaving to arriving over any usable link.
    fn least_delay(&self) -> Option<Duration> {
        let usable = self.paths.values().filter(|path| path.is_usable());
        let least = usable.filter_map(|path| path.delay.base()).min()?;
        Some(delay_of(least - self.delays_from()?))
    }

    /// The links that may carry media; only where something was lost, `again`, is it asked when that may leave.
    fn candidates(&self, now: Instant, again: bool) -> heapless::Vec<Candidate, MAX_LINKS> {
        let usable = self.paths.iter().filter(|(_, path)| path.is_usable());
        let offset = self.delays_from().unwrap_or(0);
        let candidate = |(link, path): (&LinkId, &Path)| {
            let free = path.ready_at(now);
            Candidate {
                link: *link,
                free,
                early: if again { path.ready_early_at(now) } else { free },
                delay: path.expected_delay(now) - offset,
                pace: path.pace(now),
                capacity: path.capacity.estimate(now),
                loss: path.loss(now),
                round_trip: path.round_trip(),
                usage: path.usage,
                redundancy: path.is_for_redundancy(now),
                sent: path.next_pn(),
                room: (path.mtu.datagram() - ENVELOPE_AND_FRAME) as u32,
            }
        };
        usable.map(candidate).take(MAX_LINKS).collect()
    }
}

impl Sender {
    /// Everything in an open session that depends on the clock.
    pub(super) fn drive_session(&mut self, now: Instant) {
        let features = self.config.features;
        let Some(session) = &mut self.session else {
            self.store.expire(now);
            return;
        };
        let joined = session.paths.values().filter(|path| path.peer_index.is_some());
        session.keys.retire(now, joined.map(|path| path.id));
        for (link, path) in &mut session.paths {
            let radio = self.links.get(link).and_then(|link| link.radio.as_ref());
            path.set_guidance(radio.map_or_else(Guidance::default, |radio| radio.guidance(now)));
            let fell_silent = path.on_time(now, features) == Some(super::liveness::Health::Silent);
            if fell_silent && features.has(Feature::Rescue) {
                let bytes = path.chunks_in_flight().map(|chunk| chunk.range.end - chunk.range.start).sum();
                path.chunks_in_flight().for_each(|chunk| self.store.send_again(Again::Rescue, Some(*link), chunk));
                self.trace.record(now, &TraceEvent::Again { path: path.id, bytes, why: Why::Silent });
            }
        }
        if features.has(Feature::ClockLine) || !session.clocks.is_settled(now) {
            session.clocks.on_time(now, session.paths.values_mut().map(|path| &mut path.clock));
        }
        let reach = session.least_delay().unwrap_or_default();
        let before = self.store.missed_live;
        self.store.expire(now + reach);
        trace_shed(&mut self.trace, &self.store, before, Why::Expired);
        if features.has(Feature::LateRescue) {
            self.rescue_late(now);
        }
        let Some(session) = &mut self.session else { return };
        if now >= session.encoder_at {
            session.encoder_at = now + ENCODER_INTERVAL;
            self.steer_encoder(now);
            self.plan_coding(now);
        }
        self.start_probes(now);
        self.reckon_spare(now);
        self.watch_darkness(now);
        self.tell_link_changes();
    }

    /// What may be stuck on a link that is overdue goes out on another when that is the last moment to be in time: a link that
    /// is only slow for a moment costs nothing, and one that has died costs the least.
    fn rescue_late(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        if !session.paths.values().any(|path| path.is_doubtful(now)) {
            return;
        }
        let offset = session.delays_from().unwrap_or(0);
        let sure = || session.paths.values().filter(|path| path.is_usable() && !path.is_doubtful(now));
        let Some(delay) = sure().map(|path| path.expected_delay(now) - offset).min() else { return };
        let capacity: Bitrate = sure().map(|path| path.capacity.estimate(now)).sum();
        let backlog = capacity.time_for(self.store.backlog());
        if backlog > RESCUE_BACKLOG {
            return;
        }
        let limit = now.offset_micros(delay) + backlog + RESCUE_MARGIN;
        let allowed = (self.produced.sum(now) as f64 * RESCUE_SHARE) as u64;
        let mut budget = allowed.saturating_sub(session.rescued.sum(now));
        let before = budget;
        for (link, path) in session.paths.iter_mut().filter(|(_, path)| path.is_doubtful(now)) {
            let bytes = path.rescue(*link, limit, &mut budget, &mut self.store);
            if bytes > 0 {
                self.trace.record(now, &TraceEvent::Again { path: path.id, bytes, why: Why::Deadline });
            }
        }
        session.rescued.add(now, before - budget);
    }

    fn steer_encoder(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        // What is overdue for a moment mostly comes back: only silence is worth a shed frame or a lower rate.
        let alive = session.paths.values().filter(|path| path.is_alive());
        let proven = alive.map(|path| path.capacity.estimate(now));
        let links: heapless::Vec<_, MAX_LINKS> = proven.take(MAX_LINKS).collect();
        let sum: Bitrate = links.iter().copied().sum();
        let backlog = if sum > Bitrate::ZERO { sum.time_for(self.store.backlog()) } else { Duration::ZERO };
        let known = now - session.opened >= GETTING_TO_KNOW;
        if known && self.config.features.has(Feature::Shedding) {
            let before = self.store.missed_live;
            let reach = session.least_delay().unwrap_or_default();
            let round_trip = session.paths.values().filter(|path| path.is_usable()).map(Path::round_trip).min();
            self.store.shed(now + reach + round_trip.unwrap_or_default() + SHED_MARGIN, sum.scaled(MEDIA_SHARE));
            trace_shed(&mut self.trace, &self.store, before, Why::Backlog);
        }
        let actual = self.produced.rate(now);
        // Told at once, but what it starts with is not taken back for a guess.
        let proven = if known && self.config.features.has(Feature::Encoder) { &links[..] } else { &[] };
        if let Some(target) = self.encoder.update(now, proven, actual, backlog, session.latency) {
            self.events.push_back(SenderEvent::TargetBitrate(target));
        }
        session.wanted =
            if self.encoder.is_hungry(&links) { self.config.encoder_range.1.scaled(WANTED) } else { Bitrate::ZERO };
    }

    /// One link at a time is proven anew: the one whose proof is oldest.
    fn start_probes(&mut self, now: Instant) {
        if !self.config.features.has(Feature::Probing) {
            return;
        }
        let Some(session) = &mut self.session else { return };
        if now < session.probe_at || session.paths.values().any(|path| path.is_usable() && path.is_probing()) {
            return;
        }
        let wanted = session.wanted;
        let due = |path: &&mut Path| path.is_usable() && path.wants_proof(now, wanted);
        if let Some(path) = session.paths.values_mut().filter(due).max_by_key(|path| path.capacity.age(now)) {
            path.start_probe(now);
            session.probe_at = now + PROBE_INTERVAL;
        }
    }

    fn watch_darkness(&mut self, now: Instant) {
        let Some(session) = &self.session else { return };
        self.tell_darkness(now - session.progress >= DARK_AFTER);
    }

    fn tell_darkness(&mut self, dark: bool) {
        if dark != self.dark {
            self.dark = dark;
            self.events.push_back(if dark { SenderEvent::SessionDark } else { SenderEvent::SessionBack });
        }
    }

    fn tell_link_changes(&mut self) {
        for (id, link) in &mut self.links {
            let state = status::state(self.session.as_ref().and_then(|session| session.paths.get(id)));
            if std::mem::replace(&mut link.state, state) != state {
                self.events.push_back(SenderEvent::LinkChanged { link: *id, state });
            }
        }
    }
}

/// Links of one unit at most.
const MAX_LINKS: usize = 16;

/// Most that envelope and media frame take of a datagram.
const ENVELOPE_AND_FRAME: usize = ENVELOPE + 24;

/// Less than any modem worth having.
const FIRST_GUESS: Bitrate = Bitrate::from_kbps(1_000);

/// With this much of the encoder's ceiling on each link, losing the best one costs nothing.
const WANTED: f64 = 1.2;

/// Until then what the links can do is mostly a guess, and no reason to shed anything.
const GETTING_TO_KNOW: Duration = Duration::from_secs(2);
/// Of what came in over the last second.
const RESCUE_SHARE: f64 = 0.05;
/// With more first copies waiting, rescues would make them late in their turn.
const RESCUE_BACKLOG: Duration = Duration::from_millis(60);
/// What the other link's delay may be wrong by, and the timer's grain.
const RESCUE_MARGIN: Duration = Duration::from_millis(40);
/// Beyond a round trip, until what was lost of the last packets is there too.
const SHED_MARGIN: Duration = Duration::from_millis(50);
/// The rest are headers and what goes out again.
const MEDIA_SHARE: f64 = 0.95;
/// A report may be lost, three are not.
const LEAVES_TOLD: u8 = 3;
/// As handshakes are repeated: longer than the round trip of most links.
const JOIN_INTERVAL: Duration = Duration::from_millis(200);
/// A link that comes back without being plugged in again is joined this soon; and a burst of losses ends the sooner.
const MAX_JOIN_INTERVAL: Duration = Duration::from_millis(300);
/// As often as the encoder's rate is thought about; it is told less often.
const ENCODER_INTERVAL: Duration = Duration::from_millis(25);
/// Between the beginnings of two proofs: what one adds to the queues must be gone before the next.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// No single link's stall, handovers included, takes all links with it for so long.
const DARK_AFTER: Duration = Duration::from_secs(1);
