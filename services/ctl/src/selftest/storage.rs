//! What the unit keeps things on.

use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::{Check, Result};

/// The root, which nobody may write, and the two places where everybody does.
pub(super) fn look() -> Vec<Check> {
    let kept = [("/state", 4), ("/data", 64)];
    let mut checks = vec![root(Path::new("/"), Path::new("/state").is_dir())];
    checks.extend(kept.map(|(folder, least_mb)| written(Path::new(folder), least_mb)));
    checks
}

/// A unit's root is a squashfs: one that can be written is not the one that was signed.
fn root(root: &Path, is_unit: bool) -> Check {
    let (result, said) = match statvfs(root) {
        Ok(fs) if fs.flags().contains(FsFlags::ST_RDONLY) => (Result::Works, "read-only".into()),
        Ok(_) if is_unit => (Result::Fails, "can be written".into()),
        Ok(_) => (Result::Absent, "can be written, as on no unit".into()),
        Err(error) => (Result::Fails, error.to_string()),
    };
    Check::new("root", result, said)
}

/// Whether what is written there is there, and more finds room.
fn written(folder: &Path, least_mb: u64) -> Check {
    let what = folder.display().to_string();
    if !folder.is_dir() {
        return Check::new(what, Result::Absent, "no such folder");
    }
    let tried = tempfile::NamedTempFile::new_in(folder).and_then(|file| {
        std::fs::write(file.path(), "written")?;
        Ok(std::fs::read_to_string(file.path())? == "written")
    });
    let megabytes = |blocks: u64, size: u64| blocks * size / 1_000_000;
    let room = statvfs(folder).map(|fs| {
        let size = fs.fragment_size();
        (megabytes(fs.blocks_available(), size), megabytes(fs.blocks(), size))
    });
    let (result, said) = match (tried, room) {
        (Ok(true), Ok((free, all))) if free < least_mb => {
            (Result::Fails, format!("{free} MB of {all} MB free, must be at least {least_mb}"))
        }
        (Ok(true), Ok((free, all))) => (Result::Works, format!("{free} MB of {all} MB free")),
        (Ok(_), _) => (Result::Fails, "does not hold what was written".into()),
        (Err(error), _) => (Result::Fails, error.to_string()),
    };
    Check::new(what, result, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_written_and_its_room_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(written(folder.path(), 0).result, Result::Works);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left there");
        let full = written(folder.path(), u64::MAX);
        assert!(full.result == Result::Fails && full.said.contains(" MB free, must be at least "), "{full:?}");
        assert_eq!(written(&folder.path().join("none"), 0).result, Result::Absent);
        // Nobody writes there, not even root.
        assert_eq!(written(Path::new("/proc/self"), 0).result, Result::Fails);
    }

    #[test]
    fn a_root_that_can_be_written_fails_on_a_unit() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(root(folder.path(), true).result, Result::Fails);
        assert_eq!(root(folder.path(), false).result, Result::Absent);
        assert_eq!(root(&folder.path().join("none"), true).result, Result::Fails);
    }
}
