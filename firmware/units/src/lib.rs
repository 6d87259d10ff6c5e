//! Quantities that carry their unit: time, rates, sizes and ids.
//!
//! Every core takes time as an argument, as an [`Instant`]; nobody below `services/` reads a clock.
#![no_std]
#![forbid(unsafe_code)]

mod bitrate;
mod instant;

pub use bitrate::Bitrate;
pub use instant::Instant;

use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// A link of one unit: an interface with an address that the bond sends over. Never reused while the session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Schema)]
pub struct LinkId(pub u8);

/// A track of one session: one video, audio, data or opaque stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Schema)]
pub struct TrackId(pub u8);

/// What it means to lose a unit, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Schema)]
pub enum Priority {
    /// Codec configuration, programme tables, session control: nothing decodes without it.
    Critical,
    /// Keyframes and audio: what follows depends on it.
    Reference,
    /// Predicted frames: damage lasts until the next keyframe.
    Standard,
    /// Frames nothing refers to: damage lasts one frame.
    Disposable,
}

impl Priority {
    /// The value as it travels, `0` the most important.
    pub const fn code(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::Reference => 1,
            Self::Standard => 2,
            Self::Disposable => 3,
        }
    }

    /// The lowest two bits of `code` as a priority.
    pub const fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Self::Critical,
            1 => Self::Reference,
            2 => Self::Standard,
            _ => Self::Disposable,
        }
    }
}
