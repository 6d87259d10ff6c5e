//! The units of one output of the engine, read into one transport stream.

use bondbox_bond::receiver::Delivered;
use bondbox_bond::sender::TrackInfo;
use bondbox_units::TrackId;
use bondbox_wire::frame::TrackKind;

use super::inside::{Found, Inside};
use super::live::Piece;
use super::programme::{Error, Programme};

/// Reads units of all tracks, and what is in the first opaque one where all are opaque.
#[derive(Default)]
pub(super) struct Reader {
    programme: Programme,
    opaque: Vec<TrackId>,
    /// There are tracks of units.
    typed: bool,
    inside: Inside,
}

impl Reader {
    /// Another session goes on with the stream, on a clock of its own.
    pub(super) fn new_session(&mut self) {
        self.programme.new_session();
        self.opaque.clear();
        self.typed = false;
        self.inside = Inside::default();
    }

    pub(super) fn set_track(&mut self, info: &TrackInfo) {
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

    pub(super) fn is_opaque(&self, track: TrackId) -> bool {
        self.opaque.contains(&track)
    }

    pub(super) const fn has_opaque(&self) -> bool {
        !self.opaque.is_empty()
    }

    /// What is inside this opaque track, as far as it is known.
    pub(super) fn inside(&self, track: TrackId) -> Option<String> {
        if self.opaque.first() == Some(&track) { self.inside.label() } else { None }
    }

    /// Hands on the pieces of the transport stream that a unit makes.
    pub(super) fn read(&mut self, unit: &Delivered, mut each: impl FnMut(Result<Option<Piece>, Error>)) {
        let Self { programme, opaque, typed, inside } = self;
        if !opaque.contains(&unit.track) {
            return each(programme.write(unit));
        }
        if opaque.first() == Some(&unit.track) && !*typed {
            inside.read(unit, |found| match found {
                Found::Tracks(tracks) => programme.set_tracks(tracks),
                Found::Unit { unit, broken } => {
                    if broken {
                        programme.new_clock();
                    }
                    each(programme.write(&unit));
                }
            });
        }
    }
}
