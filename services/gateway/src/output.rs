//! What is done with the units of one stream: datagrams to somewhere, a live transport stream, a recording.

mod datagrams;
mod directory;
mod inside;
mod live;
mod programme;
mod recorder;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bondbox_bond::receiver::Delivered;
use bondbox_bond::sender::TrackInfo;
use bondbox_units::{Instant, TrackId};
use bondbox_wire::frame::TrackKind;

pub(crate) use directory::Directory;
pub(crate) use live::Live;

use datagrams::Datagrams;
use inside::{Found, Inside};
use programme::Programme;
use recorder::Recorder;

/// The outputs of one stream, from its first session to its last.
pub(crate) struct Outputs {
    programme: Programme,
    live: Arc<Live>,
    datagrams: Option<Datagrams>,
    recorder: Option<Recorder>,
    opaque: Vec<TrackId>,
    /// There are tracks of units.
    typed: bool,
    /// Reads the first opaque track, where all are opaque.
    inside: Inside,
    counters: Counters,
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
    /// Times a viewer was too slow and skipped to a keyframe.
    pub(crate) viewers_skipped: u64,
    /// Viewers now.
    pub(crate) viewers: u64,
}

impl Outputs {
    pub(crate) fn new(name: &str, deliver: Option<SocketAddr>, record: Option<&Path>) -> Self {
        let datagrams = deliver.and_then(|to| {
            Datagrams::open(to).inspect_err(|error| tracing::error!(%to, %error, "nothing is delivered")).ok()
        });
        let recorder = record.and_then(|folder| {
            Recorder::start(folder, name)
                .inspect_err(|error| tracing::error!(folder = %folder.display(), %error, "nothing is recorded"))
                .ok()
        });
        Self {
            programme: Programme::default(),
            live: Arc::default(),
            datagrams,
            recorder,
            opaque: Vec::new(),
            typed: false,
            inside: Inside::default(),
            counters: Counters::default(),
        }
    }

    pub(crate) const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Another session goes on with the stream, on a clock of its own.
    pub(crate) fn new_session(&mut self) {
        self.programme.new_session();
        self.opaque.clear();
        self.typed = false;
        self.inside = Inside::default();
    }

    pub(crate) fn set_track(&mut self, info: &TrackInfo) {
        if info.kind == TrackKind::Opaque {
            if !self.opaque.contains(&info.track) {
                self.opaque.push(info.track);
            }
        } else {
            if !self.typed {
                // Tracks that come as units have the programme to themselves.
                self.programme.set_tracks(Vec::new());
                self.typed = true;
            }
            self.programme.set_track(info);
        }
    }

    /// Puts a unit out, now.
    pub(crate) fn unit(&mut self, now: Instant, unit: &Delivered) {
        if !self.opaque.contains(&unit.track) {
            self.write(now, unit);
            return;
        }
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.send(unit.payload.clone());
        }
        if self.opaque.first() == Some(&unit.track) && !self.typed {
            let mut inside = std::mem::take(&mut self.inside);
            inside.read(unit, |found| match found {
                Found::Tracks(tracks) => self.programme.set_tracks(tracks),
                Found::Unit { unit, broken } => {
                    if broken {
                        self.programme.new_clock();
                    }
                    self.write(now, &unit);
                }
            });
            self.inside = inside;
        }
    }

    /// What waited to leave together with more leaves.
    pub(crate) fn flush(&mut self) {
        if let Some(datagrams) = &mut self.datagrams {
            datagrams.flush();
        }
    }

    /// What is inside this opaque track, as far as it is known.
    pub(crate) fn inside(&self, track: TrackId) -> Option<String> {
        if self.opaque.first() == Some(&track) { self.inside.label() } else { None }
    }

    /// Writes an access unit into the transport stream.
    fn write(&mut self, now: Instant, unit: &Delivered) {
        let piece = match self.programme.write(unit) {
            Ok(Some(piece)) => piece,
            Ok(None) => {
                self.counters.before_keyframe += 1;
                return;
            }
            Err(error) => {
                if self.counters.unwritable == 0 {
                    tracing::warn!(track = unit.track.0, %error, "a unit is not written, nor may others be");
                }
                self.counters.unwritable += 1;
                return;
            }
        };
        // The datagrams of an opaque track are whole as they are; a programme beside it would break them.
        if self.opaque.is_empty()
            && let Some(datagrams) = &mut self.datagrams
        {
            datagrams.stream(&piece.bytes);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.write(piece.bytes.clone());
        }
        self.live.push(now, piece);
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
