//! Sessions made up for property tests: one video, one AAC and one Opus track.

use std::ops::Range;

use bondbox_media::ts::{PACKET_LEN, Track, WriteUnit, Writer};
use bondbox_media::{Codec, aac, h264};
use bondbox_units::{Instant, Priority, TrackId};
use bytes::Bytes;
use proptest::prelude::*;

/// The PID of the video track.
pub(crate) const VIDEO: u16 = 0x100;

const TRACKS: [Track; 3] = [
    Track { id: TrackId(0), codec: Codec::H264, channels: 0 },
    Track { id: TrackId(1), codec: Codec::Aac, channels: 2 },
    Track { id: TrackId(2), codec: Codec::Opus, channels: 2 },
];

/// A unit to write.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) track: Track,
    pub(crate) pts: Instant,
    pub(crate) dts: Instant,
    pub(crate) keyframe: bool,
    pub(crate) disposable: bool,
    pub(crate) data: Vec<u8>,
}

impl Sample {
    pub(crate) fn pid(&self) -> u16 {
        0x100 + u16::from(self.track.id.0)
    }

    pub(crate) fn unit(&self) -> WriteUnit<'_> {
        let &Self { track, pts, dts, keyframe, ref data, .. } = self;
        WriteUnit { track: track.id, pts, dts, keyframe, discontinuity: false, data }
    }

    /// What comes back: a delimiter is put in front of pictures that have none.
    pub(crate) fn expected(&self) -> Bytes {
        let bare = self.track.codec.is_video() && !self.data.starts_with(&h264::DELIMITER);
        Bytes::from([if bare { &h264::DELIMITER[..] } else { &[] }, &self.data].concat())
    }

    pub(crate) fn priority(&self) -> Priority {
        match self {
            Self { keyframe: true, .. } => Priority::Reference,
            Self { disposable: true, .. } => Priority::Disposable,
            _ => Priority::Standard,
        }
    }
}

/// Units in decoding order, the first a keyframe.
pub(crate) fn session(count: Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
    let len = prop_oneof![8 => 1..400_usize, 4 => 400..4_000_usize, 1 => 60_000..70_000_usize];
    let one = (0..5_usize, 0..45_000_u64, 0..3_u64, 0..4_u8, any::<bool>(), len, any::<u64>());
    prop::collection::vec(one, count).prop_map(|drawn| {
        let mut dts = Instant::from_micros(0);
        let mut samples = Vec::new();
        for (track, step, ahead, kind, delimiter, len, seed) in drawn {
            // Pictures are the most frequent, and the first.
            let track = if samples.is_empty() { 0 } else { track.saturating_sub(2) };
            let keyframe = track != 0 || kind == 0 || samples.is_empty();
            let disposable = track == 0 && kind == 1 && !keyframe;
            dts = Instant::from_micros(dts.as_micros() + step);
            let pts = Instant::from_micros(dts.as_micros() + if track == 0 { ahead * 40_000 } else { 0 });
            let payload = filler(seed, len);
            let data = match track {
                0 => picture(keyframe, disposable, delimiter, &payload),
                1 => frame(&payload[..len.min(8_000)]),
                // One frame of 20 ms.
                _ => [&[0xfc], &payload[..len.min(8_000)]].concat(),
            };
            samples.push(Sample { track: TRACKS[track], pts, dts, keyframe, disposable, data });
        }
        samples
    })
}

pub(crate) fn writer() -> Writer {
    Writer::new(&TRACKS).expect("three tracks make a programme")
}

pub(crate) fn write(samples: &[Sample]) -> Vec<u8> {
    let (mut writer, mut out) = (writer(), Vec::new());
    for sample in samples {
        writer.write(&sample.unit(), &mut out).expect("a sample can be written");
    }
    out
}

/// Packets that may be damaged: behind the first tables, and before the last packet with payload of each PID. What ends
/// with the stream cannot be told from what was cut off there.
pub(crate) fn middle(packets: &[&[u8]]) -> Option<Range<usize>> {
    let pid = |packet: &[u8]| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
    let last = |wanted| {
        let start = |packet: &&[u8]| pid(packet) == wanted && packet[1] & 0x40 != 0;
        packets.iter().rposition(start)
    };
    let end = (VIDEO..VIDEO + 3).filter_map(last).min()?;
    (end > 2).then_some(2..end)
}

fn picture(keyframe: bool, disposable: bool, delimiter: bool, payload: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    if delimiter || !keyframe {
        data.extend_from_slice(&h264::DELIMITER);
    }
    if keyframe {
        data.extend_from_slice(&[0, 0, 0, 1, 0x67, 66, 0, 30, 0, 0, 0, 1, 0x68, 0xce]);
    }
    let header = if keyframe { 0x65 } else { 0x41 & if disposable { 0x1f } else { 0xff } };
    data.extend_from_slice(&[0, 0, 0, 1, header, 0x88]);
    data.extend_from_slice(payload);
    data
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let config = aac::AudioSpecificConfig { object_type: 2, frequency_index: 3, channels: 2 };
    [&config.adts_header(payload.len()).expect("it fits")[..], payload].concat()
}

/// Bytes that look like noise, without zeros (no start codes) and without sync bytes.
fn filler(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match (state >> 32) as u8 {
            0 | 0x47 => 0x80,
            byte => byte,
        }
    };
    std::iter::repeat_with(next).take(len).collect()
}

const _: () = assert!(PACKET_LEN == 188);
