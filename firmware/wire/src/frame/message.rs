//! Messages: reliable, in order on their channel, up to a size and until a time; and units that came whole.

use bondbox_units::TrackId;

use super::BodyError;
use crate::{Full, Reader, Writer, varint_len};

/// Longest message.
pub const MAX_MESSAGE: usize = 64 << 10;

/// What messages are about. Each channel keeps its own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// What is to be done, and what came of it. Goes first.
    Command,
    /// How things are.
    Telemetry,
}

impl Channel {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 2] = [Self::Command, Self::Telemetry];
}

/// Bytes of a message, both ways. A TELEMETRY or COMMAND frame:
///
/// ```text
/// origin u32 · id varint · offset varint · total varint · expires_ms varint · bytes
/// ```
///
/// Ids count up on each channel, and one message of a channel is on the way at a time: one that begins says that those
/// before it are over. The receiver hands each on once. `origin` is drawn by each process that sends, whose ids begin anew;
/// sessions that replace each other keep it. The bytes of a message are opaque to the bond; those who put something in them
/// only ever add to it, because units lag gateways by months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its channel.
    pub channel: Channel,
    /// Which life of the sender it is of.
    pub origin: u32,
    /// Its number on the channel.
    pub id: u64,
    /// Where these bytes begin.
    pub offset: u32,
    /// Bytes of the whole message, at most [`MAX_MESSAGE`].
    pub total: u32,
    /// Nobody wants it any more after this many milliseconds.
    pub expires_ms: u64,
    /// The bytes; none in an empty message.
    pub bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Bytes of the frame around the message's.
    pub const fn overhead(&self) -> usize {
        let head = self.head();
        1 + varint_len((head + MAX_MESSAGE) as u64) + head
    }

    const fn head(&self) -> usize {
        4 + varint_len(self.id)
            + varint_len(self.offset as u64)
            + varint_len(self.total as u64)
            + varint_len(self.expires_ms)
    }

    pub(super) fn encode(&self, kind: u8, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(kind)?;
        out.varint((self.head() + self.bytes.len()) as u64)?;
        out.u32(self.origin)?;
        out.varint(self.id)?;
        out.varint(self.offset.into())?;
        out.varint(self.total.into())?;
        out.varint(self.expires_ms)?;
        out.bytes(self.bytes)
    }

    pub(super) fn decode(channel: Channel, body: &mut Reader<'a>) -> Result<Self, BodyError> {
        let (origin, id) = (body.u32()?, body.varint()?);
        let (offset, total) = (body.varint()?, body.varint()?);
        let expires_ms = body.varint()?;
        let bytes = body.bytes(body.rest().len())?;
        let whole = total <= MAX_MESSAGE as u64 && offset.saturating_add(bytes.len() as u64) <= total;
        if !whole || (bytes.is_empty() && total > 0) {
            return Err(BodyError::Value);
        }
        Ok(Self { channel, origin, id, offset: offset as u32, total: total as u32, expires_ms, bytes })
    }
}

/// What came of a channel's messages. A MESSAGE_ACK frame:
///
/// ```text
/// channel u8 · origin u32 · next varint · count varint · (skip varint · length varint) for each range
/// ```
///
/// All messages before `next` were handed on or are not waited for; of `next` itself the bytes in the ranges are there, each
/// `skip` bytes behind the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageAck {
    /// The channel.
    pub channel: Channel,
    /// As in [`Message::origin`].
    pub origin: u32,
    /// The message that is waited for.
    pub next: u64,
    ranges: [(u32, u32); MAX_RANGES],
    count: u8,
}

impl MessageAck {
    /// With the first few of `ranges`, which are in order and do not touch, as start and end.
    pub fn new(channel: Channel, origin: u32, next: u64, ranges: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut ack = Self { channel, origin, next, ranges: [(0, 0); MAX_RANGES], count: 0 };
        for (range, slot) in ranges.zip(&mut ack.ranges) {
            *slot = range;
            ack.count += 1;
        }
        ack
    }

    /// Bytes of `next` that are there, as start and end, in order.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges[..usize::from(self.count)]
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.channel as u8)?;
        out.u32(self.origin)?;
        out.varint(self.next)?;
        out.varint(self.count.into())?;
        let mut at = 0;
        for (start, end) in self.ranges() {
            out.varint((start - at).into())?;
            out.varint((end - start).into())?;
            at = *end;
        }
        Ok(())
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        let channel = *Channel::ALL.get(usize::from(body.u8()?)).ok_or(BodyError::Value)?;
        let mut ack = Self::new(channel, body.u32()?, body.varint()?, [].into_iter());
        let count = body.varint()?;
        if count > MAX_RANGES as u64 {
            return Err(BodyError::Value);
        }
        let mut at = 0_u64;
        for slot in &mut ack.ranges[..count as usize] {
            let start = at.saturating_add(body.varint()?);
            at = start.saturating_add(body.varint()?);
            if at > MAX_MESSAGE as u64 {
                return Err(BodyError::Value);
            }
            *slot = (start as u32, at as u32);
        }
        ack.count = count as u8;
        Ok(ack)
    }
}

/// Which units of a track from the gateway came whole. A UNITS_ACK frame:
///
/// ```text
/// track u8 · next u32 · before u64
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitsAck {
    /// The track.
    pub track: TrackId,
    /// The unit after the last of which anything came.
    pub next: u32,
    /// Bit *n* is set when the unit *n* + 1 before `next` is there, or not wanted any more.
    pub before: u64,
}

impl UnitsAck {
    pub(super) fn encode(self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.track.0)?;
        out.u32(self.next)?;
        out.bytes(&self.before.to_be_bytes())
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        let (track, next) = (TrackId(body.u8()?), body.u32()?);
        Ok(Self { track, next, before: u64::from_be_bytes(body.array()?) })
    }
}

/// A message of many holes is told from the front on.
const MAX_RANGES: usize = 4;
