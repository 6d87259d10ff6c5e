//! A long-term key in a file: Ed25519 in PKCS #8 (RFC 5958), binary, readable by its owner alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bondbox_bond::Identity;
use clap::Subcommand;

/// What can be done with keys from a shell. Each prints the public key and nothing else, for scripts.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// Makes a key and prints its public half.
    Keygen {
        /// Where the private key goes; only its owner may read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace a key that is there: whoever pinned it has to pin the new one.
        #[arg(long)]
        force: bool,
    },
    /// Prints the public half of a key.
    PublicKey {
        /// The private key.
        #[arg(long, value_name = "FILE")]
        identity: PathBuf,
    },
}

impl KeyCommand {
    /// Does it, and gives the exit code of the process `name`.
    pub fn run(&self, name: &str) -> ExitCode {
        let identity = match self {
            Self::Keygen { out, force } => generate(out, *force),
            Self::PublicKey { identity } => read(identity),
        };
        match identity {
            Ok(identity) => {
                println!("{}", identity.public());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{name}: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Makes a key at `path`; one that is there is replaced only with `force`.
///
/// # Errors
/// When the file is there, or cannot be written.
pub fn generate(path: &Path, force: bool) -> anyhow::Result<Identity> {
    let identity = Identity::generate();
    // A new file beside it, moved into place, so that no crash leaves half a key.
    let beside = path.with_added_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)
        .with_context(|| beside.display().to_string())?;
    let written = file.write_all(identity.to_pkcs8()).and_then(|()| file.sync_all());
    // A link fails where something is there already; a rename replaces it.
    let placed =
        written.and_then(|()| if force { std::fs::rename(&beside, path) } else { std::fs::hard_link(&beside, path) });
    let _ = std::fs::remove_file(&beside);
    match placed {
        Ok(()) => Ok(identity),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            anyhow::bail!("{}: a key is there already, --force replaces it", path.display())
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Reads a key.
///
/// # Errors
/// When there is none, or something else.
pub fn read(path: &Path) -> anyhow::Result<Identity> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Identity::take_pkcs8(bytes).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_read_back_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");
        let made = generate(&path, false).unwrap();
        assert_eq!(read(&path).unwrap().public(), made.public());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_is_replaced_by_force_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");
        let first = generate(&path, false).unwrap();
        let refusal = generate(&path, false).unwrap_err().to_string();
        assert!(refusal.contains("own.key: a key is there already"), "{refusal}");
        assert_eq!(read(&path).unwrap().public(), first.public());
        let second = generate(&path, true).unwrap();
        assert_ne!(first.public(), second.public());
        assert_eq!(read(&path).unwrap().public(), second.public());
    }

    #[test]
    fn what_is_no_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.key");
        std::fs::write(&path, "secret").unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.ends_with("own.key: not an Ed25519 private key in PKCS #8 (6 bytes)"), "{error}");
    }
}
