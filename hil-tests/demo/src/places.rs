//! Where things are.

use std::io;
use std::path::{Path, PathBuf};

/// The real unit file of `bondbox-NAME`.
pub(crate) fn unit_file(name: &str) -> PathBuf {
    repository().join(format!("overlay/usr/lib/systemd/system/bondbox-{name}.service"))
}

/// The emulated modem.
pub(crate) fn at_modem() -> PathBuf {
    repository().join("hil-tests/modems/at_modem.py")
}

/// The scenario for people to look at.
pub(crate) fn default_scenario() -> PathBuf {
    repository().join("hil-tests/scenarios/demo.toml")
}

/// A program that was built together with this one.
///
/// # Errors
/// When it was not.
pub(crate) fn program(name: &str) -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() {
        return Ok(path);
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: not built", path.display())))
}

/// `target/demo`, beside the folder of this program.
///
/// # Errors
/// When the system does not say where this program is.
pub(crate) fn default_logs() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().and_then(Path::parent).unwrap_or(Path::new(".")).join("demo"))
}

/// What runs is what was built here, so the files beside it are the ones of the build.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
