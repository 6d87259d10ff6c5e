//! What went through one direction. Conservation: offered = delivered + dropped + held.

use serde::{Deserialize, Serialize};

use super::DropReason;

/// Packets and the IP bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many.
    pub packets: u64,
    /// Their sizes added up.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn add(&mut self, size_bytes: usize) {
        self.packets += 1;
        self.bytes += size_bytes as u64;
    }

    pub(super) fn remove(&mut self, size_bytes: usize) {
        self.packets -= 1;
        self.bytes -= size_bytes as u64;
    }

    fn plus(self, other: Self) -> Self {
        Self { packets: self.packets + other.packets, bytes: self.bytes + other.bytes }
    }
}

/// Everything counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Given to the link.
    pub offered: Tally,
    /// Taken from its far end.
    pub delivered: Tally,
    /// Vanished, by reason.
    pub dropped: Dropped,
}

/// Packets that vanished, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The drop-tail buffer was full.
    pub buffer_full: Tally,
    /// Drawn by the loss process.
    pub loss: Tally,
    /// Sent into, or held by, a link that was cut.
    pub cut: Tally,
    /// Sent into, or held by, a link that swallows everything.
    pub blackhole: Tally,
    /// Larger than the path takes.
    pub too_big: Tally,
}

impl Dropped {
    /// Of all reasons.
    pub fn total(&self) -> Tally {
        self.buffer_full.plus(self.loss).plus(self.cut).plus(self.blackhole).plus(self.too_big)
    }

    pub(super) fn of(&mut self, reason: DropReason) -> &mut Tally {
        match reason {
            DropReason::BufferFull => &mut self.buffer_full,
            DropReason::Loss => &mut self.loss,
            DropReason::Cut => &mut self.cut,
            DropReason::Blackhole => &mut self.blackhole,
            DropReason::TooBig => &mut self.too_big,
        }
    }
}
