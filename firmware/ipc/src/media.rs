//! Media units on a socket.
//!
//! A unit travels as pieces of at most [`crate::MAX_PACKET`], each a [`Piece`] and then its bytes, in order and not mixed
//! with another unit of the same track. A service that falls behind drops whole units and says so by
//! [`Piece::discontinuity`] on the next one.

#[cfg(feature = "alloc")]
use alloc::string::String;

use bondbox_units::{Instant, Priority, TrackId};
use postcard_schema::Schema;
use serde::{Deserialize, Serialize};

/// Payload bytes in one piece at most; leaves room for the header.
pub const MAX_PIECE: usize = crate::MAX_PACKET - 256;

/// One access unit at most: an I-frame of 1080p at 50 Mbit/s is a tenth of it.
pub const MAX_UNIT: u32 = 8 * 1024 * 1024;

/// Heads a piece of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Piece {
    /// The track.
    pub track: TrackId,
    /// Counts the units of the track from 0 since the encoder started; a gap is a dropped unit.
    pub sequence: u32,
    /// Where in the unit this piece begins, in bytes.
    pub offset: u32,
    /// The unit's length, in bytes, at most [`MAX_UNIT`].
    pub total: u32,
    /// When to show it, on the host's monotonic clock.
    pub pts: Instant,
    /// When to decode it.
    pub dts: Instant,
    /// When the camera or microphone delivered it, on the host's monotonic clock.
    pub captured: Instant,
    /// What it means to lose it.
    pub priority: Priority,
    /// Decoding can start here.
    pub keyframe: bool,
    /// Something before this unit was dropped, or the encoder restarted.
    pub discontinuity: bool,
}

/// How a track is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Schema)]
pub enum Codec {
    /// H.264 byte stream (ITU-T H.264 Annex B), parameter sets before each IDR.
    H264,
    /// H.265 byte stream (ITU-T H.265 Annex B), parameter sets before each IRAP.
    H265,
    /// AAC in ADTS (ISO/IEC 13818-7), one frame a unit.
    Aac,
    /// Opus packets (RFC 6716), one a unit, 48 kHz clock.
    Opus,
}

/// A track that a capture service serves.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Track {
    /// Its id in [`Piece::track`].
    pub track: TrackId,
    /// How it is encoded.
    pub codec: Codec,
    /// For people: "test pattern 640x360p25", "Line in".
    pub label: String,
    /// Picture width and height in pixels, 0 for sound.
    pub width: u16,
    /// See `width`.
    pub height: u16,
    /// Frames a second times 1,000; for sound, samples a second.
    pub rate: u32,
    /// Sound channels, 0 for pictures.
    pub channels: u8,
}
