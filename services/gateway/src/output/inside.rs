//! What is inside an opaque track: when its datagrams are a transport stream, the units in it.
//!
//! The datagrams go their own way, untouched; this only reads them, so that they can be watched and recorded like tracks
//! that came as units.

mod clock;

use bondbox_bond::receiver::Delivered;
use bondbox_media::Codec;
use bondbox_media::ts::{Event, PACKET_LEN, Programme, Reader, StreamKind, Track, Unit};
use bondbox_units::TrackId;
use bytes::Bytes;

use clock::Clock;

/// Reads one opaque track.
#[derive(Default)]
pub(super) struct Inside {
    /// Datagrams of a transport stream, before there were enough of them in a row.
    first: Vec<Bytes>,
    stream: Option<Box<TransportStream>>,
}

/// What is found.
pub(super) enum Found {
    /// The tracks are these from now on; none when it is no transport stream any more.
    Tracks(Vec<Track>),
    /// A unit of one of them. `broken`: its times are on another clock than those before.
    Unit { unit: Delivered, broken: bool },
}

#[derive(Default)]
struct TransportStream {
    reader: Reader,
    clock: Clock,
    /// The PIDs that are read; a track's id is its place here.
    pids: Vec<u16>,
    codecs: Vec<Codec>,
    /// Datagrams in a row that are none of it.
    strange: usize,
}

impl Inside {
    /// Reads a datagram and hands on what it completes.
    pub(super) fn read(&mut self, datagram: &Delivered, mut each: impl FnMut(Found)) {
        let fits = is_transport_stream(&datagram.payload);
        let Some(stream) = &mut self.stream else {
            if !fits {
                self.first.clear();
                return;
            }
            self.first.push(datagram.payload.clone());
            if self.first.len() >= CONVINCED {
                let mut stream = Box::<TransportStream>::default();
                for bytes in self.first.drain(..) {
                    stream.read(&bytes, datagram, &mut each);
                }
                self.stream = Some(stream);
            }
            return;
        };
        if fits {
            stream.strange = 0;
            stream.read(&datagram.payload, datagram, &mut each);
        } else {
            stream.strange += 1;
            if stream.strange >= CONVINCED {
                self.stream = None;
                each(Found::Tracks(Vec::new()));
            }
        }
    }

    /// What is inside, for people; `None` when nothing is known.
    pub(super) fn label(&self) -> Option<String> {
        let stream = self.stream.as_ref()?;
        let names: Vec<_> = stream.codecs.iter().copied().map(name).collect();
        Some(if names.is_empty() { "MPEG-TS".into() } else { format!("MPEG-TS with {}", names.join(" and ")) })
    }
}

impl TransportStream {
    fn read(&mut self, bytes: &[u8], datagram: &Delivered, each: &mut impl FnMut(Found)) {
        self.reader.push(bytes);
        while let Some(event) = self.reader.poll() {
            match event {
                Event::Programme(programme) => {
                    let tracks = self.follow(&programme);
                    each(Found::Tracks(tracks));
                }
                Event::Unit(unit) => {
                    if let Some((unit, broken)) = self.unit(unit, datagram) {
                        each(Found::Unit { unit, broken });
                    }
                }
            }
        }
    }

    fn follow(&mut self, programme: &Programme) -> Vec<Track> {
        let read = programme.streams.iter().filter_map(|stream| Some((stream, stream.kind.codec()?)));
        let mut tracks = Vec::new();
        self.pids.clear();
        self.codecs.clear();
        for ((stream, codec), id) in read.zip(0..) {
            self.pids.push(stream.pid);
            self.codecs.push(codec);
            let channels = if let StreamKind::Opus { channels } = stream.kind { channels.unwrap_or(STEREO) } else { 0 };
            tracks.push(Track { id: TrackId(id), codec, channels });
        }
        tracks
    }

    /// The unit on our clock. `None` for one of a stream that has just left, and before its stream says what time it is.
    fn unit(&mut self, unit: Unit, datagram: &Delivered) -> Option<(Delivered, bool)> {
        let place = self.pids.iter().position(|pid| *pid == unit.pid)?;
        let (pts, dts) = (unit.pts?, unit.dts?);
        let time = self.clock.place(dts, datagram.due);
        let shown_after = pts.as_micros().saturating_sub(dts.as_micros());
        let unit = Delivered {
            track: TrackId(u8::try_from(place).ok()?),
            unit: datagram.unit,
            pts: time.at.offset_micros(shown_after),
            dts: time.at,
            due: datagram.due,
            priority: unit.contents.priority(),
            keyframe: unit.contents.keyframe,
            discontinuity: unit.discontinuity,
            undecodable: datagram.undecodable,
            missing: Vec::new(),
            payload: unit.data,
        };
        Some((unit, time.broken))
    }
}

fn is_transport_stream(datagram: &[u8]) -> bool {
    !datagram.is_empty()
        && datagram.len().is_multiple_of(PACKET_LEN)
        && datagram.chunks_exact(PACKET_LEN).all(|packet| packet[0] == SYNC)
}

const fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Aac => "AAC",
        Codec::Opus => "Opus",
    }
}

const SYNC: u8 = 0x47;
/// One datagram in 256 begins with the byte by chance, and five in a row do not.
const CONVINCED: usize = 5;
/// What a map that does not say it means.
const STEREO: u8 = 2;

