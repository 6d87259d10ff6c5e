//! One link's way to the gateway within one session: packet numbers, what is in flight, how fast and how late it is.

mod unsettled;

use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId};
use bondbox_wire::frame::Ack;
use bondbox_wire::{MIN_DATAGRAM, ReplayWindow};

use super::clock::PathClock;
use super::delay::{Delay, TARGET, paced_for, relative_delay};
use super::drain::Drain;
use super::features::{Feature, Features};
use super::liveness::{Health, Liveness};
use super::loss::Loss;
use super::mtu::Mtu;
use super::pacing::Pacing;
use super::policy::LinkUse;
use super::radio::Guidance;
use super::rate::{Capacity, Delivered, Load};
use super::store::{Chunk, Store};
use crate::coding::Channel;
use crate::packet::IP_UDP;
use crate::trace::{Trace, TraceEvent};
use crate::window::WindowSum;
use unsettled::{Said, Unsettled};

/// Chunks in one packet at most.
pub(crate) const MAX_CHUNKS: usize = 6;

pub(crate) type Chunks = heapless::Vec<Chunk, MAX_CHUNKS>;

/// What a packet was sent for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) chunks: Chunks,
    /// It tells what the tracks are.
    pub(crate) tracks: bool,
    /// It is larger than what is known to pass.
    pub(crate) mtu_probe: bool,
}

/// What an acknowledgement, or the lack of one, tells about a packet.
#[derive(Debug)]
pub(crate) enum Verdict {
    Arrived(Content),
    Lost(Content),
}

/// A path of a session.
#[derive(Debug)]
pub(crate) struct Path {
    /// Its id in the session.
    pub(crate) id: u32,
    /// What the gateway calls us by on it.
    pub(crate) own_index: u32,
    /// What we call the gateway by on it; `None` until it answered our join.
    pub(crate) peer_index: Option<u32>,
    pub(crate) replay: ReplayWindow,
    pub(crate) delay: Delay,
    pub(crate) clock: PathClock,
    drain: Drain,
    pub(crate) capacity: Capacity,
    pub(crate) liveness: Liveness,
    pub(crate) mtu: Mtu,
    /// How the operator wants the link to be used.
    pub(crate) usage: LinkUse,
    guidance: Guidance,
    unsettled: Unsettled,
    /// Since when proof of delivery could be expected, as last looked at; `None` when nothing is in flight.
    due: Option<Instant>,
    /// When it came back last after proof had been missing.
    returned: Option<Instant>,
    /// What [`Path::on_ack`] works with.
    arrived: Vec<Delivered>,
    pacing: Pacing,
    probed_at: Instant,
    probed_from: Bitrate,
    proof_interval: Duration,
    delivered: WindowSum<10>,
    loss: Loss,
    outgoing_now: WindowSum<3>,
    /// When a packet last went out.
    pub(crate) last_sent: Instant,
}

impl Path {
    pub(crate) fn new(now: Instant, id: u32, own_index: u32, guess: Bitrate) -> Self {
        Self {
            id,
            own_index,
            peer_index: None,
            replay: ReplayWindow::new(),
            delay: Delay::default(),
            clock: PathClock::default(),
            drain: Drain::default(),
            capacity: Capacity::new(now, guess),
            liveness: Liveness::new(now),
            mtu: Mtu::default(),
            usage: LinkUse::default(),
            guidance: Guidance::default(),
            unsettled: Unsettled::default(),
            due: None,
            returned: None,
            arrived: Vec::with_capacity(ACKED),
            pacing: Pacing::new(now),
            probed_at: now,
            probed_from: Bitrate::ZERO,
            proof_interval: MIN_PROOF_INTERVAL,
            delivered: WindowSum::default(),
            loss: Loss::default(),
            outgoing_now: WindowSum::default(),
            last_sent: now,
        }
    }

    /// The number of the next packet.
    pub(crate) fn next_pn(&self) -> u64 {
        self.unsettled.next()
    }

    pub(crate) fn largest_acknowledged(&self) -> Option<u64> {
        self.unsettled.largest()
    }

    /// Least round trip.
    pub(crate) fn round_trip(&self) -> Duration {
        self.delay.round_trip()
    }

