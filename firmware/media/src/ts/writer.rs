//! Access units written as a transport stream with one programme.

use alloc::vec::Vec;

use bondbox_units::{Instant, TrackId};

use super::clock::{REFERENCE_PER_TICK, Ticks};
use super::packetize::{Marks, Output};
use super::pes;
use super::programme::{MAX_STREAMS, Programme, Stream, StreamKind, write_pat, write_pmt};
use super::timeline::{self, Timeline};
use crate::{Codec, h264, h265, opus};

/// Writes one programme.
///
/// Tables go before each keyframe and after at most 100 ms, a clock reference after at most 40 ms, both in stream time
/// and as long as units come that often. The reference runs 150 ms behind the decoding times, which is the buffer a
/// decoder gets. Units of a track come in decoding order. Tracks need not wait for each other: sound may be up to 500 ms
/// ahead of the pictures that carry the clock, or 150 ms behind.
#[derive(Debug)]
pub struct Writer {
    tracks: Vec<Lane>,
    programme: Programme,
    version: u8,
    association: Output,
    map: Output,
    timeline: Option<Timeline>,
    head: Vec<u8>,
}

/// A track to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its id; its PID is 256 more.
    pub id: TrackId,
    /// How it is encoded.
    pub codec: Codec,
    /// Channels of sound; a transport stream must say so for Opus alone. 0 for pictures.
    pub channels: u8,
}

/// An access unit to write.
#[derive(Clone, Copy, Debug)]
pub struct WriteUnit<'a> {
    /// Its track.
    pub track: TrackId,
    /// When to show it.
    pub pts: Instant,
    /// When to decode it.
    pub dts: Instant,
    /// Decoding can start here.
    pub keyframe: bool,
    /// A new session begins: from here on, times are on another clock. Not for lost units, which need no mark.
    pub discontinuity: bool,
    /// A byte stream with start codes, an ADTS frame, or an Opus packet.
    pub data: &'a [u8],
}

/// Why tracks cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TracksError {
    /// More than a programme of ours has room for, or none.
    #[error("{0} tracks, must be 1 to {MAX_STREAMS}")]
    Count(usize),
    /// Two tracks with one id.
    #[error("track {} is there twice", .0.0)]
    Twice(TrackId),
}

/// Why a unit was not written. Nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No such track.
    #[error("track {} is not in the programme", .0.0)]
    UnknownTrack(TrackId),
    /// Nothing in it.
    #[error("an empty unit of track {}", .0.0)]
    Empty(TrackId),
    /// A unit of sound that no PES packet can hold.
    #[error("a unit of {len} bytes of sound on track {}, must be at most {limit}", track.0)]
    TooLong {
        /// The track.
        track: TrackId,
        /// Its bytes.
        len: usize,
        /// The most there may be.
        limit: usize,
    },
    /// Shown before it is decoded.
    #[error("a unit of track {} is shown at {pts}, before it is decoded at {dts}", track.0)]
    ShownTooEarly {
        /// The track.
        track: TrackId,
        /// When to show it.
        pts: Instant,
        /// When to decode it.
        dts: Instant,
    },
}

impl Writer {
    /// A writer of these tracks. The first video track carries the clock reference, without one the first track.
    ///
    /// # Errors
    /// When there are none, too many, or two of one id.
    pub fn new(tracks: &[Track]) -> Result<Self, TracksError> {
        check(tracks)?;
        Ok(Self {
            tracks: lanes(tracks),
            programme: programme(tracks),
            version: 0,
            association: Output::new(0),
            map: Output::new(MAP_PID),
            timeline: None,
            head: Vec::new(),
        })
    }

