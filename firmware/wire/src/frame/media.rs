//! Bytes of a unit.

use bondbox_units::{Priority, TrackId};

use super::{BodyError, FIRST, LAST, TO_END, kind};
use crate::{Full, Reader, Writer, varint_len};

/// A range of a unit's bytes.
///
/// ```text
/// track u8 · unit varint · offset varint (absent with FIRST) · unit header (only with FIRST) · bytes
/// ```
///
/// Any range may travel on any path, and be cut anew for a smaller MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// The track.
    pub track: TrackId,
    /// Counts the units of a track from 0.
    pub unit: u32,
    /// Where `bytes` begin in the unit.
    pub offset: u32,
    /// `bytes` end the unit.
    pub last: bool,
    /// These bytes were sent before; on the wire a kind of its own.
    pub again: bool,
    /// There exactly when `offset` is 0.
    pub header: Option<UnitHeader>,
    /// The range.
    pub bytes: &'a [u8],
}

/// What travels once for a unit.
///
/// ```text
/// flags u8: priority (low 2 bits) | keyframe 0x04 | discontinuity 0x08 | pts 0x10 | dts 0x20 | skips 0x40
/// ingest u32 · pts - ingest, signed varint (with 0x10) · dts - pts, signed varint (with 0x20) · skips varint (with 0x40)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitHeader {
    /// What it means to lose it.
    pub priority: Priority,
    /// Decoding can start here.
    pub keyframe: bool,
    /// Something before this unit is missing at its source.
    pub discontinuity: bool,
    /// Low 32 bits of when the unit entered the bond, in microseconds of the sender's clock.
    pub ingest_low: u32,
    /// Presentation time less ingest time, in microseconds; 0 for opaque tracks.
    pub pts_offset: i32,
    /// Decoding time less presentation time, in microseconds.
    pub dts_offset: i32,
    /// Units right before this one that nothing builds on: it builds on the one before those, unless it is a keyframe.
    pub skips: u16,
}

impl<'a> Media<'a> {
    /// Bytes of the frame around `len` payload bytes, its length field included.
    pub fn overhead(unit: u32, offset: u32, header: Option<&UnitHeader>, len: usize) -> usize {
        let head = Self::body_len(unit, offset, header);
        1 + varint_len((head + len) as u64) + head
    }

    fn body_len(unit: u32, offset: u32, header: Option<&UnitHeader>) -> usize {
        1 + varint_len(u64::from(unit)) + header.map_or(varint_len(u64::from(offset)), UnitHeader::len)
    }

    /// Writes the frame. One that leaves no room for another is written without a length, and closes the writer.
    ///
    /// # Errors
    /// [`Full`] when it does not fit; then nothing is written.
    pub fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let overhead = Self::overhead(self.unit, self.offset, self.header.as_ref(), self.bytes.len());
        let body_len = Self::body_len(self.unit, self.offset, self.header.as_ref()) + self.bytes.len();
        if 1 + body_len > out.room() {
            return Err(Full);
        }
        let to_end = overhead + self.bytes.len() >= out.room();
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let kind = if self.again { kind::MEDIA_AGAIN } else { kind::MEDIA };
        out.u8(kind | flag(self.header.is_some(), FIRST) | flag(self.last, LAST) | flag(to_end, TO_END))?;
        if !to_end {
            out.varint(body_len as u64)?;
        }
        out.u8(self.track.0)?;
        out.varint(u64::from(self.unit))?;
        match &self.header {
            Some(header) => header.encode(out)?,
            None => out.varint(u64::from(self.offset))?,
        }
        out.bytes(self.bytes)?;
        if to_end {
            out.close();
        }
        Ok(())
    }

    pub(super) fn decode(first: bool, last: bool, again: bool, body: &mut Reader<'a>) -> Result<Self, BodyError> {
        let track = TrackId(body.u8()?);
        let unit = u32::try_from(body.varint()?).map_err(|_| BodyError::Value)?;
        let (offset, header) = if first {
            (0, Some(UnitHeader::decode(body)?))
        } else {
            (u32::try_from(body.varint()?).map_err(|_| BodyError::Value)?, None)
        };
        let bytes = body.rest();
        if u64::from(offset) + bytes.len() as u64 > u64::from(u32::MAX) {
            return Err(BodyError::Value);
        }
        Ok(Self { track, unit, offset, last, again, header, bytes })
    }
}

impl UnitHeader {
    fn len(&self) -> usize {
        let optional = |value: i32| if value == 0 { 0 } else { signed_len(value) };
        let skips = if self.skips == 0 { 0 } else { varint_len(self.skips.into()) };
        5 + optional(self.pts_offset) + optional(self.dts_offset) + skips
    }

    fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.u8(self.priority.code()
            | flag(self.keyframe, KEYFRAME)
            | flag(self.discontinuity, DISCONTINUITY)
            | flag(self.pts_offset != 0, PTS)
            | flag(self.dts_offset != 0, DTS)
            | flag(self.skips != 0, SKIPS))?;
        out.u32(self.ingest_low)?;
        for offset in [self.pts_offset, self.dts_offset] {
            if offset != 0 {
                out.signed(i64::from(offset))?;
            }
        }
        if self.skips == 0 { Ok(()) } else { out.varint(self.skips.into()) }
    }

    fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        let flags = body.u8()?;
        let ingest_low = body.u32()?;
        let mut offset = |bit: u8| {
            if flags & bit == 0 {
                return Ok(0);
            }
            i32::try_from(body.signed()?).map_err(|_| BodyError::Value)
        };
        Ok(Self {
            priority: Priority::from_code(flags),
            keyframe: flags & KEYFRAME != 0,
            discontinuity: flags & DISCONTINUITY != 0,
            ingest_low,
            pts_offset: offset(PTS)?,
            dts_offset: offset(DTS)?,
            skips: match flags & SKIPS {
                0 => 0,
                _ => u16::try_from(body.varint()?).map_err(|_| BodyError::Value)?,
            },
        })
    }
}

fn signed_len(value: i32) -> usize {
    let value = i64::from(value);
    varint_len((value << 1 ^ value >> 63).cast_unsigned())
}

const KEYFRAME: u8 = 0x04;
const DISCONTINUITY: u8 = 0x08;
const PTS: u8 = 0x10;
const DTS: u8 = 0x20;
const SKIPS: u8 = 0x40;
