//! Access units in, access units out: what the bond carries, read from the formats it arrives in and written as MPEG-TS.
//!
//! - [`h264`], [`h265`]: byte streams into access units, what a unit holds and what losing it means, picture size.
//! - [`aac`], [`opus`]: frames, their duration, and the headers that carry them.
//! - [`ts`]: MPEG transport streams: reading, classifying without touching, writing.
//!
//! Every reader takes any bytes in pieces of any size, never panics, and holds a bounded amount of memory.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aac;
pub mod annexb;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod ts;

mod bits;
mod contents;
mod record;
mod splitter;
mod sps;

pub use bits::Truncated;
pub use contents::Contents;
pub use record::{ParameterRecord, RecordError};
pub use splitter::AccessUnitSplitter;
pub use sps::SpsError;

/// The largest access unit that is taken in, in bytes. An I-frame of 1080p at 50 Mbit/s is a tenth of it.
pub const MAX_UNIT: usize = 8 * 1024 * 1024;

/// How a track is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 byte stream (ITU-T H.264 Annex B).
    H264,
    /// H.265 byte stream (ITU-T H.265 Annex B).
    H265,
    /// AAC in ADTS (ISO/IEC 13818-7).
    Aac,
    /// Opus packets (RFC 6716).
    Opus,
}

impl Codec {
    /// What one access unit holds.
    pub fn inspect(self, unit: &[u8]) -> Contents {
        match self {
            Self::H264 => h264::inspect(unit),
            Self::H265 => h265::inspect(unit),
            Self::Aac | Self::Opus => Contents::SOUND,
        }
    }

    /// Whether it is pictures, not sound.
    pub const fn is_video(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}