    /// Writes other tracks from now on; those that stay go on without a break.
    ///
    /// # Errors
    /// As for [`Writer::new`]; then the tracks stay as they were.
    pub fn set_tracks(&mut self, tracks: &[Track]) -> Result<(), TracksError> {
        check(tracks)?;
        let programme = programme(tracks);
        if programme == self.programme {
            return Ok(());
        }
        let mut lanes = lanes(tracks);
        for lane in &mut lanes {
            if let Some(known) = self.tracks.iter().find(|known| known.track == lane.track) {
                lane.output = known.output;
            }
        }
        self.tracks = lanes;
        self.programme = programme;
        self.version = (self.version + 1) & 0x1f;
        if let Some(timeline) = &mut self.timeline {
            timeline.tables = None;
        }
        Ok(())
    }

    /// Appends a unit in whole packets, after whatever is due before it.
    ///
    /// # Errors
    /// When the unit cannot be written; then nothing is.
    pub fn write(&mut self, unit: &WriteUnit<'_>, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let index = self.check(unit)?;
        let Lane { track, .. } = self.tracks[index];
        let carries_clock = self.programme.pcr_pid == pid(track.id);
        let now = timeline::now(Ticks::written_for(unit.dts), carries_clock);
        let keyframe = unit.keyframe && track.codec.is_video();

        let broken = unit.discontinuity && self.timeline.is_some();
        let fresh = self.timeline.is_none() || broken;
        let mut timeline = match self.timeline {
            Some(timeline) if !fresh => timeline.advanced(now),
            _ => Timeline { now, reference: now, tables: None },
        };
        if keyframe || timeline.tables_due() {
            timeline.tables = Some(timeline.now);
            self.write_tables(broken, out);
        }
        while let Some(at) = timeline.missed_reference() {
            timeline.reference = at;
            self.write_reference(Marks { pcr: Some(reference(at)), ..Marks::default() }, out);
        }
        let mut marks = Marks { random_access: keyframe, ..Marks::default() };
        if carries_clock && (fresh || timeline.reference_due()) {
            timeline.reference = timeline.now;
            marks = Marks { discontinuity: broken, pcr: Some(reference(timeline.now)), ..marks };
        } else if fresh {
            self.write_reference(
                Marks { discontinuity: broken, pcr: Some(reference(timeline.now)), ..Marks::default() },
                out,
            );
        }
        self.timeline = Some(timeline);
        self.write_unit(index, unit, marks, out);
        Ok(())
    }

    /// Appends the tables once more, for a receiver that joins. They are copies of the last ones, so that what follows
    /// in the stream continues them.
    pub fn tables(&self, out: &mut Vec<u8>) {
        let (mut association, mut map) = (self.association.stepped_back(), self.map.stepped_back());
        association.write_section(&write_pat(PROGRAMME, MAP_PID, self.version), false, out);
        map.write_section(&write_pmt(&self.programme, self.version), false, out);
    }

    fn check(&self, unit: &WriteUnit<'_>) -> Result<usize, WriteError> {
        let &WriteUnit { track, pts, dts, data, .. } = unit;
        let index = self.tracks.iter().position(|lane| lane.track.id == track);
        let index = index.ok_or(WriteError::UnknownTrack(track))?;
        if data.is_empty() {
            return Err(WriteError::Empty(track));
        }
        let limit = pes::MAX_BOUNDED - OPUS_HEADER_LIMIT;
        if !self.tracks[index].track.codec.is_video() && data.len() > limit {
            return Err(WriteError::TooLong { track, len: data.len(), limit });
        }
        if pts < dts { Err(WriteError::ShownTooEarly { track, pts, dts }) } else { Ok(index) }
    }