    /// Whether media may go on it.
    pub(crate) fn is_usable(&self) -> bool {
        self.peer_index.is_some() && self.liveness.health() == Health::Up
    }

    /// Whether it carries media, or did a moment ago and is only overdue.
    pub(crate) fn is_alive(&self) -> bool {
        self.peer_index.is_some() && self.liveness.health() != Health::Silent
    }

    /// Records a packet of `size` datagram bytes.
    pub(crate) fn on_sent(&mut self, now: Instant, size: usize, content: Content) {
        let size = (size + IP_UDP) as u32;
        let limited = self.pacing.is_behind(now);
        self.pacing.on_sent(now, size, self.pace(now));
        self.loss.on_sent(now, size);
        self.outgoing_now.add(now, u64::from(size));
        self.last_sent = now;
        self.due.get_or_insert(now + self.round_trip());
        self.unsettled.push(now, size, content, limited);
    }

    /// So much lies between in and out.
    pub(crate) fn set_latency(&mut self, latency: Duration) {
        self.pacing.target = paced_for(latency);
    }

    /// The operator wants the link to be used like this.
    pub(crate) fn set_use(&mut self, usage: LinkUse) {
        self.usage = usage;
        self.limit();
    }

    /// Its radio says this.
    pub(crate) fn set_guidance(&mut self, guidance: Guidance) {
        self.guidance = guidance;
        self.limit();
    }

    fn limit(&mut self) {
        let caps = self.usage.cap.into_iter().chain(self.guidance.ceiling);
        self.capacity.cap = caps.min();
    }

    /// Whether it carries nothing but what went elsewhere before: it was proven to carry too little for first copies.
    pub(crate) fn is_for_redundancy(&self, now: Instant) -> bool {
        self.guidance.watermark.is_some_and(|watermark| self.capacity.estimate(now) < watermark)
    }

    /// Takes in an acknowledgement of this path that came on the path itself or, not `same_link`, on another.
    /// Adds to `verdicts` what became of packets, and gives the health that new proof ended.
    pub(crate) fn on_ack(
        &mut self,
        now: Instant,
        ack: &Ack<'_>,
        same_link: bool,
        verdicts: &mut Vec<Verdict>,
        trace: &mut Trace,
    ) -> Option<Health> {
        if ack.largest >= self.next_pn() {
            return None;
        }
        let due = self.proof_due();
        let mut delivered = std::mem::take(&mut self.arrived);
        let first = self.unsettled.first();
        // On its own path each packet is named time and again; over another, what arrived of late.
        let from = if same_link { 0 } else { ack.largest };
        let mut said = Said { from, to: ack.largest, untold: self.round_trip() + ACK_INTERVAL };
        for packet in ack.packets().take_while(|packet| packet.pn >= first) {
            said.from = said.from.min(packet.pn);
            let Some(sent) = self.unsettled.on_arrived(packet.pn) else { continue };
            trace.record(now, &TraceEvent::Acked { path: self.id, pn: packet.pn as u32, received: packet.received });
            delivered.push(Delivered {
                sent: sent.at,
                received: packet.received,
                size: sent.size,
                limited: sent.limited,
            });
            if sent.content.mtu_probe {
                self.mtu.on_probe_arrived(now, sent.size as usize - IP_UDP);
            }
            if sent.size as usize > MIN_DATAGRAM + IP_UDP {
                self.mtu.on_large_arrived();
            }
            verdicts.push(Verdict::Arrived(std::mem::take(&mut sent.content)));
        }
        if delivered.is_empty() {
            self.arrived = delivered;
            self.detect_losses(now, said, verdicts, trace);
            return None;
        }
        // Asked in any case, whichever way it came.
        if let Some(sent) = self.unsettled.on_largest(ack.largest)
            && same_link
        {
            let round_trip = (now - sent).saturating_sub(Duration::from_micros(ack.delay_us));
            self.delay.on_round_trip(round_trip);
            if let Some(largest) = delivered.first().filter(|largest| largest.sent == sent) {
                self.clock.on_answer(sent, relative_delay(sent, largest.received), round_trip);
            }
        }
        delivered.reverse();
        for packet in &delivered {
            self.clock.on_arrival(packet.sent, relative_delay(packet.sent, packet.received));
            let drifted = self.clock.drifted(packet.sent);
            self.delay.on_sample(now, packet.sent, packet.received.offset_micros(-drifted));
            self.delivered.add(now, u64::from(packet.size));
            self.on_fate(false);
        }
        self.capacity.on_delivered(now, delivered.drain(..), self.load(now), self.delay.swing());
        self.arrived = delivered;
        self.detect_losses(now, said, verdicts, trace);
        self.unsettled.forget_done(now);
        let silence = self.liveness.since_progress(now);
        let before = self.liveness.on_progress(now, due);
        if before != Health::Up {
            self.returned = Some(now);
        }
        if before == Health::Silent && silence >= REAL_SILENCE {
            self.capacity.on_readmitted(now);
        }
        self.pacing.adapt(self.delay.standing(), self.loss.excess(now));
        self.proof_due();
        let free = self.capacity.is_busy() && self.delay.standing() < TARGET / 4 && self.loss(now) < 0.1;
        let seen = self.round_trip() + ACK_INTERVAL + SEEN;
        self.pacing.grow_if_free(now, free, seen);
        self.pacing.settle(now, self.capacity.estimate(now), self.capacity.is_busy(), seen + SEEN);
        Some(before)
    }

