//! Ladders in files: one in memory, which a restart of the service finds, and one that a power cut leaves.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bondbox_units::Instant;

use crate::kept;
use crate::ladders::{Ladders, Record};

pub(super) struct LadderFiles {
    /// In memory.
    passing: PathBuf,
    /// On the medium.
    lasting: PathBuf,
    /// What both hold, and when that was written.
    written: Record,
    at: Instant,
}

impl LadderFiles {
    /// And what they hold. Files that cannot be read are named in `unreadable`.
    pub(super) fn open(
        (now, date): (Instant, SystemTime),
        state: &Path,
        run_dir: &Path,
        unreadable: &mut Vec<String>,
    ) -> (Self, Ladders) {
        let (lasting, passing) = (state.join("recovery.json"), run_dir.join("modems-recovery.json"));
        let mut read = |path: &Path| kept::read(path, unreadable);
        let ladders = Ladders::read(now, date, read(&passing), read(&lasting));
        let written = ladders.record(now, date);
        (Self { passing, lasting, written, at: now }, ladders)
    }

    /// Writes them where they have changed: steps are few, and so are writes to flash memory. What has an age is written now and
    /// then, too, so that it grows older by however much of the host's time, were its calendar never set.
    ///
    /// # Errors
    /// When there is no room, or no right.
    pub(super) fn keep(&mut self, (now, date): (Instant, SystemTime), ladders: &Ladders) -> std::io::Result<()> {
        let aged = ladders.ages() && now.since(self.at) >= AGED;
        if ladders.is_as_in(&self.written) && !aged {
            return Ok(());
        }
        (self.written, self.at) = (ladders.record(now, date), now);
        kept::write(&self.passing, &self.written, false)?;
        kept::write(&self.lasting, &self.written, true)
    }
}

/// A host that is never on for so long does not grow older.
const AGED: Duration = Duration::from_secs(900);