    fn write_unit(&mut self, index: usize, unit: &WriteUnit<'_>, marks: Marks, out: &mut Vec<u8>) {
        let lane = &mut self.tracks[index];
        let mut prefix = Vec::new();
        match lane.track.codec {
            Codec::H264 if !h264::inspect(unit.data).delimiter => prefix.extend_from_slice(&h264::DELIMITER),
            Codec::H265 if !h265::inspect(unit.data).delimiter => prefix.extend_from_slice(&h265::DELIMITER),
            Codec::Opus => opus::write_control_header(unit.data.len(), &mut prefix),
            Codec::H264 | Codec::H265 | Codec::Aac => {}
        }
        let stamps = (Ticks::written_for(unit.pts), Ticks::written_for(unit.dts));
        self.head.clear();
        pes::write_header(lane.stream_id, stamps.0, stamps.1, prefix.len() + unit.data.len(), &mut self.head);
        self.head.extend_from_slice(&prefix);
        lane.output.write_pes(&self.head, unit.data, marks, out);
    }

    fn write_tables(&mut self, discontinuity: bool, out: &mut Vec<u8>) {
        self.association.write_section(&write_pat(PROGRAMME, MAP_PID, self.version), discontinuity, out);
        self.map.write_section(&write_pmt(&self.programme, self.version), discontinuity, out);
    }

    fn write_reference(&self, marks: Marks, out: &mut Vec<u8>) {
        let carrier = self.tracks.iter().find(|lane| lane.output.pid == self.programme.pcr_pid);
        if let Some(lane) = carrier {
            lane.output.write_marks(marks, out);
        }
    }
}

/// A track and its PID.
#[derive(Clone, Copy, Debug)]
struct Lane {
    track: Track,
    stream_id: u8,
    output: Output,
}

fn check(tracks: &[Track]) -> Result<(), TracksError> {
    if !(1..=MAX_STREAMS).contains(&tracks.len()) {
        return Err(TracksError::Count(tracks.len()));
    }
    let twice = |(at, track): (usize, &Track)| tracks[..at].iter().any(|other| other.id == track.id);
    match tracks.iter().enumerate().find(|&entry| twice(entry)) {
        Some((_, track)) => Err(TracksError::Twice(track.id)),
        None => Ok(()),
    }
}

fn lanes(tracks: &[Track]) -> Vec<Lane> {
    let lane = |(index, &track): (usize, &Track)| {
        let stream_id = match track.codec {
            Codec::H264 | Codec::H265 => 0xe0 | index as u8 & 0x0f,
            Codec::Aac => 0xc0 | index as u8 & 0x1f,
            Codec::Opus => PRIVATE_STREAM_1,
        };
        Lane { track, stream_id, output: Output::new(pid(track.id)) }
    };
    tracks.iter().enumerate().map(lane).collect()
}

fn programme(tracks: &[Track]) -> Programme {
    let stream = |track: &Track| {
        let kind = match track.codec {
            Codec::H264 => StreamKind::H264,
            Codec::H265 => StreamKind::H265,
            Codec::Aac => StreamKind::Aac,
            Codec::Opus => StreamKind::Opus { channels: Some(track.channels) },
        };
        Stream { pid: pid(track.id), kind }
    };
    let carrier = tracks.iter().find(|track| track.codec.is_video()).or(tracks.first());
    Programme {
        number: PROGRAMME,
        pcr_pid: carrier.map_or(NO_PCR, |track| pid(track.id)),
        streams: tracks.iter().map(stream).collect(),
    }
}

fn pid(track: TrackId) -> u16 {
    0x100 + u16::from(track.0)
}

/// The clock reference for data that is decoded at `dts`.
fn reference(dts: Ticks) -> u64 {
    dts.offset(-BUFFER).wrapped() * REFERENCE_PER_TICK
}

const PROGRAMME: u16 = 1;
const MAP_PID: u16 = 0x1000;
const PRIVATE_STREAM_1: u8 = 0xbd;
const NO_PCR: u16 = 0x1fff;

/// Bytes of an Opus control header in front of the longest unit of sound.
const OPUS_HEADER_LIMIT: usize = 2 + u16::MAX as usize / 255 + 1;

/// How far the clock reference is behind the decoding times: 150 ms. Less, and a keyframe of several frames' length is
/// not there in time; more is delay for every viewer.
const BUFFER: i64 = 150 * 90;

#[cfg(test)]
mod tests;
