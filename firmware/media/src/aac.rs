//! AAC: ADTS frames (ISO/IEC 13818-7 §6.2) and the AudioSpecificConfig of MP4 (ISO/IEC 14496-3 §1.6.2.1).

use alloc::vec::Vec;

use crate::bits::{BitReader, Truncated};

/// The header in front of each ADTS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdtsHeader {
    /// What is encoded, and how.
    pub config: AudioSpecificConfig,
    /// Bytes of header, 7 or 9 with a checksum.
    pub header_len: usize,
    /// Bytes of header and payload.
    pub frame_len: usize,
    /// Samples of each channel.
    pub samples: u32,
}

impl AdtsHeader {
    /// Reads the header at the head of `bytes`.
    ///
    /// # Errors
    /// When no valid header is there.
    pub fn parse(bytes: &[u8]) -> Result<Self, AdtsError> {
        let &[sync, flags, format, mixed, middle, low, blocks, ..] = bytes else {
            return Err(AdtsError::Truncated { wanted: HEADER_LEN, have: bytes.len() });
        };
        // Sync word and layer, which is always 0.
        if sync != 0xff || flags & 0xf6 != 0xf0 {
            return Err(AdtsError::NoSync);
        }
        let config = AudioSpecificConfig {
            object_type: (format >> 6) + 1,
            frequency_index: format >> 2 & 0xf,
            channels: (format & 1) << 2 | mixed >> 6,
        };
        if usize::from(config.frequency_index) >= FREQUENCIES.len() {
            return Err(AdtsError::FrequencyIndex(config.frequency_index));
        }
        let header_len = if flags & 1 == 1 { HEADER_LEN } else { HEADER_LEN + 2 };
        let frame_len = usize::from(mixed & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
        if frame_len < header_len {
            return Err(AdtsError::FrameLength(frame_len));
        }
        Ok(Self { config, header_len, frame_len, samples: SAMPLES * (u32::from(blocks & 3) + 1) })
    }
}

/// The codec configuration that ADTS repeats in each header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// Audio object type: 2 is AAC-LC. ADTS has room for 1 to 4.
    pub object_type: u8,
    /// Index of the sample rate in the standard's table.
    pub frequency_index: u8,
    /// Channel configuration: 1 mono, 2 stereo …; 0 leaves it to the stream.
    pub channels: u8,
}

impl AudioSpecificConfig {
    /// Reads the configuration; of HE-AAC, that of the core that ADTS carries.
    ///
    /// # Errors
    /// When it ends early or cannot be said in ADTS.
    pub fn parse(bytes: &[u8]) -> Result<Self, AdtsError> {
        let reader = &mut BitReader::new(bytes);
        let read = |reader: &mut BitReader<'_>| -> Result<_, Truncated> {
            let mut object_type = object_type(reader)?;
            let mut frequency = frequency(reader)?;
            let channels = reader.bits(4)? as u8;
            if matches!(object_type, SBR | PS) {
                let output = self::frequency(reader)?;
                object_type = self::object_type(reader)?;
                frequency = frequency.or(output);
            }
            Ok((object_type, frequency, channels))
        };
        let (object_type, frequency, channels) =
            read(reader).map_err(|Truncated| AdtsError::Truncated { wanted: bytes.len() + 1, have: bytes.len() })?;
        let object_type = match object_type {
            1..=4 => object_type as u8,
            other => return Err(AdtsError::ObjectType(other)),
        };
        let frequency_index = frequency.ok_or(AdtsError::FrequencyIndex(ESCAPE as u8))?;
        if usize::from(frequency_index) >= FREQUENCIES.len() {
            return Err(AdtsError::FrequencyIndex(frequency_index));
        }
        if channels > 7 {
            return Err(AdtsError::Channels(channels));
        }
        Ok(Self { object_type, frequency_index, channels })
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> u32 {
        FREQUENCIES.get(usize::from(self.frequency_index)).copied().unwrap_or(0)
    }

