//! Frames that steer a session.

use bondbox_units::{Instant, LinkId, TrackId};

use super::BodyError;
use crate::{Full, Reader, Writer};

/// Longest name of a link, as of a Linux interface.
pub const MAX_LINK_NAME: usize = 15;

/// Longest label of a track.
pub const MAX_LABEL: usize = 64;

/// Opens the path it comes on.
///
/// ```text
/// index u32 · sent varint · link u8 · name (u8 length, ≤ 15, UTF-8)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkJoin<'a> {
    /// What the unit wants to be called by on this path.
    pub index: u32,
    /// The unit's clock when this was sent.
    pub sent: Instant,
    /// The unit's id of the link.
    pub link: LinkId,
    /// The link's name, for people.
    pub name: &'a str,
}

impl<'a> LinkJoin<'a> {
    pub(super) fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.index)?;
        out.varint(self.sent.as_micros())?;
        out.u8(self.link.0)?;
        put_text(self.name, MAX_LINK_NAME, out)
    }

    pub(super) fn decode(body: &mut Reader<'a>) -> Result<Self, BodyError> {
        Ok(Self {
            index: body.u32()?,
            sent: Instant::from_micros(body.varint()?),
            link: LinkId(body.u8()?),
            name: text(MAX_LINK_NAME, body)?,
        })
    }
}

/// Answers [`LinkJoin`] on the same path.
///
/// ```text
/// index u32 · join_sent varint · received varint
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAccept {
    /// What the gateway wants to be called by on this path.
    pub index: u32,
    /// [`LinkJoin::sent`] of the datagram that is answered.
    pub join_sent: Instant,
    /// The gateway's clock when that arrived.
    pub received: Instant,
}

impl LinkAccept {
    pub(super) fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.index)?;
        out.varint(self.join_sent.as_micros())?;
        out.varint(self.received.as_micros())
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self {
            index: body.u32()?,
            join_sent: Instant::from_micros(body.varint()?),
            received: Instant::from_micros(body.varint()?),
        })
    }
}

/// How the clocks map: when the sender's read `sender`, the receiver's read `receiver`, and it gains `drift_ppb` on it.
///
/// ```text
/// sender varint · receiver varint · drift_ppb signed varint, absent when 0
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// On the sender's clock.
    pub sender: Instant,
    /// On the receiver's, as the sender believes.
    pub receiver: Instant,
    /// Nanoseconds that the receiver's clock gains on the sender's in a second.
    pub drift_ppb: i64,
}

impl Clock {
    pub(super) fn encode(self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.varint(self.sender.as_micros())?;
        out.varint(self.receiver.as_micros())?;
        if self.drift_ppb == 0 { Ok(()) } else { out.signed(self.drift_ppb) }
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        let (sender, receiver) = (Instant::from_micros(body.varint()?), Instant::from_micros(body.varint()?));
        let drift_ppb = if body.is_empty() { 0 } else { body.signed()? };
        Ok(Self { sender, receiver, drift_ppb })
    }
}

/// From a unit's ingest to the gateway's outputs, as the gateway has it.
///
/// ```text
/// now_ms · target_ms · longest_ms (varints)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Of units that are due now at the live output.
    pub now_ms: u32,
    /// Where that goes, slowly enough that nobody notices.
    pub target_ms: u32,
    /// Of the output that waits longest: units are of use for so long.
    pub longest_ms: u32,
}

impl Latency {
    pub(super) fn encode(self, out: &mut Writer<'_>) -> Result<(), Full> {
        [self.now_ms, self.target_ms, self.longest_ms].into_iter().try_for_each(|ms| out.varint(ms.into()))
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        let mut ms = || u32::try_from(body.varint()?).map_err(|_| BodyError::Value);
        Ok(Self { now_ms: ms()?, target_ms: ms()?, longest_ms: ms()? })
    }
}

/// What the encoder was told and what it does.
///
/// ```text
/// target_bps varint · actual_bps varint · encode_delay_us varint
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitrate {
    /// What it was told, in bits per second.
    pub target_bps: u64,
    /// What came in over the last second, in bits per second.
    pub actual_bps: u64,
    /// From the camera to the bond, in microseconds.
    pub encode_delay_us: u64,
}

impl Bitrate {
    pub(super) fn encode(self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.varint(self.target_bps)?;
        out.varint(self.actual_bps)?;
        out.varint(self.encode_delay_us)
    }

    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Self, BodyError> {
        Ok(Self { target_bps: body.varint()?, actual_bps: body.varint()?, encode_delay_us: body.varint()? })
    }
}

