//! One direction of one link.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::capacity::{Capacity, Segment};
use super::jitter::Jitter;
use super::loss::LossProcess;
use super::{Buffer, Counters, DelayStep, DirectionConfig, Loss, Tally};

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
        Self {
            state: State::Up,
            buffer: config.buffer,
            mtu_bytes: config.mtu_bytes,
            loss: LossProcess::new(config.loss, seed),
            waiting: Waiting::new(Capacity::new(&config.rate, config.outages, seed)),
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
        self.advance(now);
        let arrival = self.path.flights.pop_front_if(|flight| flight.arrival <= now)?;
        self.counters.delivered.add(arrival.size_bytes);
        Some((arrival.arrival, arrival.packet))
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
            Event::NatRebind => {}
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
    /// The end of a cut or a blackhole.
    Restore,
    /// From now on the rate is this, whatever steps, walk or trace said. Outages go on.
    Rate(Bitrate),
    /// From now on the base delay is this. Packets in flight keep theirs; none is overtaken.
    Delay(Duration),
    /// From now on packets are lost like this.
    Loss(Loss),
    /// The unit's packets come from another port from now on.
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

/// The buffer before the bottleneck, and the bottleneck.
#[derive(Clone, Debug)]
struct Waiting<T> {
    packets: VecDeque<(T, usize)>,
    tally: Tally,
    /// Part of the first packet that is through already, in [`WORK_PER_BYTE`].
    head_done: u64,
    capacity: Capacity,
    /// Around `drained_to`.
    segment: Segment,
    drained_to: Instant,
}

impl<T> Waiting<T> {
    fn new(mut capacity: Capacity) -> Self {
        let segment = capacity.at(Instant::ZERO);
        Self {
            packets: VecDeque::new(),
            tally: Tally::default(),
            head_done: 0,
            capacity,
            segment,
            drained_to: Instant::ZERO,
        }
    }

    fn push(&mut self, packet: T, size_bytes: usize) {
        self.packets.push_back((packet, size_bytes));
        self.tally.add(size_bytes);
    }

    fn clear(&mut self, mut lost: impl FnMut(usize)) {
        for (_, size_bytes) in self.packets.drain(..) {
            lost(size_bytes);
        }
        self.tally = Tally::default();
        self.head_done = 0;
    }

    fn fix_rate(&mut self, now: Instant, rate: Bitrate) {
        self.capacity.fix(rate);
        self.segment = self.capacity.at(now);
    }

    /// When the first packet leaves, or the rate changes before that.
    fn next_change(&self) -> Option<Instant> {
        let &(_, size_bytes) = self.packets.front()?;
        let left = work(size_bytes) - self.head_done;
        let change = match self.segment.rate.as_bps() {
            0 => self.segment.until,
            bps => self.segment.until.min(self.drained_to + Duration::from_micros(left.div_ceil(bps))),
        };
        (change < Instant::FAR_FUTURE).then_some(change)
    }

    /// Lets time pass until `now`; `depart` gets each packet that leaves, with the time at which it does.
    fn drain(&mut self, now: Instant, mut depart: impl FnMut(Instant, T, usize)) {
        while self.drained_to < now {
            let end = now.min(self.segment.until);
            self.drain_segment(end, &mut depart);
            self.drained_to = end;
            if end == self.segment.until {
                self.segment = self.capacity.at(end);
            }
        }
    }

    fn drain_segment(&mut self, end: Instant, depart: &mut impl FnMut(Instant, T, usize)) {
        let bps = self.segment.rate.as_bps();
        if bps == 0 {
            return;
        }
        // In bits times microseconds per second, whole numbers: nothing is rounded away, so the rate is exact.
        let budget = bps.saturating_mul(end.as_micros() - self.drained_to.as_micros());
        let mut used = 0;
        while let Some((_, size_bytes)) = self.packets.front() {
            let left = work(*size_bytes) - self.head_done;
            if left > budget - used {
                self.head_done += budget - used;
                return;
            }
            used += left;
            self.head_done = 0;
            if let Some((packet, size_bytes)) = self.packets.pop_front() {
                self.tally.remove(size_bytes);
                depart(self.drained_to + Duration::from_micros(used.div_ceil(bps)), packet, size_bytes);
            }
        }
    }
}

/// The way from the bottleneck to the far end.
#[derive(Clone, Debug)]
struct Path<T> {
    delay: Duration,
    /// Ascending.
    steps: Vec<DelayStep>,
    jitter: Jitter,
    reorder: bool,
    /// By arrival.
    flights: VecDeque<Flight<T>>,
    last_arrival: Instant,
}

#[derive(Clone, Debug)]
struct Flight<T> {
    arrival: Instant,
    packet: T,
    size_bytes: usize,
}

impl<T> Path<T> {
    fn new(config: &DirectionConfig, seed: u64) -> Self {
        let mut steps = config.delay_steps.clone();
        steps.sort_by_key(|step| step.at);
        Self {
            delay: config.delay,
            steps,
            jitter: Jitter::new(config.jitter, config.reorder, seed),
            reorder: config.reorder,
            flights: VecDeque::new(),
            last_arrival: Instant::ZERO,
        }
    }

    fn depart(&mut self, departure: Instant, packet: T, size_bytes: usize) {
        let step = self.steps.partition_point(|step| step.at <= departure);
        let extra = self.steps[..step].last().map_or(Duration::ZERO, |step| step.extra);
        let mut arrival = departure + self.delay + extra + self.jitter.at(departure);
        if !self.reorder {
            // A path that gets shorter does not let packets overtake: they bunch up behind the last one.
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        let place = self.flights.partition_point(|flight| flight.arrival <= arrival);
        self.flights.insert(place, Flight { arrival, packet, size_bytes });
    }
}

fn work(size_bytes: usize) -> u64 {
    (size_bytes as u64).saturating_mul(WORK_PER_BYTE)
}

/// One byte, in bits times microseconds per second.
const WORK_PER_BYTE: u64 = 8_000_000;
