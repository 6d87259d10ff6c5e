//! The buffer before the bottleneck, and the bottleneck.

use std::collections::VecDeque;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::Tally;
use super::capacity::{Capacity, Segment};

/// Packets that wait, and how far the first of them is through.
#[derive(Clone, Debug)]
pub(super) struct Waiting<T> {
    packets: VecDeque<(T, usize)>,
    pub(super) tally: Tally,
    /// Part of the first packet that is through already, in [`WORK_PER_BYTE`].
    head_done: u64,
    capacity: Capacity,
    /// Around `drained_to`.
    pub(super) segment: Segment,
    drained_to: Instant,
}

impl<T> Waiting<T> {
    pub(super) fn new(mut capacity: Capacity) -> Self {
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

    pub(super) fn push(&mut self, packet: T, size_bytes: usize) {
        self.packets.push_back((packet, size_bytes));
        self.tally.add(size_bytes);
    }

    pub(super) fn clear(&mut self, mut lost: impl FnMut(usize)) {
        for (_, size_bytes) in self.packets.drain(..) {
            lost(size_bytes);
        }
        self.tally = Tally::default();
        self.head_done = 0;
    }

    pub(super) fn fix_rate(&mut self, now: Instant, rate: Bitrate) {
        self.capacity.fix(rate);
        self.segment = self.capacity.at(now);
    }

    /// When the first packet leaves, or the rate changes before that.
    pub(super) fn next_change(&self) -> Option<Instant> {
        let &(_, size_bytes) = self.packets.front()?;
        let left = work(size_bytes) - self.head_done;
        let change = match self.segment.rate.as_bps() {
            0 => self.segment.until,
            bps => self.segment.until.min(self.drained_to + Duration::from_micros(left.div_ceil(bps))),
        };
        (change < Instant::FAR_FUTURE).then_some(change)
    }

    /// Lets time pass until `now`; `depart` gets each packet that leaves, with the time at which it does.
    pub(super) fn drain(&mut self, now: Instant, mut depart: impl FnMut(Instant, T, usize)) {
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

fn work(size_bytes: usize) -> u64 {
    (size_bytes as u64).saturating_mul(WORK_PER_BYTE)
}

/// One byte, in bits times microseconds per second.
const WORK_PER_BYTE: u64 = 8_000_000;
