//! Media from the gateway to its unit: talkback, a programme's sound, a small return picture.
//!
//! A return track is like any other: units, each put out one *return latency* after it came in, late is lost. But what it
//! needs of the links is little, and nobody measures what they carry in this direction. So there is no controller: all
//! tracks of a session together send at most [`RATE`], whatever is lost, and a unit goes
//!
//! - over the path with the least round trip that has not lately failed in this direction;
//! - again over another when the unit at the other end has not said in time that it has it (UNITS_ACK), a few times;
//! - over two paths at once when a second try would come too late.
//!
//! The unit puts it out by the line of the clocks that it has drawn for the other direction.

mod incoming;
mod outgoing;

pub(crate) use incoming::ReturnReceiver;
pub use outgoing::ReturnCounters;
pub(crate) use outgoing::ReturnSender;

use std::time::Duration;

use bondbox_units::Bitrate;

/// Of a unit that does not say.
pub(crate) const DEFAULT_LATENCY: Duration = Duration::from_millis(300);

/// All tracks of a session, second tries and headers included.
pub const RATE: Bitrate = Bitrate::from_kbps(512);

/// Largest unit of a return track, in bytes: a second's worth of [`RATE`].
pub const MAX_UNIT: usize = 64 << 10;

#[cfg(test)]
mod tests;
