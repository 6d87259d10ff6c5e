//! What the plaintext of a datagram holds.

mod ack;
mod control;
mod media;
mod message;
mod repair;

pub use ack::{Ack, AckBuilder, Acked, TIME_UNIT_MICROS};
pub use control::{
    Bitrate, Clock, Latency, LinkAccept, LinkJoin, LinkReport, LinkState, MAX_LABEL, MAX_LINK_NAME, Track, TrackKind,
};
pub use media::{Media, UnitHeader};
pub use message::{Channel, MAX_MESSAGE, Message, MessageAck, UnitsAck};
pub use repair::{MAX_RUNS, MAX_SOURCES, Repair, Run, coefficient};

use bondbox_units::TrackId;

use crate::{Full, Reader, Truncated, Writer};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Nothing; fills a datagram up.
    Padding,
    /// Bytes of a unit.
    Media(Media<'a>),
    /// What arrived on a path, and when.
    Ack(Ack<'a>),
    /// A sum over packets that may be lost.
    Repair(Repair<'a>),
    /// How the sending end sees one of its links.
    LinkReport(LinkReport<'a>),
    /// What the encoder was told and what it does.
    Bitrate(Bitrate),
    /// Answer with [`Frame::Pong`] on the same path.
    Ping(u64),
    /// The token of a [`Frame::Ping`].
    Pong(u64),
    /// Opens the path that it comes on.
    LinkJoin(LinkJoin<'a>),
    /// The path is open.
    LinkAccept(LinkAccept),
    /// This path id carries nothing any more.
    LinkLeave {
        /// The path.
        path: u32,
    },
    /// The session ends.
    Close {
        /// Why; 0 is "as asked".
        reason: u64,
    },
    /// Units of this track before this one are past their time.
    Horizon {
        /// The track.
        track: TrackId,
        /// The first unit that still matters.
        unit: u32,
    },
    /// A keyframe is wanted on this track.
    Keyframe {
        /// The track.
        track: TrackId,
    },
    /// How the sender's clock maps to the receiver's.
    Clock(Clock),
    /// How long units wait at the gateway.
    Latency(Latency),
    /// What a track is.
    Track(Track<'a>),
    /// Bytes of a message.
    Message(Message<'a>),
    /// What came of messages.
    MessageAck(MessageAck),
    /// What came of units of a track from the gateway.
    UnitsAck(UnitsAck),
    /// A kind that this build does not know, skipped by its length.
    Unknown {
        /// The kind.
        kind: u8,
    },
}

/// Why a plaintext does not read as frames: its sender has a bug or is hostile, for its tag was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A frame ends inside a field, or is longer than the datagram.
    Truncated {
        /// Of this kind.
        kind: u8,
    },
    /// A field of a frame has a value that it cannot have.
    Value {
        /// Of this kind.
        kind: u8,
    },
}

/// Reads frames one by one; after an error it ends.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    reader: Reader<'a>,
}

impl<'a> Frames<'a> {
    /// Reads the frames of `plaintext`.
    pub const fn new(plaintext: &'a [u8]) -> Self {
        Self { reader: Reader::new(plaintext) }
    }

    fn next_frame(&mut self) -> Result<Frame<'a>, FrameError> {
        let truncated = |kind| move |Truncated| FrameError::Truncated { kind };
        let first = self.reader.u8().map_err(truncated(0))?;
        let kind = first & KIND;
        let length = if first & TO_END == 0 {
            self.reader.varint().map_err(truncated(kind))?
        } else {
            self.reader.rest().len() as u64
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut body = Reader::new(self.reader.bytes(length).map_err(truncated(kind))?);
        decode_body(first, &mut body).map_err(|error| match error {
            BodyError::Truncated => FrameError::Truncated { kind },
            BodyError::Value => FrameError::Value { kind },
        })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let frame = self.next_frame();
        if frame.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(frame)
    }
}

impl Frame<'_> {
    /// Writes the frame with its length, or nothing at all.
    ///
    /// Media, acknowledgements and repair symbols have better ways: [`Media::encode`], [`AckBuilder`], [`Repair::encode`].
    ///
    /// # Errors
    /// [`Full`] when it does not fit.
    pub fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let start = out.len();
        let result = self.encode_whole(out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn encode_whole(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        let mut body = [0; MAX_CONTROL];
        let mut writer = Writer::new(&mut body);
        let kind = match self {
            Self::Padding | Self::Unknown { .. } => {
                // Padding says so by its length alone: it takes what is left.
                out.u8(kind::PADDING | TO_END)?;
                while out.u8(0).is_ok() {}
                return Ok(());
            }
            Self::Media(media) => return media.encode(out),
            Self::Ack(ack) => return ack.encode(out),
            Self::Repair(repair) => return repair.encode_again(out),
            Self::Message(message) => {
                let kind = match message.channel {
                    Channel::Telemetry => kind::TELEMETRY,
                    Channel::Command => kind::COMMAND,
                };
                return message.encode(kind, out);
            }
            Self::MessageAck(ack) => ack.encode(&mut writer).map(|()| kind::MESSAGE_ACK),
            Self::UnitsAck(ack) => ack.encode(&mut writer).map(|()| kind::UNITS_ACK),
            Self::LinkReport(report) => report.encode(&mut writer).map(|()| kind::LINK_REPORT),
            Self::Bitrate(bitrate) => bitrate.encode(&mut writer).map(|()| kind::BITRATE),
            Self::Ping(token) => writer.varint(*token).map(|()| kind::PING),
            Self::Pong(token) => writer.varint(*token).map(|()| kind::PONG),
            Self::LinkJoin(join) => join.encode(&mut writer).map(|()| kind::LINK_JOIN),
            Self::LinkAccept(accept) => accept.encode(&mut writer).map(|()| kind::LINK_ACCEPT),
            Self::LinkLeave { path } => writer.u32(*path).map(|()| kind::LINK_LEAVE),
            Self::Close { reason } => writer.varint(*reason).map(|()| kind::CLOSE),
            Self::Horizon { track, unit } => {
                writer.u8(track.0).and_then(|()| writer.u32(*unit)).map(|()| kind::HORIZON)
            }
            Self::Keyframe { track } => writer.u8(track.0).map(|()| kind::KEYFRAME),
            Self::Clock(clock) => clock.encode(&mut writer).map(|()| kind::CLOCK),
            Self::Latency(latency) => latency.encode(&mut writer).map(|()| kind::LATENCY),
            Self::Track(track) => track.encode(&mut writer).map(|()| kind::TRACK),
        }?;
        let len = writer.len();
        out.u8(kind)?;
        out.varint(len as u64)?;
        out.bytes(&body[..len])
    }
}

fn decode_body<'a>(first: u8, body: &mut Reader<'a>) -> Result<Frame<'a>, BodyError> {
    Ok(match first & KIND {
        kind::PADDING => Frame::Padding,
        kind @ (kind::MEDIA | kind::MEDIA_AGAIN) => {
            Frame::Media(Media::decode(first & FIRST != 0, first & LAST != 0, kind == kind::MEDIA_AGAIN, body)?)
        }
        kind::ACK => Frame::Ack(Ack::decode(body)?),
        kind::REPAIR => Frame::Repair(Repair::decode(body)?),
        kind::LINK_REPORT => Frame::LinkReport(LinkReport::decode(body)?),
        kind::BITRATE => Frame::Bitrate(Bitrate::decode(body)?),
        kind::PING => Frame::Ping(body.varint()?),
        kind::PONG => Frame::Pong(body.varint()?),
        kind::LINK_JOIN => Frame::LinkJoin(LinkJoin::decode(body)?),
        kind::LINK_ACCEPT => Frame::LinkAccept(LinkAccept::decode(body)?),
        kind::LINK_LEAVE => Frame::LinkLeave { path: body.u32()? },
        kind::CLOSE => Frame::Close { reason: body.varint()? },
        kind::HORIZON => Frame::Horizon { track: TrackId(body.u8()?), unit: body.u32()? },
        kind::KEYFRAME => Frame::Keyframe { track: TrackId(body.u8()?) },
        kind::CLOCK => Frame::Clock(Clock::decode(body)?),
        kind::LATENCY => Frame::Latency(Latency::decode(body)?),
        kind::TRACK => Frame::Track(Track::decode(body)?),
        kind::TELEMETRY => Frame::Message(Message::decode(Channel::Telemetry, body)?),
        kind::COMMAND => Frame::Message(Message::decode(Channel::Command, body)?),
        kind::MESSAGE_ACK => Frame::MessageAck(MessageAck::decode(body)?),
        kind::UNITS_ACK => Frame::UnitsAck(UnitsAck::decode(body)?),
        kind => Frame::Unknown { kind },
    })
}

enum BodyError {
    Truncated,
    Value,
}

impl From<Truncated> for BodyError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

const KIND: u8 = 0x1f;
const FIRST: u8 = 0x20;
const LAST: u8 = 0x40;
const TO_END: u8 = 0x80;

mod kind {
    pub(super) const PADDING: u8 = 0x00;
    pub(super) const MEDIA: u8 = 0x01;
    pub(super) const ACK: u8 = 0x02;
    pub(super) const REPAIR: u8 = 0x03;
    pub(super) const LINK_REPORT: u8 = 0x04;
    pub(super) const BITRATE: u8 = 0x05;
    pub(super) const PING: u8 = 0x06;
    pub(super) const PONG: u8 = 0x07;
    pub(super) const LINK_JOIN: u8 = 0x08;
    pub(super) const LINK_ACCEPT: u8 = 0x09;
    pub(super) const LINK_LEAVE: u8 = 0x0a;
    pub(super) const CLOSE: u8 = 0x0b;
    pub(super) const HORIZON: u8 = 0x0c;
    pub(super) const KEYFRAME: u8 = 0x0d;
    pub(super) const CLOCK: u8 = 0x0e;
    pub(super) const TRACK: u8 = 0x0f;
    pub(super) const MEDIA_AGAIN: u8 = 0x10;
    pub(super) const TELEMETRY: u8 = 0x11;
    pub(super) const COMMAND: u8 = 0x12;
    pub(super) const MESSAGE_ACK: u8 = 0x13;
    pub(super) const UNITS_ACK: u8 = 0x14;
    pub(super) const LATENCY: u8 = 0x15;
}

/// Longest body of a control frame: a track with its label.
const MAX_CONTROL: usize = 128;
