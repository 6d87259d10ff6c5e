//! What is done with the units of one stream: datagrams to somewhere, a live transport stream, a recording.

mod datagrams;
mod directory;
mod inside;
mod live;
mod programme;
mod reader;
mod recorder;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bondbox_bond::gateway::SessionId;
use bondbox_bond::receiver::Delivered;
use bondbox_bond::sender::TrackInfo;
use bondbox_units::{Instant, TrackId};

pub(crate) use directory::Directory;
pub(crate) use live::Live;

use datagrams::Datagrams;
use live::Piece;
use reader::Reader;
use recorder::Recorder;

/// Where the datagrams of a stream go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deliver {
    Nowhere,
    To(SocketAddr),
    /// Another stream goes there.
    Taken(SocketAddr),
}

/// The outputs of one stream, from its first session to its last.
pub(crate) struct Outputs {
    live: Arc<Live>,
    live_reader: Reader,
    datagrams: Option<Datagrams>,
    recorder: Option<Recorder>,
    /// The recording has its units from an output of the engine that waits longer: more of them, and later.
    record_reader: Reader,
    /// The session that is being recorded.
    recorded: Option<SessionId>,
    /// Tracks of sessions that nothing was recorded of yet: the one before may still be at it.
    to_record: BTreeMap<SessionId, Vec<TrackInfo>>,
    counters: Counters,
    /// What could not be opened, for as long as the stream is there.
    unopened: Vec<String>,
}

/// What did not come out, though it was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Units that cannot be written as a transport stream, or came before the unit said what they are.
    pub(crate) unwritable: u64,
    /// Pictures before the first keyframe of a session.
    pub(crate) before_keyframe: u64,
    /// Datagrams that the system did not take.
    pub(crate) datagrams_dropped: u64,
    /// Pieces that the disk was too slow for.
    pub(crate) recording_dropped: u64,
    /// Units that are missing in the recording because they cannot be written as a transport stream.
    pub(crate) recording_unwritable: u64,
    /// Times a viewer was too slow and skipped to a keyframe.
    pub(crate) viewers_skipped: u64,
    /// Viewers now.
    pub(crate) viewers: u64,
}

impl Counters {
    /// A piece of the live stream, or why there is none.
    fn take(&mut self, piece: Result<Option<Piece>, programme::Error>) -> Option<Piece> {
        match piece {
            Ok(Some(piece)) => return Some(piece),
            Ok(None) => self.before_keyframe += 1,
            Err(error) => {
                if self.unwritable == 0 {
                    tracing::warn!(%error, "a unit is not written, nor may others be");
                }
                self.unwritable += 1;
            }
        }
        None
    }
}

impl Outputs {
    pub(crate) fn new(name: &str, deliver: Deliver, record: Option<&Path>) -> Self {
        let mut unopened = Vec::new();
        let datagrams = match deliver {
            Deliver::Nowhere => None,
            Deliver::To(to) => Datagrams::open(to)
                .inspect_err(|error| {
                    tracing::error!(%to, %error, "nothing is delivered");
                    unopened.push(format!("not delivered to {to}: {error}"));
                })
                .ok(),
            Deliver::Taken(to) => {
                unopened.push(format!("not delivered to {to}: another stream goes there"));
                None
            }
        };
        let recorder = record.and_then(|folder| {
            Recorder::start(folder, name)
                .inspect_err(|error| {
                    tracing::error!(folder = %folder.display(), %error, "nothing is recorded");
                    unopened.push(format!("not recorded in {}: {error}", folder.display()));
                })
                .ok()
        });
        Self {
            live: Arc::default(),
            live_reader: Reader::default(),
            datagrams,
            recorder,
            record_reader: Reader::default(),
            recorded: None,
            to_record: BTreeMap::new(),
            counters: Counters::default(),
            unopened,
        }
    }

