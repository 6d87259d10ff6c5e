//! Knows every way out of the unit, and keeps its routes.
//!
//! `bondbox-modems` serves what is plugged in on `/run/bondbox/modems.sock`; `--help` lists the settings, and
//! `overlay/etc/bondbox/modems.toml` explains them. `bondboxctl modems` prints what the running service serves.

use bondbox_daemon::settings::Base;
use bondbox_modems::settings::Flags;
use clap::Parser;

/// Knows every way out of the unit, and keeps its routes.
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
    bondbox_daemon::run("bondbox-modems", &command.base, &command.flags, bondbox_modems::serve)
}
