//! The tracks of a stream, written as one transport stream that goes on over any number of sessions.

use std::collections::BTreeMap;

use bondbox_bond::receiver::Delivered;
use bondbox_bond::sender::TrackInfo;
use bondbox_media::Codec;
use bondbox_media::ts::{Track, TracksError, WriteError, WriteUnit, Writer};
use bondbox_units::TrackId;
use bondbox_wire::frame::TrackKind;
use bytes::Bytes;

use super::live::Piece;

/// The writer and what it waits for.
#[derive(Default)]
pub(super) struct Programme {
    tracks: BTreeMap<TrackId, Track>,
    writer: Option<Writer>,
    /// The tracks have changed since the last unit.
    changed: bool,
    /// A session has begun since the last unit.
    broken: bool,
    /// Pictures have started with a keyframe in this session.
    started: bool,
}

/// Why a unit was not written.
#[derive(Debug)]
pub(super) enum Error {
    Tracks(TracksError),
    Unit(WriteError),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tracks(error) => error.fmt(f),
            Self::Unit(error) => error.fmt(f),
        }
    }
}

impl Programme {
    pub(super) fn new_session(&mut self) {
        self.tracks.clear();
        (self.changed, self.broken, self.started) = (true, true, false);
    }

    pub(super) fn set_track(&mut self, info: &TrackInfo) {
        let codec = match info.kind {
            TrackKind::Opaque => return,
            TrackKind::H264 => Codec::H264,
            TrackKind::H265 => Codec::H265,
            TrackKind::Aac => Codec::Aac,
            TrackKind::Opus => Codec::Opus,
        };
        let track = Track { id: info.track, codec, channels: info.channels };
        self.changed |= self.tracks.insert(info.track, track) != Some(track);
    }

    /// The tracks are these, on the clock of before. Pictures begin with a keyframe again.
    pub(super) fn set_tracks(&mut self, tracks: Vec<Track>) {
        let tracks = tracks.into_iter().map(|track| (track.id, track)).collect();
        if self.tracks != tracks {
            self.tracks = tracks;
            (self.changed, self.started) = (true, false);
        }
    }

    /// The times of the next unit are on another clock than those before.
    pub(super) const fn new_clock(&mut self) {
        self.broken = true;
    }

    /// Writes a unit. `None` for pictures before the first keyframe: they depend on what nobody has.
    pub(super) fn write(&mut self, unit: &Delivered) -> Result<Option<Piece>, Error> {
        let is_picture = self.tracks.get(&unit.track).is_some_and(|track| track.codec.is_video());
        if is_picture && !self.started && !unit.keyframe {
            return Ok(None);
        }
        self.follow_tracks()?;
        let Some(writer) = &mut self.writer else {
            return Err(Error::Unit(WriteError::UnknownTrack(unit.track)));
        };
        let mut bytes = Vec::with_capacity(unit.payload.len() + unit.payload.len() / 16 + ROOM);
        let write = WriteUnit {
            track: unit.track,
            pts: unit.pts,
            dts: unit.dts,
            keyframe: unit.keyframe,
            discontinuity: self.broken,
            data: &unit.payload,
        };
        let sound_only = self.tracks.values().all(|track| !track.codec.is_video());
        if sound_only {
            writer.tables(&mut bytes);
        }
        writer.write(&write, &mut bytes).map_err(Error::Unit)?;
        self.broken = false;
        self.started |= is_picture;
        Ok(Some(Piece { bytes: Bytes::from(bytes), start: sound_only || (is_picture && unit.keyframe) }))
    }

    fn follow_tracks(&mut self) -> Result<(), Error> {
        if !self.changed || self.tracks.is_empty() {
            return Ok(());
        }
        let tracks: Vec<_> = self.tracks.values().copied().collect();
        match &mut self.writer {
            Some(writer) => writer.set_tracks(&tracks).map_err(Error::Tracks)?,
            None => self.writer = Some(Writer::new(&tracks).map_err(Error::Tracks)?),
        }
        self.changed = false;
        Ok(())
    }
}

/// Headers and tables of one unit.
const ROOM: usize = 4 * 188;

#[cfg(test)]
mod tests {
    use bondbox_media::ts::{Event, Reader};
    use bondbox_units::Instant;

    use super::*;
    use crate::output::tests::delivered;

    const PICTURE: TrackId = TrackId(0);
    const SOUND: TrackId = TrackId(1);
    const IDR: &[u8] = &[0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21];
    const P: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a, 0x02, 0x21];

    fn info(track: TrackId, kind: TrackKind) -> TrackInfo {
        TrackInfo { track, kind, width: 0, height: 0, rate: 0, channels: 2, label: String::new() }
    }

    fn unit(track: TrackId, at_ms: u64, keyframe: bool, payload: &'static [u8]) -> Delivered {
        delivered(track, Instant::from_millis(at_ms), keyframe, Bytes::from_static(payload))
    }

    fn programme() -> Programme {
        let mut programme = Programme::default();
        programme.set_track(&info(PICTURE, TrackKind::H264));
        programme.set_track(&info(SOUND, TrackKind::Aac));
        programme
    }

    #[test]
    fn a_stream_starts_with_a_keyframe_also_in_each_new_session() {
        let mut programme = programme();
        assert_eq!(programme.write(&unit(PICTURE, 1_000, false, P)).unwrap(), None);
        assert!(programme.write(&unit(PICTURE, 1_040, true, IDR)).unwrap().unwrap().start);
        assert!(!programme.write(&unit(PICTURE, 1_080, false, P)).unwrap().unwrap().start);
        programme.new_session();
        programme.set_track(&info(PICTURE, TrackKind::H264));
        assert_eq!(programme.write(&unit(PICTURE, 900, false, P)).unwrap(), None);
        assert!(programme.write(&unit(PICTURE, 940, true, IDR)).unwrap().unwrap().start);
    }

    #[test]
    fn a_reader_sees_one_stream_over_two_sessions_and_where_it_breaks() {
        let mut programme = programme();
        let mut bytes = Vec::new();
        for (at, keyframe) in [(1_000, true), (1_040, false)] {
            let data = if keyframe { IDR } else { P };
            bytes.extend(programme.write(&unit(PICTURE, at, keyframe, data)).unwrap().unwrap().bytes);
        }
        programme.new_session();
        programme.set_track(&info(PICTURE, TrackKind::H264));
        programme.set_track(&info(SOUND, TrackKind::Aac));
        bytes.extend(programme.write(&unit(PICTURE, 500, true, IDR)).unwrap().unwrap().bytes);
        let mut reader = Reader::new();
        reader.push(&bytes);
        reader.flush();
        let units: Vec<_> = std::iter::from_fn(|| reader.poll())
            .filter_map(|event| if let Event::Unit(unit) = event { Some(unit.contents.keyframe) } else { None })
            .collect();
        assert_eq!(units, [true, false, true]);
    }

    #[test]
    fn a_unit_of_a_track_that_nobody_described_is_refused() {
        let mut programme = programme();
        assert!(programme.write(&unit(TrackId(7), 0, true, IDR)).is_err());
        assert!(Programme::default().write(&unit(SOUND, 0, true, IDR)).is_err());
    }

    #[test]
    fn without_pictures_one_can_start_anywhere() {
        let mut programme = Programme::default();
        programme.set_track(&info(SOUND, TrackKind::Aac));
        let frame: &[u8] = &[0xff, 0xf1, 0x4c, 0x80, 0x01, 0x1f, 0xfc, 0x00];
        for at in [1_000, 1_021] {
            assert!(programme.write(&unit(SOUND, at, true, frame)).unwrap().unwrap().start);
        }
    }
}
