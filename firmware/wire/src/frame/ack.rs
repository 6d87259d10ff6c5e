//! What arrived on a path, and when.

use bondbox_units::Instant;

use super::{BodyError, kind};
use crate::{Full, Reader, Truncated, Writer};

/// An acknowledgement of one path.
///
/// ```text
/// path u32 · largest varint · received varint · delay varint · ranges varint
/// first range: length - 1 varint · each further one: gap - 1 varint, length - 1 varint
/// one signed varint a packet but the largest, newest number first: how much earlier than the one before it
/// ```
///
/// `received` is when the largest number arrived, on the receiver's clock; `delay` how long it waited for this frame to
/// be written; both in microseconds. The times of the others count [`TIME_UNIT_MICROS`]. Packets of the last 120 ms are
/// repeated in each acknowledgement, so that a lost one costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// The path that is acknowledged; the frame may come on another.
    pub path: u32,
    /// The largest packet number that arrived.
    pub largest: u64,
    /// When it arrived.
    pub received: Instant,
    /// How long the frame was held back after that, in microseconds.
    pub delay_us: u64,
    ranges: u64,
    body: &'a [u8],
}

/// A packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Its number.
    pub pn: u64,
    /// When, on the receiver's clock.
    pub received: Instant,
}

/// Resolution of the times of packets but the largest.
pub const TIME_UNIT_MICROS: u64 = 32;

impl<'a> Ack<'a> {
    pub(super) fn decode(body: &mut Reader<'a>) -> Result<Self, BodyError> {
        let path = body.u32()?;
        let largest = body.varint()?;
        let received = Instant::from_micros(body.varint()?);
        let delay_us = body.varint()?;
        let ranges = body.varint()?;
        let ack = Self { path, largest, received, delay_us, ranges, body: body.rest() };
        ack.check()?;
        Ok(ack)
    }

    /// The packets that arrived, newest number first.
    pub fn packets(&self) -> impl Iterator<Item = Acked> + use<'a> {
        let mut times = Reader::new(self.body);
        for _ in 0..self.ranges.saturating_mul(2).saturating_sub(1) {
            // `check` has read them all before.
            let _ = times.varint();
        }
        let mut ranges = Reader::new(self.body);
        let mut left_in_range = ranges.varint().unwrap_or(0).saturating_add(u64::from(self.ranges > 0));
        let mut left_ranges = self.ranges.saturating_sub(1);
        let mut next = Acked { pn: self.largest, received: self.received };
        let mut first = true;
        core::iter::from_fn(move || {
            if left_in_range == 0 {
                left_ranges = left_ranges.checked_sub(1)?;
                next.pn = next.pn.checked_sub(ranges.varint().ok()? + 1)?;
                left_in_range = ranges.varint().ok()? + 1;
            }
            if !first {
                let earlier = times.signed().ok()?.saturating_mul(TIME_UNIT_MICROS.cast_signed());
                next.received = next.received.offset_micros(earlier.saturating_neg());
            }
            first = false;
            left_in_range -= 1;
            let packet = next;
            next.pn = next.pn.wrapping_sub(1);
            Some(packet)
        })
    }

    /// That ranges stay above zero and that each packet has a time.
    fn check(&self) -> Result<(), BodyError> {
        let mut reader = Reader::new(self.body);
        if self.ranges == 0 || self.ranges > self.body.len() as u64 {
            return Err(BodyError::Value);
        }
        let mut lowest = self.largest.checked_sub(reader.varint()?).ok_or(BodyError::Value)?;
        let mut packets = self.largest - lowest + 1;
        for _ in 1..self.ranges {
            let (gap, length) = (reader.varint()? + 1, reader.varint()?);
            lowest = lowest.checked_sub(gap + 1).and_then(|top| top.checked_sub(length)).ok_or(BodyError::Value)?;
            packets += length + 1;
        }
        if packets > self.body.len() as u64 + 1 {
            return Err(BodyError::Truncated);
        }
        for _ in 1..packets {
            reader.signed()?;
        }
        Ok(())
    }

    pub(super) fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let mut builder = AckBuilder::new(self.path, self.delay_us);
        builder.encode(self.packets(), out)
    }
}

/// Writes acknowledgements.
#[derive(Clone, Copy, Debug)]
pub struct AckBuilder {
    path: u32,
    delay_us: u64,
}

impl AckBuilder {
    /// For `path`, `delay_us` after its largest number arrived.
    pub const fn new(path: u32, delay_us: u64) -> Self {
        Self { path, delay_us }
    }