    /// The header for a raw frame of `payload_len` bytes.
    ///
    /// # Errors
    /// When the frame is longer than 13 bits can say.
    pub fn adts_header(&self, payload_len: usize) -> Result<[u8; HEADER_LEN], AdtsError> {
        let frame_len = payload_len.saturating_add(HEADER_LEN);
        if frame_len > MAX_FRAME {
            return Err(AdtsError::FrameLength(frame_len));
        }
        let profile = self.object_type.saturating_sub(1) & 3;
        Ok([
            0xff,
            0xf1,
            profile << 6 | (self.frequency_index & 0xf) << 2 | self.channels >> 2 & 1,
            (self.channels & 3) << 6 | (frame_len >> 11) as u8,
            (frame_len >> 3) as u8,
            // Buffer fullness all ones: variable rate.
            (frame_len << 5) as u8 | 0x1f,
            0xfc,
        ])
    }
}

/// Why bytes are no ADTS frame, or a configuration has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdtsError {
    /// Too short for the header or configuration.
    #[error("{wanted} bytes wanted, {have} there")]
    Truncated {
        /// Bytes wanted at least.
        wanted: usize,
        /// Bytes there.
        have: usize,
    },
    /// No sync word.
    #[error("no ADTS sync word")]
    NoSync,
    /// A reserved sample rate, or one that is in no table.
    #[error("sample rate index {0} is not in the table")]
    FrequencyIndex(u8),
    /// Shorter than its header, or longer than 8,191 bytes.
    #[error("frame of {0} bytes, must be 7 to 8191")]
    FrameLength(usize),
    /// ADTS has room for types 1 to 4.
    #[error("audio object type {0}, must be 1 to 4")]
    ObjectType(u32),
    /// A channel layout that ADTS cannot name.
    #[error("channel configuration {0}, must be at most 7")]
    Channels(u8),
}

/// Cuts a stream of ADTS frames, given in pieces of any size, into frames.
///
/// After anything that is no frame, a frame counts only when another of the same kind follows it.
#[derive(Debug, Default)]
pub struct AdtsSplitter {
    buffer: Vec<u8>,
    at: usize,
    in_sync: bool,
    ended: bool,
    skipped: u64,
}

impl AdtsSplitter {
    /// An empty splitter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes. Poll afterwards until nothing comes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.ended = false;
        self.buffer.extend_from_slice(bytes);
    }

    /// The stream has ended: the last frame needs no other to follow it.
    pub fn flush(&mut self) {
        self.ended = true;
    }

    /// The next frame with its header.
    pub fn poll(&mut self) -> Option<(AdtsHeader, &[u8])> {
        let header = loop {
            let rest = &self.buffer[self.at..];
            match AdtsHeader::parse(rest) {
                Ok(header) if self.in_sync && rest.len() >= header.frame_len => break header,
                Ok(header) if rest.len() >= header.frame_len + HEADER_LEN => {
                    let next = AdtsHeader::parse(&rest[header.frame_len..]);
                    if next.is_ok_and(|next| next.config == header.config) {
                        break header;
                    }
                    self.skip();
                }
                Ok(header) if self.ended && rest.len() == header.frame_len => break header,
                Ok(_) | Err(AdtsError::Truncated { .. }) if !self.ended || rest.is_empty() => return None,
                _ => self.skip(),
            }
        };
        self.in_sync = true;
        let begin = self.at;
        self.at += header.frame_len;
        Some((header, &self.buffer[begin..self.at]))
    }

    /// Bytes that were part of no frame.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    fn skip(&mut self) {
        self.in_sync = false;
        let rest = &self.buffer[self.at + 1..];
        let step = 1 + memchr::memchr(0xff, rest).unwrap_or(rest.len());
        self.at += step;
        self.skipped += step as u64;
    }
}

