//! What happened at one end, kept for whoever asks what went wrong.
//!
//! Each end records events as it works: [`crate::Sender`] in one [`Trace`], [`crate::Gateway`] in one a stream, which
//! outlives its sessions. A trace is a ring of bounded size that forgets the oldest; recording allocates nothing.
//! [`Trace::save`] gives it as a file, [`Recording`] reads one, and [`Recording::write_json_lines`] puts it into words after those of qlog (draft-ietf-quic-qlog-main-schema).
//!
//! The traces of both ends together say what became of each packet and when: `bondbox-sim replay` makes a scenario of that.
//!
//! # The file
//!
//! ```text
//! "bondbox-trace" · version u8 · side u8 · start u64 · paths · blocks
//! paths   count u32, then each: session u32 · path u32 · link u8 · name (u8 length, UTF-8)
//! block   begun u64 · length u32 · records
//! record  kind u8 · length u8 · at u32 (low bits of microseconds) · body
//! ```
//!
//! `start` is the time before which nothing is known. Records of unknown kind are skipped by their length, and fields are
//! only ever added at the end of a body, so that any build reads what any other wrote.

mod event;
mod file;
mod json;
mod ring;

use std::collections::VecDeque;

use bondbox_units::{Instant, LinkId};

pub use event::{Fate, TraceEvent, Why};
pub use file::{BadTrace, Recording};

use ring::Ring;

/// Which end recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The unit's.
    Unit,
    /// The gateway's.
    Gateway,
}

/// A path that events speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedPath {
    /// The session's index, which both ends know.
    pub session: u32,
    /// The path's id in the session.
    pub path: u32,
    /// The unit's link.
    pub link: LinkId,
    /// Its name.
    pub name: String,
}

/// The events of one end, the newest first to stay.
#[derive(Debug)]
pub struct Trace {
    side: Side,
    ring: Ring,
    /// Since when everything is there.
    start: Instant,
    paths: VecDeque<TracedPath>,
    now: Instant,
}

impl Trace {
    /// An empty one that holds about `bytes`. They are taken from the system only as they are used.
    pub fn new(now: Instant, side: Side, bytes: usize) -> Self {
        Self { side, ring: Ring::new(bytes), start: now, paths: VecDeque::new(), now }
    }

    /// Records what happens now.
    #[inline]
    pub fn record(&mut self, now: Instant, event: &TraceEvent) {
        self.now = now;
        self.ring.push(now, event);
    }

    /// Records what happened at the time of the last record or word of time.
    pub(crate) fn record_then(&mut self, event: &TraceEvent) {
        self.ring.push(self.now, event);
    }

    /// The time of [`Trace::record_then`].
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// Sets it.
    pub(crate) const fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Takes in what another recorded after this one: a session of the same stream, in its first moments.
    pub(crate) fn append(&mut self, newer: &Self) {
        newer.events().for_each(|(at, event)| self.record(at, &event));
        self.paths.extend(newer.paths.iter().cloned());
        self.forget_paths();
    }

    /// Whether a path was opened.
    pub(crate) fn knows(&self, session: u32, path: u32) -> bool {
        self.paths.iter().any(|known| (known.session, known.path) == (session, path))
    }

    /// A path is there: later events name it by its id alone.
    pub(crate) fn open_path(&mut self, now: Instant, path: TracedPath) {
        if self.knows(path.session, path.path) {
            return;
        }
        self.record(now, &TraceEvent::PathOpened { session: path.session, path: path.path, link: path.link });
        self.paths.push_back(path);
        self.forget_paths();
    }

    fn forget_paths(&mut self) {
        while self.paths.len() > MAX_PATHS {
            self.paths.pop_front();
        }
    }

    /// All that is there, oldest first.
    pub fn events(&self) -> impl Iterator<Item = (Instant, TraceEvent)> + '_ {
        self.ring.events()
    }

    /// As a file.
    pub fn save(&self) -> Vec<u8> {
        file::save(self)
    }

    /// Bytes that its records take.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Links of a unit that left and came back all day.
const MAX_PATHS: usize = 256;

/// A unit's: four minutes of 6 Mbit/s.
pub(crate) const UNIT_BYTES: usize = 4 << 20;
/// A stream's at the gateway: three minutes of 6 Mbit/s, and with 50 streams 100 MiB.
pub(crate) const STREAM_BYTES: usize = 2 << 20;
