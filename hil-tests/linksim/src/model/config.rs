//! What one direction of a link is like.

use std::sync::Arc;
use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::{Loss, Outages, Trace, Walk};

/// One direction of one link. The default is a wire without limits: no delay, no loss, 100 Gbit/s.
#[derive(Clone, Debug)]
pub struct DirectionConfig {
    /// How fast the bottleneck drains.
    pub rate: Rate,
    /// Times at which it drains nothing and holds what it has.
    pub outages: Option<Outages>,
    /// One way, from leaving the buffer to arrival.
    pub delay: Duration,
    /// Detours: each replaces the one before.
    pub delay_steps: Vec<DelayStep>,
    /// The most that is added to the delay.
    pub jitter: Duration,
    /// Whether jitter may change the order of packets.
    pub reorder: bool,
    /// What waits for the bottleneck.
    pub buffer: Buffer,
    /// Packets lost on the way.
    pub loss: Loss,
    /// Packets larger than this vanish. IP bytes.
    pub mtu_bytes: Option<usize>,
}

impl Default for DirectionConfig {
    fn default() -> Self {
        Self {
            rate: Rate::Fixed(Bitrate::from_kbps(100_000_000)),
            outages: None,
            delay: Duration::ZERO,
            delay_steps: Vec::new(),
            jitter: Duration::ZERO,
            reorder: false,
            buffer: Buffer::Time(Duration::from_secs(1)),
            loss: Loss::NONE,
            mtu_bytes: None,
        }
    }
}

/// How the rate of the bottleneck changes over time.
#[derive(Clone, Debug)]
pub enum Rate {
    /// It does not. Zero holds everything.
    Fixed(Bitrate),
    /// At given times.
    Steps {
        /// Until the first step.
        start: Bitrate,
        /// In any order.
        steps: Vec<RateStep>,
    },
    /// As recorded.
    Trace(Arc<Trace>),
    /// At random.
    Walk(Walk),
}

impl Rate {
    /// What it begins with; of a trace, its mean. As somebody would put it who is asked how fast the link is.
    pub fn nominal(&self) -> Bitrate {
        match self {
            Self::Fixed(rate) | Self::Steps { start: rate, .. } => *rate,
            Self::Trace(trace) => trace.mean(),
            Self::Walk(walk) => walk.start(),
        }
    }
}

/// From `at` on the rate is this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// When, from the start of the scenario.
    pub at: Instant,
    /// How fast from then on.
    pub rate: Bitrate,
}

/// From `at` on the path is this much longer than its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayStep {
    /// When, from the start of the scenario.
    pub at: Instant,
    /// On top of the base delay.
    pub extra: Duration,
}

/// The size of a drop-tail buffer. It always takes a packet when it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// In bytes.
    Bytes(u64),
    /// As the time its content takes at the current rate; an outage counts with the rate beneath it. A trace counts
    /// with its mean.
    Time(Duration),
}
