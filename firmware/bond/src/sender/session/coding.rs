//! Coded repair in a session: for which links, how much, and over which.
//!
//! A link is *coded* when a request cannot serve it: when a packet lost on it would be known as lost, and would then have come over
//! the soonest link, only after its time. How long the first takes is measured, with losses while no long queue stood: it depends
//! on how the news comes back. Everywhere else nothing is kept, sent or computed for coding.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, Priority};

use super::super::delay::{TARGET, delay_of};
use super::super::path::{Content, Path};
use super::super::store::Store;
use super::super::{Feature, Sender, Transmit};
use super::{MAX_LINKS, Session};
use crate::coding::{Channel, CodingSender, Plan, Source, Window};
use crate::packet::ENVELOPE;
use crate::window::WindowSum;

/// Coding of one session.
#[derive(Debug, Default)]
pub(super) struct Coding {
    coder: CodingSender,
    plan: Plan,
    /// Links on which a request would be late.
    links: heapless::Vec<LinkId, MAX_LINKS>,
    /// Packets that went over these.
    sources: WindowSum<10>,
    /// Packets of their units, in the mean.
    unit: f64,
    /// What a packet takes over the link where it arrives first, in the mean of the last seconds.
    soonest: Option<Duration>,
}

impl Coding {
    /// Whether a symbol waits to be sent.
    pub(super) fn is_owed(&self) -> bool {
        self.coder.is_owed()
    }

    /// Whether a symbol must not wait for media to leave room.
    pub(super) fn is_urgent(&self) -> bool {
        self.coder.is_urgent()
    }

    /// Whether what goes over this link is coded.
    pub(super) fn covers(&self, link: LinkId) -> bool {
        self.links.contains(&link)
    }

    fn smooth_soonest(&mut self, now: Duration) -> Duration {
        let mean = self.soonest.unwrap_or(now).mul_f64(1.0 - SOONEST_SHARE) + now.mul_f64(SOONEST_SHARE);
        *self.soonest.insert(mean)
    }

    fn stop(&mut self) {
        if !self.links.is_empty() {
            *self = Self { soonest: self.soonest, ..Self::default() };
        }
    }

    /// Takes note of a packet with media.
    pub(super) fn on_sent(
        &mut self,
        now: Instant,
        link: LinkId,
        path: &Path,
        store: &Store,
        content: &Content,
        plain: &[u8],
    ) {
        if !self.covers(link) {
            return;
        }
        self.sources.add(now, 1);
        // A packet so small that it was padded is not worth telling the padding.
        if plain.len() < bondbox_wire::PAD_TO {
            return;
        }
        let units = || content.chunks.iter().filter_map(|chunk| store.unit(chunk));
        let Some(deadline) = units().map(|unit| unit.deadline).max() else { return };
        let packets = units().map(|unit| f64::from(unit.len()) / plain.len() as f64).fold(1.0, f64::max);
        self.unit += (packets - self.unit) / UNIT_MEMORY;
        let priority = units().map(|unit| unit.header.priority).min().unwrap_or(Priority::Standard);
        if self.plan.is_off() {
            return;
        }
        let source = Source { link, path: path.id, pn: path.next_pn(), priority, deadline, plain };
        self.coder.on_sent(&self.plan, source);
    }
}

impl Session {
    /// Bytes of a datagram with media over `link`: what is coded leaves room for what its symbol says beside it.
    pub(super) fn media_limit(&self, link: LinkId) -> Option<usize> {
        let datagram = self.paths.get(&link)?.mtu.datagram();
        let coded = self.coding.covers(link) && !self.coding.plan.is_off();
        Some(if coded { datagram - SYMBOL_OVERHEAD } else { datagram })
    }

    /// The free link that a symbol goes over, and when it would arrive: of those that are in time for most of the window, the one
    /// that shares the least of its fate.
    fn repair_link(&self, now: Instant) -> Option<(LinkId, Instant)> {
        let offset = self.delays_from()?;
        let coder = &self.coding.coder;
        let (size, in_time_at) = (coder.least_size() + ENVELOPE, coder.middle_deadline()?);
        let free = self.paths.iter().filter(|(_, path)| {
            let empty = path.delay.standing() < EMPTY;
            path.is_usable() && !path.usage.backup && empty && path.ready_at(now) <= now && path.mtu.datagram() >= size
        });
        let arrival = |path: &Path| now.offset_micros(path.expected_delay(now) - offset);
        let in_time = free.map(|(link, path)| (*link, arrival(path), path)).filter(|(_, at, _)| *at <= in_time_at);
        let risk = |link: LinkId, path: &Path| coder.share_of(link) + path.channel().loss;
        let least = in_time.min_by(|(a, _, of_a), (b, _, of_b)| risk(*a, of_a).total_cmp(&risk(*b, of_b)))?;
        Some((least.0, least.1))
    }
}

