//! Whether the unit is meant to be on the air, over a crash and a loss of power.
//!
//! Whoever starts or stops it, by key, page or shell, does so by a command to this service, which therefore keeps what was
//! meant. [`Kept`] decides what it is worth at the next start, [`wall`] what a clock that is set afterwards changes about that,
//! [`store`] is where it lies, and [`Keeper`] writes it down while units go out.

mod keeper;
pub mod store;
pub mod wall;

pub use keeper::Keeper;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// What was last meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// On the air, or stopped on purpose.
    pub on_air: bool,
    /// Of the start of the system that wrote it; empty where that could not be read.
    pub boot_id: String,
    /// When it was last known to be so, in seconds of the wall clock.
    pub at_s: u64,
}

impl Kept {
    /// Whether a start at `now` goes on the air. A stop counts for ever; being on the air counts over a crash of this
    /// service, and over a time without power of at most `resume_within`, where zero is never. Where the start of the system is
    /// not known, power may have been lost. Where the clocks do not tell how long that was, what was meant is meant still: it
    /// was never taken back.
    pub fn resumes(&self, now: &Moment, resume_within: Duration) -> bool {
        let crashed = !now.boot_id.is_empty() && self.boot_id == now.boot_id;
        let short = self.dark(now).is_none_or(|dark| dark <= resume_within);
        self.on_air && (crashed || (short && !resume_within.is_zero()))
    }

    /// How long it was without power; `None` where one of the two clocks was wrong. A clock without a battery goes back to when
    /// it was last kept, or to when the system was built; one that was there when units went out comes forward by years when
    /// it is put right, and so does one whose battery is empty (a kernel reads that as 2070).
    fn dark(&self, now: &Moment) -> Option<Duration> {
        let dark = Duration::from_secs(now.at_s.checked_sub(self.at_s)?);
        (dark < YEAR).then_some(dark)
    }
}

/// A moment that can be told from those before the power went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Which start of the system this is; empty where the kernel does not say.
    pub boot_id: String,
    /// Seconds of the wall clock.
    pub at_s: u64,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self::read(Path::new(BOOT_ID))
    }

    fn read(boot_id: &Path) -> Self {
        let read = std::fs::read_to_string(boot_id);
        let read = read.inspect_err(|error| {
            tracing::warn!(%error, path = %boot_id.display(), "a crash cannot be told from a loss of power");
        });
        Self { boot_id: read.unwrap_or_default().trim().into(), at_s: wall_s() }
    }
}

/// What the wall clock reads, in seconds.
pub fn wall_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Few boxes lie in a cupboard for longer, switched off on the air; more clocks are off by more.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// random(4): drawn anew at each start of the system.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(600);

    fn kept(on_air: bool) -> Kept {
        Kept { on_air, boot_id: "a".into(), at_s: 1_000 }
    }

    fn later(boot_id: &str, seconds: u64) -> Moment {
        Moment { boot_id: boot_id.into(), at_s: 1_000 + seconds }
    }

    #[test]
    fn a_stop_counts_for_ever() {
        for moment in [later("a", 1), later("b", 1), later("b", 3_600)] {
            assert!(!kept(false).resumes(&moment, TEN), "{moment:?}");
        }
    }

    #[test]
    fn being_on_the_air_counts_for_ten_minutes_without_power_and_over_any_crash() {
        assert!(kept(true).resumes(&later("b", 600), TEN));
        assert!(!kept(true).resumes(&later("b", 601), TEN));
        assert!(kept(true).resumes(&later("a", 3_600), TEN), "the service crashed, the box did not");
        assert!(!kept(true).resumes(&later("b", 0), Duration::ZERO), "set to never");
    }

    #[test]
    fn a_start_that_is_not_known_is_one_after_a_loss_of_power() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Moment::read(&folder.path().join("boot_id")).boot_id, "");
        let unread = Kept { boot_id: String::new(), ..kept(true) };
        for kept in [unread, kept(true)] {
            assert!(kept.resumes(&later("", 600), TEN), "{kept:?}");
            assert!(!kept.resumes(&later("", 601), TEN), "{kept:?}");
        }
        std::fs::write(folder.path().join("boot_id"), "3f2c\n").unwrap();
        assert_eq!(Moment::read(&folder.path().join("boot_id")).boot_id, "3f2c");
        assert_ne!(Moment::now().boot_id, "");
    }

    #[test]
    fn clocks_that_cannot_be_compared_do_not_take_back_what_was_meant() {
        let year = YEAR.as_secs();
        let read = |at_s| Moment { boot_id: "b".into(), at_s };
        for at_s in [0, 999, 1_000 + year, 1_000 + 44 * year] {
            assert!(kept(true).resumes(&read(at_s), TEN), "{at_s}");
            assert!(!kept(true).resumes(&read(at_s), Duration::ZERO), "{at_s}");
            assert!(!kept(false).resumes(&read(at_s), TEN), "{at_s}");
        }
        assert!(!kept(true).resumes(&read(999 + year), TEN), "a year in a cupboard");
    }
}
