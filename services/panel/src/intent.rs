//! What the operator meant, over a power loss.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    on_air: bool,
    /// Of the start of the system that wrote it.
    boot_id: String,
    /// When it was last known to be so, in seconds of the wall clock.
    at_s: u64,
}

/// What was meant when the power went, as far as it still counts; `None` where nothing was ever said.
pub(crate) fn read(folder: &Path, resume_within: Duration) -> Option<bool> {
    let kept: Kept = [NAME, SECOND].into_iter().find_map(|name| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        toml::from_str(&text).ok()
    })?;
    // A box whose clock stood still while it was dark was dark for no time, as far as anybody can tell.
    let dark = seconds(SystemTime::now()).unwrap_or(0).saturating_sub(kept.at_s);
    Some(kept.counts(&boot_id(), Duration::from_secs(dark), resume_within))
}

impl Kept {
    /// A stop counts for ever. Being on the air counts over a crash of this service, and over a short time without power.
    fn counts(&self, boot_id: &str, dark: Duration, resume_within: Duration) -> bool {
        self.on_air && (self.boot_id == boot_id || (dark <= resume_within && !resume_within.is_zero()))
    }
}

/// Keeps it: on the disk when this returns, and in a second file, so that one that was half written costs nothing.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep(folder: &Path, on_air: bool) -> io::Result<()> {
    let kept = Kept { on_air, boot_id: boot_id(), at_s: seconds(SystemTime::now()).unwrap_or(0) };
    let text = toml::to_string(&kept).map_err(io::Error::other)?;
    for name in [SECOND, NAME] {
        let beside = folder.join(format!("{name}.new"));
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, folder.join(name))?;
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Has capture stay off the air when it starts, also after a crash: it looks for this file.
///
/// # Errors
/// When it cannot be written, or taken away.
pub(crate) fn tell_capture(run_dir: &Path, on_air: bool) -> io::Result<()> {
    let path = run_dir.join("capture.off");
    if !on_air {
        return File::create(path).map(drop);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

fn seconds(time: SystemTime) -> Option<u64> {
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

const NAME: &str = "intent.toml";
const SECOND: &str = "intent-2.toml";

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(600);

    #[test]
    fn a_stop_counts_for_ever_and_being_on_the_air_for_ten_minutes() {
        let kept = |on_air| Kept { on_air, boot_id: "a".into(), at_s: 0 };
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
        assert!(!kept(false).counts("a", minute, TEN) && !kept(false).counts("b", minute, TEN));
        assert!(kept(true).counts("b", minute, TEN) && !kept(true).counts("b", hour, TEN));
        assert!(kept(true).counts("a", hour, TEN), "this service crashed, the box did not");
        assert!(!kept(true).counts("b", Duration::ZERO, Duration::ZERO), "set to never");
    }

    #[test]
    fn what_is_kept_is_read_and_a_half_written_file_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), TEN), None);
        keep(folder.path(), true).unwrap();
        assert_eq!(read(folder.path(), TEN), Some(true));
        keep(folder.path(), false).unwrap();
        fs::write(folder.path().join(NAME), "on_air = t").unwrap();
        assert_eq!(read(folder.path(), TEN), Some(false));
    }
}