    /// Looks at the clock; gives the health when it got worse.
    pub(crate) fn on_time(&mut self, now: Instant, features: Features) -> Option<Health> {
        if !features.has(Feature::Swings) {
            self.delay.forget_swings();
        }
        let calm = self.outgoing_now.rate(now) <= self.capacity.estimate(now).scaled(0.6);
        let (standing, round_trip) = (self.delay.standing(), self.round_trip());
        self.pacing.draining = features.has(Feature::Draining) && self.drain.on_time(now, standing, round_trip);
        self.delay.on_calm(now, calm || self.drain.is_dry(now));
        let due = self.proof_due();
        let health = self.liveness.on_time(now, due);
        self.unsettled.give_up_old(now);
        health
    }

    /// Bytes that are sent and not settled.
    pub(crate) const fn in_flight(&self) -> u64 {
        self.unsettled.bytes()
    }

    /// Packets that are kept in mind.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.unsettled.len()
    }

    /// Everything in flight that carries media and was not taken elsewhere.
    pub(crate) fn chunks_in_flight(&self) -> impl Iterator<Item = &Chunk> {
        self.unsettled.chunks()
    }

    /// Whether proof is so long overdue that what is in flight may be stuck.
    pub(crate) fn is_doubtful(&self, now: Instant) -> bool {
        self.peer_index.is_some() && self.overdue(now) >= DOUBTFUL
    }

    /// Has media in flight on `link` that is due by `limit`, and was not taken before, sent again as long as `budget` bytes
    /// allow; gives the bytes.
    pub(crate) fn rescue(&mut self, link: LinkId, limit: Instant, budget: &mut u64, store: &mut Store) -> u32 {
        self.unsettled.rescue(link, limit, budget, store)
    }

    /// When the next packet may leave: pacing, and no more in flight than the path takes with its queue at the target.
    pub(crate) fn ready_at(&self, now: Instant) -> Instant {
        self.pacing.next.max(self.has_room_at(now))
    }

    /// When the next packet with what was lost may leave: a few go ahead of the pace on a path that has little to do, for what
    /// carries little has proven little.
    pub(crate) fn ready_early_at(&self, now: Instant) -> Instant {
        let idle = self.outgoing_now.rate(now) < self.capacity.estimate(now).scaled(0.5).max(LITTLE);
        let free = idle && self.delay.standing() < TARGET / 4;
        let ahead = if free { self.pace(now).time_for(AHEAD).min(AHEAD_AT_MOST) } else { Duration::ZERO };
        self.pacing.next.earlier_by(ahead).max(self.has_room_at(now))
    }

    fn has_room_at(&self, now: Instant) -> Instant {
        match self.in_flight().saturating_sub(self.window(now)) {
            0 => now,
            excess => now + self.capacity.estimate(now).time_for(excess).max(MIN_WAIT).min(MAX_WAIT),
        }
    }

    /// The rate at which packets leave.
    pub(crate) fn pace(&self, now: Instant) -> Bitrate {
        let least = if self.is_probing() { MIN_PROBE_PACE } else { MIN_PACE };
        let pace = self.capacity.estimate(now).scaled(self.pacing.gain(self.delay.standing())).max(least);
        pace.min(self.capacity.cap.unwrap_or(pace))
    }

    /// Delay of a packet that would leave now, the clocks' difference included, in microseconds.
    pub(crate) fn expected_delay(&self, now: Instant) -> i64 {
        let base = self.delay.base().unwrap_or(0);
        let held = self.capacity.estimate(now).time_for(self.in_flight()).min(MAX_WAIT * 10);
        let mut measured = self.delay.expected(now, self.in_flight() == 0);
        if self.returned.is_some_and(|returned| now - returned < AFTERMATH) {
            // What a modem held and lets go tells how long it held it. A new packet waits for what is before it, no longer.
            measured = measured.min(base + (held + TARGET).as_micros() as i64);
        }
        let queue = held.saturating_sub(self.round_trip() + ACK_INTERVAL);
        let least = base + queue.as_micros() as i64;
        measured.max(least) + self.overdue(now).as_micros() as i64
    }

    /// Whether proof is missing for longer than acknowledgements are apart.
    pub(crate) fn is_overdue(&self, now: Instant) -> bool {
        self.overdue(now) > Duration::ZERO
    }

    /// How long proof has been missing beyond what acknowledgements are apart. What is overdue for so long will, as far as
    /// anyone can tell, stay so for as long again.
    fn overdue(&self, now: Instant) -> Duration {
        let Some(due) = self.due else { return Duration::ZERO };
        (now - due).min(self.liveness.since_progress(now)).saturating_sub(ACK_INTERVAL)
    }

    /// Whether filler may be sent to find out what the path can do, and `wanted` is more than it proved.
    pub(crate) fn wants_filler(&mut self, now: Instant, wanted: Bitrate) -> bool {
        let enough = self.capacity.estimate(now) >= wanted;
        self.pacing.wants_filler(enough) && self.is_usable()
    }

    /// `size` bytes of filler are about to be sent.
    pub(crate) const fn take_filler(&mut self, size: usize) {
        self.pacing.take_filler(size);
    }

    /// Whether the path is finding out what it can do.
    pub(crate) const fn is_probing(&self) -> bool {
        self.pacing.is_probing()
    }

    /// Whether it is time to prove anew what the path can do: now and then in any case, sooner when more is `wanted` of it
    /// and the last attempts found more.
    pub(crate) fn wants_proof(&self, now: Instant, wanted: Bitrate) -> bool {
        let short = self.capacity.estimate(now) < wanted;
        let due = if short { self.proof_interval } else { MAX_PROOF_INTERVAL } * self.usage.rarer();
        self.capacity.age(now).min(now - self.probed_at) >= due
    }

    /// Starts to find out whether the path can do more than it proved.
    pub(crate) fn start_probe(&mut self, now: Instant) {
        let proven = self.capacity.estimate(now);
        let found_more = proven >= self.probed_from.scaled(1.1);
        self.proof_interval =
            if found_more { MIN_PROOF_INTERVAL } else { (self.proof_interval * 2).min(MAX_PROOF_INTERVAL) };
        (self.probed_at, self.probed_from) = (now, proven);
        self.pacing.start_probe();
    }

    /// Delivered over the last second.
    pub(crate) fn delivered_rate(&self, now: Instant) -> Bitrate {
        self.delivered.rate(now)
    }

    /// What leaves now.
    pub(crate) fn outgoing_rate(&self, now: Instant) -> Bitrate {
        self.outgoing_now.rate(now)
    }

    /// Share of packets sent in the last 2 s that were lost.
    pub(crate) fn loss(&self, now: Instant) -> f64 {
        self.loss.recent(now)
    }

    /// What the path does to packets by itself.
    pub(crate) fn channel(&self) -> Channel {
        Channel { loss: self.loss.channel(), burst: self.loss.burst() }
    }

    /// From sending a packet to knowing that it is lost, in the mean; `None` while none was.
    pub(crate) fn noticed(&self) -> Option<Duration> {
        self.loss.noticed()
    }

    fn load(&self, now: Instant) -> Load {
        // A fifth of the target is more than jitter leaves standing. Where no queue stands, losing a tenth more than the
        // path always does means that it polices or has a shallow buffer.
        if self.delay.standing() > TARGET / 5 || self.loss.excess(now) > 0.1 { Load::Full } else { Load::Open }
    }

    /// Takes in whether a packet was lost.
    fn on_fate(&mut self, lost: bool) {
        self.loss.on_fate(lost, self.delay.standing());
    }

    fn window(&self, now: Instant) -> u64 {
        let hold = self.round_trip() + ACK_INTERVAL + self.pacing.target.mul_f64(1.5);
        let gain = if self.pacing.is_probing() { 2.0 } else { 1.2 };
        self.capacity.estimate(now).scaled(gain).bytes_in(hold).max(MIN_WINDOW)
    }

    /// Since when an acknowledgement is due: a round trip after the oldest packet in flight left.
    fn proof_due(&mut self) -> Option<Instant> {
        self.due = self.unsettled.oldest().map(|sent| sent + self.round_trip());
        self.due
    }

    fn detect_losses(&mut self, now: Instant, said: Said, verdicts: &mut Vec<Verdict>, trace: &mut Trace) {
        let (id, standing) = (self.id, self.delay.standing());
        let patience = (self.round_trip() / 4).max(PATIENCE);
        let Self { unsettled, loss, mtu, .. } = self;
        let mut fates = 0;
        unsettled.take_overtaken(said, patience, |pn, sent, begins| {
            trace.record(now, &TraceEvent::Lost { path: id, pn: pn as u32 });
            if sent.content.mtu_probe {
                // Too large, most likely, and no measure of the path (RFC 8899, section 3).
                return;
            }
            fates += 1;
            loss.on_lost(now, sent.size);
            loss.on_burst(begins);
            loss.on_noticed(now - sent.at, standing);
            if sent.size as usize > MIN_DATAGRAM + IP_UDP {
                mtu.on_large_lost(now);
            }
            // The content stays: a late acknowledgement may still prove that it arrived.
            verdicts.push(Verdict::Lost(sent.content.clone()));
        });
        (0..fates).for_each(|_| self.on_fate(true));
    }
}