/// How the sending end sees one of its links.
///
/// ```text
/// path u32 · link u8 · state u8 · rate_bps · capacity_bps · rtt_us · delay_us · queue_us · loss_ppm · packets_sent
/// · packets_lost · bytes_repaired (varints) · name (u8 length, ≤ 15, UTF-8)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkReport<'a> {
    /// The path that the link uses now, 0 when it has none.
    pub path: u32,
    /// The link.
    pub link: LinkId,
    /// Whether it carries media.
    pub state: LinkState,
    /// Delivered over the last second, in bits per second.
    pub rate_bps: u64,
    /// Proven at most, in bits per second.
    pub capacity_bps: u64,
    /// Round trip without queue, in microseconds.
    pub rtt_us: u64,
    /// One way now, queue included, as far as the clocks' map tells, in microseconds.
    pub delay_us: u64,
    /// Standing queue above the base delay, in microseconds.
    pub queue_us: u64,
    /// Lost of those sent over the last two seconds, in parts per million.
    pub loss_ppm: u64,
    /// Since the link was configured.
    pub packets_sent: u64,
    /// Since the link was configured.
    pub packets_lost: u64,
    /// Bytes sent on this link that another lost.
    pub bytes_repaired: u64,
    /// For people.
    pub name: &'a str,
}

/// Whether a link carries media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// No interface, or no address.
    Absent,
    /// Waiting for an answer to its join.
    Joining,
    /// Carries media.
    Up,
    /// Overdue: no new media.
    Suspect,
    /// So long overdue that its packets were sent elsewhere.
    Silent,
}

impl LinkState {
    const ALL: [Self; 5] = [Self::Absent, Self::Joining, Self::Up, Self::Suspect, Self::Silent];
}

impl<'a> LinkReport<'a> {
    pub(super) fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u32(self.path)?;
        out.u8(self.link.0)?;
        out.u8(self.state as u8)?;
        for value in [
            self.rate_bps,
            self.capacity_bps,
            self.rtt_us,
            self.delay_us,
            self.queue_us,
            self.loss_ppm,
            self.packets_sent,
            self.packets_lost,
            self.bytes_repaired,
        ] {
            out.varint(value)?;
        }
        put_text(self.name, MAX_LINK_NAME, out)
    }

    pub(super) fn decode(body: &mut Reader<'a>) -> Result<Self, BodyError> {
        Ok(Self {
            path: body.u32()?,
            link: LinkId(body.u8()?),
            state: *LinkState::ALL.get(usize::from(body.u8()?)).ok_or(BodyError::Value)?,
            rate_bps: body.varint()?,
            capacity_bps: body.varint()?,
            rtt_us: body.varint()?,
            delay_us: body.varint()?,
            queue_us: body.varint()?,
            loss_ppm: body.varint()?,
            packets_sent: body.varint()?,
            packets_lost: body.varint()?,
            bytes_repaired: body.varint()?,
            name: text(MAX_LINK_NAME, body)?,
        })
    }
}

/// What a track is.
///
/// ```text
/// track u8 · kind u8 · width varint · height varint · rate varint · channels u8 · label (u8 length, ≤ 64, UTF-8)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track<'a> {
    /// Its id.
    pub track: TrackId,
    /// What its units are.
    pub kind: TrackKind,
    /// Picture width in pixels, 0 without picture.
    pub width: u16,
    /// Picture height in pixels, 0 without picture.
    pub height: u16,
    /// Frames a second times 1,000, or samples a second; 0 when unknown.
    pub rate: u32,
    /// Sound channels, 0 without sound.
    pub channels: u8,
    /// For people.
    pub label: &'a str,
}

/// What the units of a track are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Datagrams of unknown content.
    Opaque,
    /// H.264 access units in Annex B.
    H264,
    /// H.265 access units in Annex B.
    H265,
    /// AAC frames in ADTS.
    Aac,
    /// Opus packets.
    Opus,
}

impl TrackKind {
    const ALL: [Self; 5] = [Self::Opaque, Self::H264, Self::H265, Self::Aac, Self::Opus];

    /// Whether its units are pictures, which build on each other.
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}

impl<'a> Track<'a> {
    pub(super) fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(self.track.0)?;
        out.u8(self.kind as u8)?;
        out.varint(u64::from(self.width))?;
        out.varint(u64::from(self.height))?;
        out.varint(u64::from(self.rate))?;
        out.u8(self.channels)?;
        put_text(self.label, MAX_LABEL, out)
    }

    pub(super) fn decode(body: &mut Reader<'a>) -> Result<Self, BodyError> {
        let track = TrackId(body.u8()?);
        let kind = *TrackKind::ALL.get(usize::from(body.u8()?)).ok_or(BodyError::Value)?;
        let mut size = || u16::try_from(body.varint()?).map_err(|_| BodyError::Value);
        let (width, height) = (size()?, size()?);
        let rate = u32::try_from(body.varint()?).map_err(|_| BodyError::Value)?;
        Ok(Self { track, kind, width, height, rate, channels: body.u8()?, label: text(MAX_LABEL, body)? })
    }
}

/// Cut at `max` bytes, between characters.
fn put_text(text: &str, max: usize, out: &mut Writer<'_>) -> Result<(), Full> {
    let text = &text[..text.floor_char_boundary(max)];
    out.u8(text.len() as u8)?;
    out.bytes(text.as_bytes())
}

fn text<'a>(max: usize, body: &mut Reader<'a>) -> Result<&'a str, BodyError> {
    let len = usize::from(body.u8()?);
    if len > max {
        return Err(BodyError::Value);
    }
    core::str::from_utf8(body.bytes(len)?).map_err(|_| BodyError::Value)
}
