//! One direction of one link.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::capacity::Capacity;
use super::loss::LossProcess;
use super::path::Path;
use super::waiting::Waiting;
use super::{Buffer, Counters, DirectionConfig, Family, Loss, Tally};

/// One direction of one link: packets of any kind go in, and come out later or not at all.
///
/// Time starts at [`Instant::ZERO`], counts as the scenario's, and must not run backwards from call to call.
#[derive(Clone, Debug)]
pub struct Direction<T> {
    state: State,
    buffer: Buffer,
    mtu_bytes: Option<usize>,
    loss: LossProcess,
    waiting: Waiting<T>,
    path: Path<T>,
    counters: Counters,
}

impl<T> Direction<T> {
    /// A direction at time zero, with nothing in it.
    pub fn new(config: &DirectionConfig, seed: u64) -> Self {
        Self::with_outages(config, seed, seed)
    }

    /// As [`Self::new`], with outages drawn from another seed.
    pub(super) fn with_outages(config: &DirectionConfig, seed: u64, outages_seed: u64) -> Self {
        Self {
            state: State::Up,
            buffer: config.buffer,
            mtu_bytes: config.mtu_bytes,
            loss: LossProcess::new(config.loss, seed),
            waiting: Waiting::new(Capacity::new(&config.rate, config.outages, seed, outages_seed)),
            path: Path::new(config, seed),
            counters: Counters::default(),
        }
    }

    /// Takes a packet of `size_bytes` (all of IP), or says why it is gone.
    pub fn enqueue(&mut self, now: Instant, packet: T, size_bytes: usize) -> Result<(), DropReason> {
        self.advance(now);
        self.counters.offered.add(size_bytes);
        if let Some(reason) = self.refusal(size_bytes) {
            self.counters.dropped.of(reason).add(size_bytes);
            return Err(reason);
        }
        self.waiting.push(packet, size_bytes);
        Ok(())
    }

    /// The next packet that has arrived by `now`, in order of arrival.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        self.poll_timed(now).map(|(_, packet)| packet)
    }

    /// Like [`Self::poll`], with the time of arrival, which is not after `now`.
    pub fn poll_timed(&mut self, now: Instant) -> Option<(Instant, T)> {
        self.poll_sized(now).map(|(at, packet, _)| (at, packet))
    }

    /// Like [`Self::poll_timed`], with the size.
    pub(super) fn poll_sized(&mut self, now: Instant) -> Option<(Instant, T, usize)> {
        self.advance(now);
        let arrival = self.path.flights.pop_front_if(|flight| flight.arrival <= now)?;
        self.counters.delivered.add(arrival.size_bytes);
        Some((arrival.arrival, arrival.packet, arrival.size_bytes))
    }

    /// When to poll next. `None` when nothing will come without a new packet or event. A poll at the deadline may
    /// still give nothing, and a later deadline.
    pub fn deadline(&self) -> Option<Instant> {
        let arrival = self.path.flights.front().map(|flight| flight.arrival);
        if arrival.is_some() && !self.path.reorder {
            // Whatever still waits arrives after what has left.
            return arrival;
        }
        [arrival, self.waiting.next_change()].into_iter().flatten().min()
    }

    /// Something happens to this direction.
    pub fn apply(&mut self, now: Instant, event: Event) {
        self.advance(now);
        match event {
            Event::Cut => self.fall(now, State::Cut, DropReason::Cut),
            Event::Blackhole => self.fall(now, State::Blackhole, DropReason::Blackhole),
            Event::Restore => self.state = State::Up,
            Event::Rate(rate) => self.waiting.fix_rate(now, rate),
            Event::Delay(delay) => self.path.delay = delay,
            Event::Loss(loss) => self.loss.set(loss),
            // Concerns addresses, of which a direction knows nothing.
            Event::NatRebind | Event::BlackholeFamily(_) => {}
        }
    }

    /// Whether it carries packets.
    pub fn state(&self) -> State {
        self.state
    }

    /// Everything counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Taken, and neither delivered nor dropped yet: waiting or on the way.
    pub fn held(&self) -> Tally {
        let mut held = self.waiting.tally;
        for flight in &self.path.flights {
            held.add(flight.size_bytes);
        }
        held
    }

    /// What the bottleneck drained when last looked at: zero in an outage.
    pub fn rate(&self) -> Bitrate {
        self.waiting.segment.rate
    }

    /// How long what waits takes at the rate beneath any outage.
    pub fn queue_delay(&self) -> Duration {
        match self.waiting.tally.bytes {
            0 => Duration::ZERO,
            bytes => self.waiting.segment.nominal.time_for(bytes),
        }
    }

    fn advance(&mut self, now: Instant) {
        self.waiting.drain(now, |departure, packet, size_bytes| self.path.depart(departure, packet, size_bytes));
    }

    fn refusal(&mut self, size_bytes: usize) -> Option<DropReason> {
        match self.state {
            State::Cut => return Some(DropReason::Cut),
            State::Blackhole => return Some(DropReason::Blackhole),
            State::Up => {}
        }
        if self.mtu_bytes.is_some_and(|mtu_bytes| size_bytes > mtu_bytes) {
            return Some(DropReason::TooBig);
        }
        if self.loss.next_is_lost() {
            return Some(DropReason::Loss);
        }
        let limit_bytes = match self.buffer {
            Buffer::Bytes(bytes) => bytes,
            Buffer::Time(time) => self.waiting.segment.nominal.bytes_in(time),
        };
        let waiting = self.waiting.tally;
        (waiting.packets > 0 && waiting.bytes + size_bytes as u64 > limit_bytes).then_some(DropReason::BufferFull)
    }

    /// Leaves the up state: what has not arrived by now never will.
    fn fall(&mut self, now: Instant, state: State, reason: DropReason) {
        self.state = state;
        let counters = self.counters.dropped.of(reason);
        self.waiting.clear(|size_bytes| counters.add(size_bytes));
        self.path.flights.retain(|flight| {
            let arrived = flight.arrival <= now;
            if !arrived {
                counters.add(flight.size_bytes);
            }
            arrived
        });
    }
}

/// Why a packet is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The drop-tail buffer was full.
    BufferFull,
    /// Drawn by the loss process.
    Loss,
    /// The link is cut.
    Cut,
    /// The link swallows everything.
    Blackhole,
    /// The packet is larger than the path takes.
    TooBig,
}

/// What can happen to a direction, from the scenario's timeline or by hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The interface is dead; what is under way is lost.
    Cut,
    /// The link looks fine and swallows everything, also what is under way.
    Blackhole,
    /// The same for packets of one family only.
    BlackholeFamily(Family),
    /// The end of a cut or a blackhole.
    Restore,
    /// From now on the rate is this, whatever steps, walk or trace said. Outages go on.
    Rate(Bitrate),
    /// From now on the base delay is this. Packets in flight keep theirs; none is overtaken.
    Delay(Duration),
    /// From now on packets are lost like this.
    Loss(Loss),
    /// The unit's packets of IPv4 come from another port from now on.
    NatRebind,
}

/// Whether packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// They do.
    Up,
    /// The interface is dead.
    Cut,
    /// They vanish, and nothing says so.
    Blackhole,
}