    /// What keeps units that were delivered from going where they should, now, in words.
    pub(crate) fn failing(&self) -> Vec<String> {
        let unwritten = self.recorder.as_ref().and_then(Recorder::failing);
        let unwritten = unwritten.map(|error| format!("not recorded: {error}"));
        self.unopened.iter().cloned().chain(unwritten).collect()
    }

    pub(crate) const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Another session goes on with the stream, on a clock of its own.
    pub(crate) fn new_session(&mut self, session: SessionId) {
        self.live_reader.new_session();
        self.to_record.insert(session, Vec::new());
    }

    /// A session has put everything out.
    pub(crate) fn session_over(&mut self, session: SessionId) {
        self.to_record.remove(&session);
    }

    pub(crate) fn set_track(&mut self, session: SessionId, info: &TrackInfo) {
        self.live_reader.set_track(info);
        match self.to_record.get_mut(&session) {
            Some(tracks) => tracks.push(info.clone()),
            None => self.record_reader.set_track(info),
        }
    }

    /// Puts a unit out, now.
    pub(crate) fn live_unit(&mut self, now: Instant, unit: &Delivered) {
        let Self { live, live_reader, datagrams, counters, .. } = self;
        let opaque = live_reader.is_opaque(unit.track);
        if let Some(datagrams) = datagrams.as_mut().filter(|_| opaque) {
            datagrams.send(unit.payload.clone());
        }
        // The datagrams of an opaque track are whole as they are; a programme beside it would break them.
        let stream = !live_reader.has_opaque();
        live_reader.read(unit, |piece| {
            let Some(piece) = counters.take(piece) else { return };
            if let Some(datagrams) = datagrams.as_mut().filter(|_| stream) {
                datagrams.stream(&piece.bytes);
            }
            live.push(now, piece);
        });
    }

    /// Records a unit.
    pub(crate) fn recorded_unit(&mut self, session: SessionId, unit: &Delivered) {
        if self.recorded.replace(session) != Some(session)
            && let Some(tracks) = self.to_record.remove(&session)
        {
            self.record_reader.new_session();
            tracks.iter().for_each(|info| self.record_reader.set_track(info));
        }
        let Self { recorder: Some(recorder), record_reader, counters, .. } = self else { return };
        record_reader.read(unit, |piece| match piece {
            Ok(Some(piece)) => recorder.write(piece.bytes),
            Ok(None) => {}
            Err(_) => counters.recording_unwritable += 1,
        });
    }

    /// What waited to leave together with more leaves.
    pub(crate) fn flush(&mut self) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.flush();
        }
    }

    /// What is inside this opaque track, as far as it is known.
    pub(crate) fn inside(&self, track: TrackId) -> Option<String> {
        self.live_reader.inside(track)
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            datagrams_dropped: self.datagrams.as_ref().map_or(0, Datagrams::dropped),
            recording_dropped: self.recorder.as_ref().map_or(0, Recorder::dropped),
            viewers_skipped: self.live.skipped(),
            viewers: self.live.viewers(),
            ..self.counters
        }
    }
}

#[cfg(test)]
mod tests {
    use bondbox_units::Priority;
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_cannot_be_opened_is_said_for_as_long_as_the_stream_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        assert_eq!(Outputs::new("van", Deliver::To(to), None).failing(), [""; 0]);
        let failing = Outputs::new("van", Deliver::Taken(to), Some(file.path())).failing();
        assert_eq!(failing[0], "not delivered to 127.0.0.1:9: another stream goes there");
        assert!(failing[1].starts_with(&format!("not recorded in {}: ", file.path().display())), "{failing:?}");
    }

    /// The first unit of a track, undamaged.
    pub(super) fn delivered(track: TrackId, at: Instant, keyframe: bool, payload: Bytes) -> Delivered {
        Delivered {
            track,
            unit: 0,
            pts: at,
            dts: at,
            due: at,
            priority: Priority::Standard,
            keyframe,
            discontinuity: false,
            undecodable: false,
            missing: Vec::new(),
            payload,
        }
    }
}