/// What an acknowledgement names for the first time, mostly.
pub(super) const ACKED: usize = 128;
/// As far apart as acknowledgements come at most while something arrives.
const ACK_INTERVAL: Duration = Duration::from_millis(25);
/// A shorter silence is mostly a matter of lost acknowledgements, or of a busy machine, and says nothing about the path.
const REAL_SILENCE: Duration = Duration::from_millis(300);
/// Until a queue shows as standing, and as long again until it shows in the rate.
const SEEN: Duration = Duration::from_millis(50);
/// Two acknowledgements were lost, or none was sent.
const DOUBTFUL: Duration = Duration::from_millis(20);
/// As long as it takes until what was held is out of all averages.
const AFTERMATH: Duration = Duration::from_secs(1);
/// A cell shakes packets by so much, however near it is.
const PATIENCE: Duration = Duration::from_millis(30);
/// Grain of the timer.
const MIN_WAIT: Duration = Duration::from_millis(1);
/// A path whose acknowledgements are overdue is looked at again this soon.
const MAX_WAIT: Duration = Duration::from_millis(100);
/// Bytes that may leave ahead of the pace: three large packets.
const AHEAD: u64 = 4_500;
/// Less says nothing about how much more a path takes.
const LITTLE: Bitrate = Bitrate::from_kbps(500);
/// A path that proved next to nothing may be as slow as that, and what leaves then waits in it.
const AHEAD_AT_MOST: Duration = Duration::from_millis(200);
/// Enough to tell a loss by what overtook it, however slow the path.
const MIN_WINDOW: u64 = 8 * (MIN_DATAGRAM + IP_UDP) as u64;
/// A link that was once bad is found to be good again within a second.
const MIN_PROBE_PACE: Bitrate = Bitrate::from_kbps(400);
/// One packet in 80 ms: less proves nothing in time.
const MIN_PACE: Bitrate = Bitrate::from_kbps(100);
/// While each attempt finds more.
const MIN_PROOF_INTERVAL: Duration = Duration::from_secs(4);
/// A proof loses a quarter of its worth in this time.
const MAX_PROOF_INTERVAL: Duration = Duration::from_secs(30);
