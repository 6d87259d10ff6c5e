//! Opus: packet duration (RFC 6716 §3) and its packaging in MPEG-TS (the Opus-in-TS draft that ffmpeg, GStreamer and
//! mpegts.js follow).

use alloc::vec::Vec;

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Two channels.
    pub stereo: bool,
    /// Frames in the packet, 1 to 48.
    pub frames: u8,
    /// Samples of each channel at 48 kHz, at most 5,760 (120 ms).
    pub samples: u32,
}

impl Packet {
    /// Reads the head of a packet.
    ///
    /// # Errors
    /// When the packet is empty, lacks its frame count, or lasts longer than Opus allows.
    pub fn parse(packet: &[u8]) -> Result<Self, PacketError> {
        let &toc = packet.first().ok_or(PacketError::Truncated)?;
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => packet.get(1).ok_or(PacketError::Truncated)? & 0x3f,
        };
        let samples = u32::from(frames) * samples_per_frame(toc >> 3);
        if frames == 0 || samples > MAX_SAMPLES {
            return Err(PacketError::Duration { frames, samples });
        }
        Ok(Self { stereo: toc & 4 != 0, frames, samples })
    }
}

/// Why bytes are no Opus packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Too short.
    #[error("the packet ends early")]
    Truncated,
    /// No frames, or more than 120 ms.
    #[error("{frames} frames of together {samples} samples, must be 1 to 5760 samples")]
    Duration {
        /// Frames announced.
        frames: u8,
        /// Their length at 48 kHz.
        samples: u32,
    },
}

/// Appends the control header that precedes a packet in a transport stream.
pub fn write_control_header(packet_len: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&CONTROL_PREFIX.to_be_bytes());
    out.extend(core::iter::repeat_n(0xff, packet_len / 255));
    out.push((packet_len % 255) as u8);
}

/// Parts a control header from what follows: the packet, and the bytes behind it. `None` when `bytes` is no whole
/// control header and packet.
pub fn split_control_header(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, mut rest) = bytes.split_first_chunk::<2>()?;
    let head = u16::from_be_bytes(*head);
    if head & 0xffe0 != CONTROL_PREFIX {
        return None;
    }
    let mut len = 0;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        len += usize::from(byte);
        if byte != 255 {
            break;
        }
    }
    for trim in [START_TRIM, END_TRIM] {
        if head & trim != 0 {
            rest = rest.get(2..)?;
        }
    }
    if head & EXTENSION != 0 {
        let (&extension, after) = rest.split_first()?;
        rest = after.get(usize::from(extension)..)?;
    }
    rest.split_at_checked(len)
}

/// Table 2: silk 10–60 ms, hybrid 10–20 ms, CELT 2.5–20 ms.
const fn samples_per_frame(config: u8) -> u32 {
    match config {
        0..=11 => [480, 960, 1_920, 2_880][(config & 3) as usize],
        12..=15 => [480, 960][(config & 1) as usize],
        _ => 120 << (config & 3),
    }
}

const MAX_SAMPLES: u32 = 5_760;

/// `control_header_prefix` 0x3ff in the upper 11 bits.
const CONTROL_PREFIX: u16 = 0x3ff << 5;
const START_TRIM: u16 = 1 << 4;
const END_TRIM: u16 = 1 << 3;
const EXTENSION: u16 = 1 << 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_rfc_6716() {
        let samples = |bytes: &[u8]| Packet::parse(bytes).map(|packet| packet.samples);
        assert_eq!(samples(&[0]), Ok(480));
        assert_eq!(samples(&[3 << 3]), Ok(2_880));
        assert_eq!(samples(&[15 << 3]), Ok(960));
        assert_eq!(samples(&[16 << 3]), Ok(120));
        assert_eq!(samples(&[31 << 3 | 1]), Ok(1_920));
        assert_eq!(samples(&[31 << 3 | 3, 6]), Ok(5_760));
        assert_eq!(samples(&[31 << 3 | 3, 7]), Err(PacketError::Duration { frames: 7, samples: 6_720 }));
        assert_eq!(samples(&[3]), Err(PacketError::Truncated));
        assert_eq!(samples(&[3, 0]), Err(PacketError::Duration { frames: 0, samples: 0 }));
    }

    #[test]
    fn control_headers_read_back_at_every_length() {
        for len in [0, 1, 254, 255, 256, 510, 1_275] {
            let mut bytes = Vec::new();
            write_control_header(len, &mut bytes);
            bytes.extend(core::iter::repeat_n(7, len + 3));
            let (packet, rest) = split_control_header(&bytes).unwrap();
            assert_eq!((packet.len(), rest), (len, &[7, 7, 7][..]));
        }
    }

    #[test]
    fn trims_and_extensions_are_stepped_over() {
        let bytes = [0x7f, 0xfc, 2, 0, 1, 0, 2, 1, 9, 0xaa, 0xbb];
        assert_eq!(split_control_header(&bytes), Some((&[0xaa, 0xbb][..], &[][..])));
        assert_eq!(split_control_header(&bytes[..10]), None);
        assert_eq!(split_control_header(&[0x7e, 0xe0, 0]), None);
    }
}
