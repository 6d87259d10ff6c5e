//! What a programme consists of: the PAT and PMT, read and written (§2.4.4.3, §2.4.4.8).

use alloc::vec::Vec;

use super::crc::crc32;
use crate::Codec;

/// A programme as its map describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programme {
    /// Programme number.
    pub number: u16,
    /// The PID that carries the clock reference.
    pub pcr_pid: u16,
    /// Its streams, the first 32 of them.
    pub streams: Vec<Stream>,
}

/// A stream of a programme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its PID.
    pub pid: u16,
    /// What it carries.
    pub kind: StreamKind,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Stream type 0x1b.
    H264,
    /// Stream type 0x24.
    H265,
    /// Stream type 0x0f: AAC in ADTS.
    Aac,
    /// Stream type 0x06 with the registration `Opus`.
    Opus {
        /// Channels, when the map says so plainly.
        channels: Option<u8>,
    },
    /// A stream type that is not read.
    Other(u8),
}

impl StreamKind {
    /// The codec, when it is one we read.
    pub const fn codec(self) -> Option<Codec> {
        match self {
            Self::H264 => Some(Codec::H264),
            Self::H265 => Some(Codec::H265),
            Self::Aac => Some(Codec::Aac),
            Self::Opus { .. } => Some(Codec::Opus),
            Self::Other(_) => None,
        }
    }

    /// Whether the stream type is of sound, read by us or not (table 2-34, ATSC A/53 for AC-3).
    pub(super) const fn is_audio(self) -> bool {
        matches!(self, Self::Aac | Self::Opus { .. } | Self::Other(0x03 | 0x04 | 0x11 | 0x1c | 0x81 | 0x87))
    }

    fn parse(stream_type: u8, descriptors: &[u8]) -> Self {
        match stream_type {
            0x1b => Self::H264,
            0x24 => Self::H265,
            0x0f => Self::Aac,
            0x06 if descriptor(descriptors, REGISTRATION).is_some_and(|body| body.starts_with(OPUS)) => {
                let extension = descriptor(descriptors, EXTENSION);
                let channels = match extension {
                    Some(&[OPUS_EXTENSION, channels @ 1..=8, ..]) => Some(channels),
                    _ => None,
                };
                Self::Opus { channels }
            }
            other => Self::Other(other),
        }
    }

    fn write(self, pid: u16, out: &mut Vec<u8>) {
        let (stream_type, descriptors) = match self {
            Self::H264 => (0x1b, Vec::new()),
            Self::H265 => (0x24, Vec::new()),
            Self::Aac => (0x0f, Vec::new()),
            Self::Opus { channels } => {
                let registration = [&[REGISTRATION, 4][..], OPUS].concat();
                (0x06, [&registration[..], &[EXTENSION, 2, OPUS_EXTENSION, channels.unwrap_or(2)]].concat())
            }
            Self::Other(other) => (other, Vec::new()),
        };
        out.push(stream_type);
        out.extend_from_slice(&(0xe000 | pid).to_be_bytes());
        out.extend_from_slice(&(0xf000 | descriptors.len() as u16).to_be_bytes());
        out.extend_from_slice(&descriptors);
    }
}

/// The programmes of a PAT section: number and PID of the map. `None` when it is no PAT that is in force.
pub(super) fn parse_pat(section: &[u8]) -> Option<impl Iterator<Item = (u16, u16)>> {
    let body = body(section, PAT)?;
    let entries = body.chunks_exact(4).map(|entry| (word(entry), word(&entry[2..]) & 0x1fff));
    // Programme 0 names the network table.
    Some(entries.filter(|&(number, _)| number != 0))
}

/// Reads a PMT section. `None` when it is no PMT that is in force.
pub(super) fn parse_pmt(section: &[u8]) -> Option<Programme> {
    let body = body(section, PMT)?;
    let (head, rest) = body.split_first_chunk::<4>()?;
    let mut rest = rest.get(usize::from(word(&head[2..]) & 0xfff)..)?;
    let mut streams = Vec::new();
    while let Some((entry, after)) = rest.split_first_chunk::<5>() {
        let (descriptors, after) = after.split_at_checked(usize::from(word(&entry[3..]) & 0xfff))?;
        rest = after;
        if streams.len() < MAX_STREAMS {
            let kind = StreamKind::parse(entry[0], descriptors);
            streams.push(Stream { pid: word(&entry[1..]) & 0x1fff, kind });
        }
    }
    Some(Programme { number: word(&section[3..]), pcr_pid: word(head) & 0x1fff, streams })
}

/// A PAT section with one programme.
pub(super) fn write_pat(number: u16, map_pid: u16, version: u8) -> Vec<u8> {
    let body = [number.to_be_bytes(), (0xe000 | map_pid).to_be_bytes()].concat();
    section(PAT, TRANSPORT_STREAM_ID, version, &body)
}

/// A PMT section.
pub(super) fn write_pmt(programme: &Programme, version: u8) -> Vec<u8> {
    let mut body = [(0xe000 | programme.pcr_pid).to_be_bytes(), [0xf0, 0x00]].concat();
    for stream in &programme.streams {
        stream.kind.write(stream.pid, &mut body);
    }
    section(PMT, programme.number, version, &body)
}

/// The part between the long header and the checksum, of a section that is in force.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let body = section.get(LONG_HEADER..section.len().checked_sub(CHECKSUM)?)?;
    (section[0] == table && section[1] & 0x80 != 0 && section[5] & 1 == 1).then_some(body)
}

fn section(table: u8, id: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() + LONG_HEADER - 3 + CHECKSUM) as u16;
    let mut out = Vec::from([table]);
    out.extend_from_slice(&(0xb000 | length).to_be_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&[0xc1 | (version & 0x1f) << 1, 0, 0]);
    out.extend_from_slice(body);
    let checksum = crc32(&out);
    out.extend_from_slice(&checksum.to_be_bytes());
    out
}

fn descriptor(mut descriptors: &[u8], tag: u8) -> Option<&[u8]> {
    while let [this, len, rest @ ..] = descriptors {
        let (body, rest) = rest.split_at_checked(usize::from(*len))?;
        if *this == tag {
            return Some(body);
        }
        descriptors = rest;
    }
    None
}

fn word(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// Streams of a programme that are looked at.
pub(super) const MAX_STREAMS: usize = 32;

const PAT: u8 = 0;
const PMT: u8 = 2;
const LONG_HEADER: usize = 8;
const CHECKSUM: usize = 4;
const TRANSPORT_STREAM_ID: u16 = 1;
const REGISTRATION: u8 = 0x05;
const EXTENSION: u8 = 0x7f;
const OPUS_EXTENSION: u8 = 0x80;
const OPUS: &[u8] = b"Opus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_read_back() {
        let kinds = [StreamKind::H264, StreamKind::H265, StreamKind::Aac, StreamKind::Opus { channels: Some(1) }];
        let streams = kinds.iter().zip(0x100..).map(|(&kind, pid)| Stream { pid, kind }).collect();
        let programme = Programme { number: 1, pcr_pid: 0x100, streams };
        let section = write_pmt(&programme, 31);
        assert_eq!(crc32(&section), 0);
        assert_eq!(parse_pmt(&section), Some(programme));
        assert!(parse_pat(&write_pat(1, 0x1000, 0)).unwrap().eq([(1, 0x1000)]));
        assert!(parse_pat(&section).is_none());
    }
}
