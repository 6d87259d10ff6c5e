//! Small files that must be whole whenever the power goes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `bytes` at `path`, for its owner alone: on the disk when this returns, and the old or the new ones at any moment.
///
/// # Errors
/// When there is no room, or no right.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, true)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The same where the power takes the file in any case: in memory.
///
/// # Errors
/// As [`put`].
pub fn put_passing(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes, false)
}

fn replace(path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
    let beside = path.with_added_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    if lasting {
        file.sync_all()?;
    }
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_put_is_there_alone_and_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("paired.toml");
        for text in ["first, which is long", "second"] {
            put(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(put(&folder.path().join("no/such"), b"").is_err());
    }
}
