//! When tables and clock references are due in a written stream.

use super::clock::Ticks;

/// Where the stream is in time. It does not go back when one track is behind another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    pub(super) now: Ticks,
    /// When the last clock reference was written.
    pub(super) reference: Ticks,
    /// When the tables were last written; `None` when they changed since.
    pub(super) tables: Option<Ticks>,
}

/// Where a unit that is decoded at `dts` puts the stream. Pictures leave an encoder later than the sound that goes with
/// them: were sound to set the clock, they would come after their time. So it counts only once the track that carries
/// the clock has fallen far behind, or stopped.
pub(super) fn now(dts: Ticks, carries_clock: bool) -> Ticks {
    if carries_clock { dts } else { dts.offset(-LEAD) }
}

impl Timeline {
    pub(super) fn advanced(self, to: Ticks) -> Self {
        Self { now: self.now.max(to), ..self }
    }

    /// With units every 40 ms, waiting for 100 would make it 120.
    pub(super) fn tables_due(&self) -> bool {
        self.tables.is_none_or(|last| self.now.get() - last.get() > TABLES_INTERVAL - REFERENCE_INTERVAL)
    }

    pub(super) fn reference_due(&self) -> bool {
        self.now.get() - self.reference.get() >= REFERENCE_INTERVAL / 2
    }

    /// A time before now at which a reference had to be. A pause is not filled in afterwards.
    pub(super) fn missed_reference(&self) -> Option<Ticks> {
        let behind = self.now.get() - self.reference.get();
        (behind > PAUSE)
            .then(|| self.now.offset(-REFERENCE_INTERVAL))
            .or_else(|| (behind > REFERENCE_INTERVAL).then(|| self.reference.offset(REFERENCE_INTERVAL)))
    }
}

/// ISO/IEC 13818-1 asks for a reference every 100 ms; DVB (ETSI TS 101 154 §4.1.5.3) recommends 40.
const REFERENCE_INTERVAL: i64 = 40 * 90;

/// ETSI TR 101 290 (§5.2.1) calls 500 ms an error; a viewer who switches in waits for it.
const TABLES_INTERVAL: i64 = 100 * 90;

/// Longer than this without a unit, the source had stopped.
const PAUSE: i64 = 90_000;

/// How far other tracks run ahead of the one that carries the clock: software encoders hold back up to a dozen pictures.
const LEAD: i64 = 500 * 90;