    /// Writes one ACK frame of `packets`, which come newest number first; those that find no room are left out.
    ///
    /// # Errors
    /// [`Full`] when not even the first fits, or there is none; then nothing is written.
    pub fn encode(&mut self, packets: impl Iterator<Item = Acked>, out: &mut Writer<'_>) -> Result<(), Full> {
        // Worst case around the lists: type, length, path, largest, received, delay, number of ranges.
        let budget = out.room().min(MAX_BODY).saturating_sub(1 + 2 + 4 + 8 + 8 + 4 + 2);
        let (mut ranges, mut times) = ([0; MAX_BODY], [0; MAX_BODY]);
        let (mut ranges, mut times) = (Writer::new(&mut ranges), Writer::new(&mut times));
        let mut list = Lists { first: None, previous: None, count: 0, length: 0 };
        for packet in packets {
            // A packet takes at most a new range (8 + 4) and a time (8).
            if ranges.len() + times.len() + 24 > budget {
                break;
            }
            list.push(packet, &mut ranges, &mut times).map_err(|Truncated| Full)?;
        }
        let first = list.first.ok_or(Full)?;
        ranges.varint(list.length)?;
        let mut head = [0; 32];
        let mut head = Writer::new(&mut head);
        head.u32(self.path)?;
        head.varint(first.pn)?;
        head.varint(first.received.as_micros())?;
        head.varint(self.delay_us)?;
        head.varint(list.count + 1)?;
        out.u8(kind::ACK)?;
        out.varint((head.len() + ranges.len() + times.len()) as u64)?;
        for part in [&head, &ranges, &times] {
            out.bytes(part.written())?;
        }
        Ok(())
    }
}

/// Ranges and times as they grow.
struct Lists {
    first: Option<Acked>,
    previous: Option<Acked>,
    /// Ranges written.
    count: u64,
    /// Packets in the open range, less one.
    length: u64,
}

impl Lists {
    fn push(&mut self, packet: Acked, ranges: &mut Writer<'_>, times: &mut Writer<'_>) -> Result<(), Truncated> {
        let Some(previous) = self.previous.replace(packet) else {
            self.first = Some(packet);
            return Ok(());
        };
        let put = |result: Result<(), Full>| result.map_err(|Full| Truncated);
        let gap = previous.pn.checked_sub(packet.pn + 1).ok_or(Truncated)?;
        if gap == 0 {
            self.length += 1;
        } else {
            put(ranges.varint(self.length))?;
            put(ranges.varint(gap - 1))?;
            self.count += 1;
            self.length = 0;
        }
        let unit = TIME_UNIT_MICROS.cast_signed();
        // The decoder adds these up from the largest's exact time: round against the sum so far.
        let first = self.first.unwrap_or(packet).received;
        let steps = |of: Instant| first.micros_since(of).div_euclid(unit);
        put(times.signed(steps(packet.received) - steps(previous.received)))
    }
}

/// Longest ACK body: a datagram's worth.
const MAX_BODY: usize = 1_200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, Frames};

    fn acked(pn: u64, micros: u64) -> Acked {
        Acked { pn, received: Instant::from_micros(micros) }
    }

    #[test]
    fn gaps_and_times_read_back_to_the_time_unit() {
        let sent = [acked(900, 5_000_000), acked(899, 5_000_700), acked(700, 4_990_000), acked(0, 4_000_001)];
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer);
        AckBuilder::new(7, 2_500).encode(sent.into_iter(), &mut writer).unwrap();
        let len = writer.len();
        let Some(Ok(Frame::Ack(ack))) = Frames::new(&buffer[..len]).next() else { panic!("no ack") };
        assert_eq!((ack.path, ack.largest, ack.delay_us), (7, 900, 2_500));
        assert_eq!(ack.packets().count(), 4);
        for (read, sent) in ack.packets().zip(sent) {
            assert_eq!(read.pn, sent.pn);
            assert!(read.received.micros_since(sent.received).unsigned_abs() <= TIME_UNIT_MICROS);
        }
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let packets = (0..5_000_u64).rev().map(|pn| acked(pn, pn * 1_000_000));
        let mut buffer = [0; 300];
        let mut writer = Writer::new(&mut buffer);
        AckBuilder::new(1, 0).encode(packets, &mut writer).unwrap();
        let len = writer.len();
        let Some(Ok(Frame::Ack(ack))) = Frames::new(&buffer[..len]).next() else { panic!("no ack") };
        assert!((40..200).contains(&ack.packets().count()));
        assert_eq!(ack.packets().next().unwrap().pn, 4_999);
    }
}