/// Where in `bytes` the first frame begins that another of its kind follows, or that ends where they end. Never 0 when
/// they begin with no valid header.
pub(crate) fn find_frame(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(0xff, bytes).find(|&at| {
        let Ok(header) = AdtsHeader::parse(&bytes[at..]) else { return false };
        let Some(after) = bytes.get(at + header.frame_len..) else { return false };
        after.is_empty() || AdtsHeader::parse(after).is_ok_and(|next| next.config == header.config)
    })
}

fn object_type(reader: &mut BitReader<'_>) -> Result<u32, Truncated> {
    match reader.bits(5)? {
        31 => Ok(32 + reader.bits(6)?),
        object_type => Ok(object_type),
    }
}

/// The index of the rate; `None` for a rate spelled out that is in no table.
fn frequency(reader: &mut BitReader<'_>) -> Result<Option<u8>, Truncated> {
    let index = reader.bits(4)?;
    if index != ESCAPE {
        return Ok(Some(index as u8));
    }
    let rate = reader.bits(24)?;
    Ok(FREQUENCIES.iter().position(|&known| known == rate).map(|index| index as u8))
}

/// Bytes of an ADTS header without checksum.
pub const HEADER_LEN: usize = 7;

const MAX_FRAME: usize = 0x1fff;
const SAMPLES: u32 = 1_024;
const ESCAPE: u32 = 15;
const SBR: u32 = 5;
const PS: u32 = 29;

/// ISO/IEC 14496-3, table 1.18.
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO_48K: AudioSpecificConfig = AudioSpecificConfig { object_type: 2, frequency_index: 3, channels: 2 };

    #[test]
    fn a_written_header_reads_back() {
        let header = AdtsHeader::parse(&STEREO_48K.adts_header(371).unwrap()).unwrap();
        assert_eq!(header, AdtsHeader { config: STEREO_48K, header_len: 7, frame_len: 378, samples: 1_024 });
        assert_eq!(header.config.sample_rate(), 48_000);
        assert_eq!(STEREO_48K.adts_header(8_185), Err(AdtsError::FrameLength(8_192)));
    }

    #[test]
    fn configurations_of_mp4_are_read() {
        assert_eq!(AudioSpecificConfig::parse(&[0x11, 0x90]), Ok(STEREO_48K));
        // HE-AAC: SBR at 48 kHz over a core of 24 kHz.
        let core = AudioSpecificConfig { object_type: 2, frequency_index: 6, channels: 2 };
        assert_eq!(AudioSpecificConfig::parse(&[0x2b, 0x11, 0x88, 0x00]), Ok(core));
        assert_eq!(AudioSpecificConfig::parse(&[0x11]), Err(AdtsError::Truncated { wanted: 2, have: 1 }));
        assert_eq!(AudioSpecificConfig::parse(&[0x17, 0x90]), Err(AdtsError::Truncated { wanted: 3, have: 2 }));
        assert_eq!(AudioSpecificConfig::parse(&[0xf9, 0x46, 0x40]), Err(AdtsError::ObjectType(42)));
    }

    #[test]
    fn frames_are_found_behind_garbage_and_without_one_after_them_at_the_end() {
        let frame = [&STEREO_48K.adts_header(5).unwrap()[..], &[1, 2, 0xff, 4, 5]].concat();
        let stream = [&[0xff, 0x01, 7][..], &frame, &frame, &[0; 30], &frame].concat();
        let mut splitter = AdtsSplitter::new();
        let mut found = 0;
        for byte in stream {
            splitter.push(&[byte]);
            while let Some((_, got)) = splitter.poll() {
                assert_eq!(got, frame);
                found += 1;
            }
        }
        assert_eq!((found, splitter.skipped()), (2, 33));
        splitter.flush();
        assert_eq!(splitter.poll().map(|(_, got)| got.to_vec()), Some(frame));
        assert!(splitter.poll().is_none());
    }
}
