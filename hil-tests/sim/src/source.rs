//! What is streamed.

use std::time::Duration;

use bondbox_bond::sender::Unit;
use bondbox_units::{Bitrate, Instant, Priority, TrackId};
use bytes::Bytes;

/// How the stream comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Datagrams of 1,316 bytes at even distances.
    Constant,
    /// The same, of which one in 100 ms is critical, as the tables of MPEG-TS are.
    Tables,
    /// 25 frames a second; every fiftieth is eight times as large as the others.
    Frames,
}

/// Makes numbered units at a rate that can be changed.
#[derive(Debug)]
pub struct Source {
    shape: Shape,
    rate: Bitrate,
    next_at: Instant,
    next: u32,
    /// Frames until the next keyframe.
    until_keyframe: u32,
    /// What comes then is a table.
    table_at: Instant,
}

impl Source {
    /// The first unit comes at `start`.
    pub const fn new(start: Instant, shape: Shape, rate: Bitrate) -> Self {
        Self { shape, rate, next_at: start, next: 0, until_keyframe: 0, table_at: start }
    }

    /// From the next unit on.
    pub const fn set_rate(&mut self, rate: Bitrate) {
        self.rate = rate;
    }

    /// The next frame is a keyframe, and the others follow from there.
    pub const fn force_keyframe(&mut self) {
        self.until_keyframe = 0;
    }

    /// When the next unit comes.
    pub const fn deadline(&self) -> Instant {
        self.next_at
    }

    /// Units made.
    pub const fn made(&self) -> u32 {
        self.next
    }

    /// The next unit, if it is time.
    pub fn poll(&mut self, now: Instant) -> Option<Unit> {
        (now >= self.next_at).then(|| {
            let next = self.advance();
            Unit {
                track: TRACK,
                pts: (self.shape == Shape::Frames).then_some(next.at),
                dts: None,
                priority: match () {
                    () if next.critical => Priority::Critical,
                    () if next.keyframe => Priority::Reference,
                    () => Priority::Standard,
                },
                keyframe: next.keyframe,
                discontinuity: false,
                payload: payload(next.number, next.size),
            }
        })
    }

    /// The next unit but for its bytes.
    pub(crate) fn advance(&mut self) -> Next {
        let number = self.next;
        self.next += 1;
        let keyframe = self.shape == Shape::Frames && self.until_keyframe == 0;
        self.until_keyframe = if keyframe { GOP - 1 } else { self.until_keyframe.saturating_sub(1) };
        let (size, spacing) = match self.shape {
            Shape::Constant | Shape::Tables => (DATAGRAM, self.rate.time_for(DATAGRAM as u64)),
            Shape::Frames => {
                let mean = self.rate.bytes_in(FRAME) as usize;
                // 49 frames of one share and one of eight.
                let share = mean * GOP as usize / (GOP as usize + 7);
                (if keyframe { share * 8 } else { share }.max(64), FRAME)
            }
        };
        let at = self.next_at;
        self.next_at += spacing;
        let critical = self.shape == Shape::Tables && at >= self.table_at;
        self.table_at += if critical { TABLES } else { Duration::ZERO };
        Next { at, number, size, keyframe, critical }
    }
}

/// A unit that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) at: Instant,
    number: u32,
    pub(crate) size: usize,
    pub(crate) keyframe: bool,
    pub(crate) critical: bool,
}

/// The bytes of unit `number`: a receiver can tell whether any was changed.
pub fn payload(number: u32, size: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&number.to_be_bytes());
    let mut state = number.wrapping_mul(0x9e37_79b9) | 1;
    while bytes.len() < size {
        state = state.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        bytes.extend_from_slice(&state.to_be_bytes());
    }
    bytes.truncate(size);
    Bytes::from(bytes)
}

/// The number in a payload, if all of its bytes are those of [`payload`].
pub fn number(bytes: &[u8]) -> Option<u32> {
    let number = u32::from_be_bytes(*bytes.first_chunk()?);
    (payload(number, bytes.len()) == bytes).then_some(number)
}

/// The only track.
pub(crate) const TRACK: TrackId = TrackId(0);

const DATAGRAM: usize = 1_316;
const FRAME: Duration = Duration::from_millis(40);
/// As often as most multiplexers repeat them.
const TABLES: Duration = Duration::from_millis(100);
const GOP: u32 = 50;
