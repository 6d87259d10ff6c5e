//! Captures and encodes a source and serves its access units.
//!
//! `bondbox-capture --source test --size 1280x720` serves colour bars on `/run/bondbox/capture.sock`; `--help` lists
//! the settings, and `overlay/etc/bondbox/capture.toml` explains them.

use std::process::ExitCode;

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
    /// Say which elements of GStreamer are missing, and exit.
    #[arg(long)]
    elements: bool,
}

fn main() -> ExitCode {
    let command = Command::parse();
    if command.elements {
        return elements();
    }
    bondbox_daemon::run("bondbox-capture", &command.base, &command.flags, bondbox_capture::service::serve)
}

fn elements() -> ExitCode {
    let missing = match bondbox_capture::elements::missing() {
        Ok(missing) => missing,
        Err(error) => vec![format!("anything: {error}")],
    };
    for names in &missing {
        eprintln!("bondbox-capture: GStreamer has no {names}");
    }
    if missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
