//! Captures and encodes a source and serves its access units.
//!
//! `bondbox-capture --source test --size 1280x720` serves colour bars on `/run/bondbox/capture.sock`; `--help` lists
//! the settings, and `overlay/etc/bondbox/capture.toml` explains them.

use bondbox_capture::settings::Flags;
use bondbox_daemon::settings::Base;
use clap::Parser;

/// Captures and encodes a source and serves its access units.
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: Flags,
}

fn main() -> std::process::ExitCode {
    let command = Command::parse();
    bondbox_daemon::run("bondbox-capture", &command.base, &command.flags, bondbox_capture::service::serve)
}