impl Sender {
    /// Looks which links a request cannot serve, and what the rule gives for them.
    pub(super) fn plan_coding(&mut self, now: Instant) {
        let Some(session) = &mut self.session else { return };
        let Some(offset) = session.delays_from().filter(|_| self.config.features.has(Feature::Coding)) else {
            session.coding = Coding::default();
            return;
        };
        let usable = || session.paths.iter().filter(|(_, path)| path.is_usable());
        let one_way = |path: &Path| path.delay.base().map_or(Duration::ZERO, |base| delay_of(base - offset));
        // A longer queue is one that goes again.
        let there = |path: &Path| one_way(path) + path.delay.standing().min(TARGET);
        let Some(soonest) = usable().map(|(_, path)| there(path)).min() else { return };
        let soonest = session.coding.smooth_soonest(soonest);
        // News of a path comes back over itself, and rides along over all others.
        let back = usable().map(|(_, path)| path.round_trip().saturating_sub(one_way(path))).min().unwrap_or_default();
        let expected = |path: &Path| path.round_trip().min(one_way(path) + back + RIDE) + DETECTION;
        // Where little is sent nothing overtakes what is lost, and it goes out again unasked.
        let noticed = |path: &Path| path.noticed().map_or(expected(path), |mean| mean.min(expected(path) + QUIET));
        let again_at = |path: &Path| noticed(path) + soonest + PACING;
        let coding = &session.coding;
        // What has begun goes on while it is a close thing.
        let limit = |link: &LinkId| if coding.covers(*link) { session.latency.mul_f64(0.9) } else { session.latency };
        let late = usable().filter(|(link, path)| again_at(path) > limit(link)).map(|(link, _)| *link);
        let links: heapless::Vec<_, MAX_LINKS> = late.take(MAX_LINKS).collect();
        if links.is_empty() {
            session.coding.stop();
            return;
        }
        let coded = || usable().filter(|(link, _)| links.contains(link));
        // Each by what it carries, and a little, so that one that carries nothing yet counts.
        let weight = |path: &Path| path.delivered_rate(now).as_bps() as f64 + 1.0;
        let total: f64 = coded().map(|(_, path)| weight(path)).sum();
        let mean = |of: &dyn Fn(&Path) -> f64| coded().map(|(_, path)| of(path) * weight(path)).sum::<f64>() / total;
        let channel = Channel { loss: mean(&|path| path.channel().loss), burst: mean(&|path| path.channel().burst) };
        let spare_of = |path: &Path| path.capacity.estimate(now).as_bps() as f64 * USABLE - weight(path);
        let proven: Bitrate = usable().map(|(_, path)| path.capacity.estimate(now)).sum();
        let spare = proven.as_bps() as f64 * USABLE - self.produced.rate(now).as_bps() as f64 * MEDIA_COST;
        // A symbol must come while all it stands for is still worth something, over a link that has room for it.
        let roomy = usable().filter(|(_, path)| spare_of(path) > total * ROOM);
        let carried = roomy.map(|(_, path)| one_way(path)).min().unwrap_or(soonest);
        let useful = session.latency.saturating_sub(carried + MARGIN);
        let window = (session.coding.sources.sum(now) as f64 * useful.as_secs_f64()) as usize;
        let window = Window { packets: window.min(MAX_WINDOW), unit: session.coding.unit };
        session.coding.plan = Plan::new(window, channel, spare / total);
        session.coding.links = links;
    }

    /// A symbol that would else wait until a keyframe is through, and then come too late for most of it.
    pub(super) fn transmit_urgent_repair(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let urgent = self.session.as_ref()?.coding.is_urgent();
        urgent.then(|| self.transmit_repair(now, buffer))?
    }

    /// A symbol, where one is owed and a link has nothing better to do.
    pub(super) fn transmit_repair(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let session = self.session.as_mut()?;
        if !session.coding.is_owed() {
            return None;
        }
        let (link, arrival) = session.repair_link(now)?;
        if !session.coding.coder.wants_repair(arrival) {
            return None;
        }
        let mut coding = std::mem::take(&mut session.coding);
        let sent = session.transmit(now, link, &mut self.links, buffer, |_, writer| {
            coding.coder.write_repair(writer).then(Content::default)
        });
        session.coding = coding;
        sent
    }
}

/// From the arrival of what overtook a lost packet to knowing, on a link that has lost none yet.
const DETECTION: Duration = Duration::from_millis(10);
/// Until the next packet overtakes a lost one on a link that carries its share.
const QUIET: Duration = Duration::from_millis(40);
/// From knowing of a loss to the packet leaving again.
const PACING: Duration = Duration::from_millis(5);
/// Of the newest in the mean of what is looked at each 25 ms: 2 s.
const SOONEST_SHARE: f64 = 0.0125;
/// Of what the coded links carry, what a link must have to spare to carry the symbols.
const ROOM: f64 = 0.05;
/// Until the next acknowledgement of any other link.
const RIDE: Duration = Duration::from_millis(25);
/// Between the last symbol for a packet and its time.
const MARGIN: Duration = Duration::from_millis(20);
/// What a symbol says beside the longest packet that it stands for, with a few runs for each of three links.
const SYMBOL_OVERHEAD: usize = 48;
/// Longer windows take less overhead for the same loss, and more arithmetic.
const MAX_WINDOW: usize = 64;
/// Units of about this many packets make a mean.
const UNIT_MEMORY: f64 = 100.0;
/// A queue that a symbol may make longer: what the pace aims at.
const EMPTY: Duration = TARGET;
/// Of what was proven, what may be filled without making a queue.
const USABLE: f64 = 0.95;
/// Bytes on the wire per byte of media, repair included.
const MEDIA_COST: f64 = 1.08;
