//! Where it lies: two files, each written whole beside its place and then moved there.

use std::fs;
use std::io;
use std::path::Path;

use bondbox_daemon::disk;

use super::Kept;

/// What was kept last; `None` where nothing ever was.
pub fn read(folder: &Path) -> Option<Kept> {
    [FIRST, SECOND].into_iter().find_map(|name| {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        toml::from_str(&text).ok()
    })
}

/// Keeps it: on the disk when this returns, and in a second file, so that one that was half written costs nothing.
///
/// # Errors
/// When it cannot be written.
pub fn keep(folder: &Path, kept: &Kept) -> io::Result<()> {
    let text = toml::to_string(kept).map_err(io::Error::other)?;
    for name in [SECOND, FIRST] {
        disk::put(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

const FIRST: &str = "intent.toml";
const SECOND: &str = "intent-2.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_a_half_written_file_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        let mut kept = Kept { on_air: true, boot_id: "a".into(), at_s: 7 };
        keep(folder.path(), &kept).unwrap();
        assert_eq!(read(folder.path()), Some(kept.clone()));
        kept.on_air = false;
        keep(folder.path(), &kept).unwrap();
        fs::write(folder.path().join(FIRST), "on_air = t").unwrap();
        assert_eq!(read(folder.path()), Some(kept));
    }
}
