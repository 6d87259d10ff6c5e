//! What is kept of a pairing.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use bondbox_daemon::disk;
use serde::{Deserialize, Serialize};

/// The gateway that the unit belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Kept {
    /// `HOST:PORT`, or several of them.
    pub(super) gateway: String,
    /// Its public key.
    pub(super) key: String,
}

/// What the file at `path` says; `None` where there is none.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Kept>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| path.display().to_string())?,
    };
    Ok(Some(toml::from_str(&text).with_context(|| path.display().to_string())?))
}

pub(super) fn write(path: &Path, kept: &Kept) -> anyhow::Result<()> {
    disk::put(path, toml::to_string(kept)?.as_bytes()).with_context(|| path.display().to_string())
}

/// One that is not there was removed.
pub(super) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context(path.display().to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_paired_is_read_back_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        assert_eq!(read(&path).unwrap(), None);
        let kept = Kept { gateway: "[fd00::1]:7000".into(), key: "00".repeat(32) };
        write(&path, &kept).unwrap();
        assert_eq!(read(&path).unwrap(), Some(kept));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
        fs::write(&path, "gateway = 1\n").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("gateway.toml: ") && error.contains("invalid type"), "{error}");
    }
}