#[cfg(test)]
mod tests {
    use bondbox_media::ts::{WriteUnit, Writer};
    use bondbox_units::Instant;

    use super::*;
    use crate::output::tests::delivered;

    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21];
    const P: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 0x02, 0x21];
    const ADTS: &[u8] = &[0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 0x00];
    const TRACKS: [Track; 2] = [
        Track { id: TrackId(0), codec: Codec::H264, channels: 0 },
        Track { id: TrackId(1), codec: Codec::Aac, channels: 0 },
    ];

    /// Pictures every 40 ms from `start` on, a keyframe first, with sound; in datagrams of up to seven packets.
    fn datagrams(start: u64, pictures: u64) -> Vec<Bytes> {
        let mut writer = Writer::new(&TRACKS).unwrap();
        let mut bytes = Vec::new();
        for picture in 0..pictures {
            let at = Instant::from_millis(start + picture * 40);
            for (track, data) in [(TrackId(0), if picture == 0 { IDR } else { P }), (TrackId(1), ADTS)] {
                let keyframe = picture == 0;
                let unit = WriteUnit { track, pts: at, dts: at, keyframe, discontinuity: false, data };
                writer.write(&unit, &mut bytes).unwrap();
            }
        }
        bytes.chunks(7 * PACKET_LEN).map(Bytes::copy_from_slice).collect()
    }

    struct Seen {
        tracks: Vec<Vec<Track>>,
        units: Vec<(u8, u64, bool)>,
    }

    fn read(inside: &mut Inside, at: u64, datagrams: &[Bytes]) -> Seen {
        let mut seen = Seen { tracks: Vec::new(), units: Vec::new() };
        for payload in datagrams {
            inside.read(
                &delivered(TrackId(0), Instant::from_millis(at), false, payload.clone()),
                |found| match found {
                    Found::Tracks(tracks) => seen.tracks.push(tracks),
                    Found::Unit { unit, broken } => {
                        seen.units.push((unit.track.0, unit.dts.as_micros() / 1_000, broken))
                    }
                },
            );
        }
        seen
    }

    #[test]
    fn the_units_of_a_transport_stream_come_out_on_our_clock_from_its_first_datagram_on() {
        let mut inside = Inside::default();
        assert_eq!(inside.label(), None);
        let seen = read(&mut inside, 50_000, &datagrams(7_000, 40));
        assert_eq!(seen.tracks, [TRACKS.to_vec()]);
        assert_eq!(inside.label().unwrap(), "MPEG-TS with H.264 and AAC");
        let pictures: Vec<_> = seen.units.iter().filter(|unit| unit.0 == 0).map(|unit| unit.1).collect();
        assert!(pictures.len() >= 38, "{pictures:?}");
        assert!(pictures.windows(2).all(|pair| pair[1] - pair[0] == 40), "{pictures:?}");
        assert_eq!(pictures[0], 50_000);
        assert!(seen.units.iter().all(|unit| !unit.2));
    }

    #[test]
    fn what_is_no_transport_stream_is_left_alone() {
        let mut inside = Inside::default();
        let mut almost = datagrams(7_000, 40);
        for datagram in almost.iter_mut().step_by(CONVINCED) {
            *datagram = datagram.slice(1..);
        }
        let seen = read(&mut inside, 0, &almost);
        assert!(seen.tracks.is_empty() && seen.units.is_empty());
        assert_eq!(inside.label(), None);
    }

    #[test]
    fn a_stream_that_becomes_something_else_has_no_tracks_any_more() {
        let mut inside = Inside::default();
        read(&mut inside, 0, &datagrams(7_000, 40));
        let seen = read(&mut inside, 0, &vec![Bytes::from_static(b"telemetry"); CONVINCED]);
        assert_eq!(seen.tracks, [vec![]]);
        assert_eq!(inside.label(), None);
    }

    #[test]
    fn a_source_that_starts_anew_is_marked_once_and_goes_on_at_the_present() {
        let mut inside = Inside::default();
        read(&mut inside, 50_000, &datagrams(700_000, 40));
        let seen = read(&mut inside, 52_000, &datagrams(7_000, 40));
        assert_eq!(seen.units.iter().filter(|unit| unit.2).count(), 1, "{:?}", seen.units);
        let late = &seen.units[seen.units.len() / 2..];
        assert!(late.iter().all(|unit| (52_000..54_000).contains(&unit.1)), "{late:?}");
    }

    #[test]
    fn damage_of_any_kind_does_no_harm() {
        let mut inside = Inside::default();
        let mut state = 1_u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        for round in 0..200 {
            let mut stream: Vec<Bytes> = datagrams(u64::from(random()), 20);
            for datagram in &mut stream {
                let mut bytes = datagram.to_vec();
                for _ in 0..random() % 8 {
                    let at = random() as usize % bytes.len();
                    // The bytes that say it is a transport stream stay: what they lead to is to be tried.
                    if !at.is_multiple_of(PACKET_LEN) {
                        bytes[at] = random() as u8;
                    }
                }
                *datagram = bytes.into();
            }
            let seen = read(&mut inside, round * 1_000, &stream);
            let now = round * 1_000;
            assert!(seen.units.iter().all(|unit| unit.1.abs_diff(now) < 10_000), "{:?}", seen.units);
        }
    }
}
