//! The tracks that are served, and the heads of their units.

use bondbox_encoder::Format;
use bondbox_ipc::media::{Codec, Piece, Track};
use bondbox_media::Codec as Reader;

use crate::settings::{Audio, Settings};
use crate::source::VideoSource;
use crate::timeline::SAMPLE_RATE;
use crate::unit::{SOUND, Unit, VIDEO};

/// Video is 0 and sound is 1, in every run.
pub(super) struct Tracks {
    format: Format,
    audio: Audio,
    counts: [Count; 2],
}

#[derive(Clone, Copy, Default)]
struct Count {
    next: u32,
    discontinuity: bool,
}

impl Tracks {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { format: settings.format(), audio: settings.audio, counts: [Count::default(); 2] }
    }

    /// The head of the next unit.
    pub(super) fn head(&mut self, unit: &Unit) -> Piece {
        let count = &mut self.counts[usize::from(unit.track == SOUND)];
        let contents = if unit.track == VIDEO { Reader::H264 } else { Reader::Aac }.inspect(&unit.data);
        let head = Piece {
            track: unit.track,
            sequence: count.next,
            offset: 0,
            total: u32::try_from(unit.data.len()).unwrap_or(u32::MAX),
            pts: unit.pts,
            dts: unit.dts,
            captured: unit.captured,
            priority: contents.priority(),
            keyframe: unit.keyframe,
            discontinuity: count.discontinuity,
        };
        *count = Count { next: count.next.wrapping_add(1), discontinuity: false };
        head
    }

    /// Units of the track were dropped after the last.
    pub(super) fn dropped(&mut self, track: usize, dropped: u64) {
        if let Some(count) = self.counts.get_mut(track) {
            *count = Count { next: count.next.wrapping_add(dropped as u32), discontinuity: true };
        }
    }

    /// The encoders start.
    pub(super) fn interrupted(&mut self) {
        for count in &mut self.counts {
            count.discontinuity = true;
        }
    }

    pub(super) fn list(&self, source: &VideoSource) -> Vec<Track> {
        let Format { width, height, rate } = self.format;
        let mut tracks = vec![Track {
            track: VIDEO,
            codec: Codec::H264,
            label: format!("{source} {width}x{height}p{rate}"),
            width,
            height,
            rate: u32::from(rate) * 1_000,
            channels: 0,
        }];
        let codec = match self.audio {
            Audio::Aac => Codec::Aac,
            Audio::Opus => Codec::Opus,
            Audio::None => return tracks,
        };
        let label = format!("sound of {source}");
        tracks.push(Track { track: SOUND, codec, label, width: 0, height: 0, rate: SAMPLE_RATE, channels: 2 });
        tracks
    }
}

#[cfg(test)]
mod tests {
    use bondbox_units::{Instant, Priority, TrackId};
    use bytes::Bytes;

    use super::*;

    fn unit(track: TrackId, keyframe: bool, data: &'static [u8]) -> Unit {
        let time = Instant::from_millis(5);
        Unit { track, pts: time, dts: time, captured: time, encoded: time, keyframe, data: Bytes::from_static(data) }
    }

    #[test]
    fn units_are_counted_per_track_and_what_was_dropped_is_a_gap() {
        let mut tracks = Tracks::new(&Settings::default());
        let idr = unit(VIDEO, true, &[0, 0, 0, 1, 0x65, 0x88, 0x84]);
        let picture = unit(VIDEO, false, &[0, 0, 0, 1, 0x41, 0x9a, 0x02]);
        tracks.interrupted();
        let heads = [tracks.head(&idr), tracks.head(&picture)];
        assert_eq!(heads.map(|head| (head.sequence, head.discontinuity)), [(0, true), (1, false)]);
        assert_eq!(heads.map(|head| head.priority), [Priority::Reference, Priority::Standard]);
        tracks.dropped(0, 3);
        let head = tracks.head(&picture);
        assert_eq!((head.sequence, head.discontinuity), (5, true));
        let head = tracks.head(&unit(SOUND, true, &[0xff, 0xf1, 0x4c]));
        assert_eq!((head.sequence, head.priority), (0, Priority::Reference));
    }

    #[test]
    fn without_sound_there_is_one_track() {
        let settings = Settings { audio: Audio::None, ..Settings::default() };
        let ids = |settings| {
            Tracks::new(settings).list(&VideoSource::Test).iter().map(|track| track.track).collect::<Vec<_>>()
        };
        assert_eq!(ids(&settings), [VIDEO]);
        assert_eq!(ids(&Settings::default()), [VIDEO, SOUND]);
    }
}
