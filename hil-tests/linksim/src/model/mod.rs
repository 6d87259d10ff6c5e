//! The physics of links, in virtual time.
//!
//! Packets go in with the time, packets come out at theirs, and [`Direction::deadline`] says when to come back. The
//! same seed and the same calls give the same result, however often the caller polls in between: every random process
//! has its own generator and is driven by packets or by time, never by polls.
//!
//! ```text
//! enqueue → cut? blackhole? too big? → loss → drop-tail buffer → rate, outages → delay + jitter → poll
//! ```
//!
//! Loss comes before the buffer: a lost packet takes no capacity.

mod capacity;
mod config;
mod counters;
mod direction;
mod jitter;
mod link;
mod loss;
mod network;
mod opportunities;
mod outages;
mod path;
mod seed;
mod trace;
mod waiting;
mod walk;

pub use config::{Buffer, DelayStep, DirectionConfig, Rate, RateStep};
pub use counters::{Counters, Dropped, Tally};
pub use direction::{Direction, DropReason, Event, State};
pub use link::{Family, Link, LinkConfig, Way};
pub use loss::Loss;
pub use network::{Delivery, Network, TimedEvent};
pub use opportunities::{Foreseen, Losses, Opportunity, foresee};
pub use outages::Outages;
pub use trace::{Trace, TraceError};
pub use walk::Walk;
