//! Where it lies: a file that is written whole beside its place and then moved there. On a unit `state` has a second set of it.

use std::fs;
use std::io;
use std::path::Path;

use bondbox_daemon::disk;

use super::Kept;

/// What was kept last; `None` where nothing ever was, or where it cannot be read, which is said.
pub fn read(folder: &Path) -> Option<Kept> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "what was meant cannot be read");
            return None;
        }
    };
    let kept = toml::from_str(&text);
    kept.inspect_err(|error| tracing::warn!(%error, path = %path.display(), "what was meant cannot be read")).ok()
}

/// Keeps it: on the disk when this returns.
///
/// # Errors
/// When it cannot be written.
pub fn keep(folder: &Path, kept: &Kept) -> io::Result<()> {
    let text = toml::to_string(kept).map_err(io::Error::other)?;
    disk::put(&folder.join(FILE), text.as_bytes())
}

const FILE: &str = "intent.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_what_was_damaged_is_as_if_nothing_was() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        for on_air in [true, false] {
            let kept = Kept { on_air, boot_id: "a".into(), at_s: 7 };
            keep(folder.path(), &kept).unwrap();
            assert_eq!(read(folder.path()), Some(kept));
        }
        fs::write(folder.path().join(FILE), "on_air = t").unwrap();
        assert_eq!(read(folder.path()), None);
    }
}
