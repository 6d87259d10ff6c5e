//! Knows every way out of the unit, and keeps its routes.
//!
//! `bondbox-modems` serves what is plugged in on `/run/bondbox/modems.sock`; `--help` lists the settings, and
//! `overlay/etc/bondbox/modems.toml` explains them. `bondbox-modems show` prints what the running service serves, as JSON.

use bondbox_daemon::settings::Base;
use bondbox_modems::settings::Flags;
use bondbox_modems::show::ShowCommand;
use clap::{Parser, Subcommand};

/// Knows every way out of the unit, and keeps its routes.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand)]
enum Other {
    Show(ShowCommand),
}

fn main() -> std::process::ExitCode {
    let command = Command::parse();
    match command.other {
        Some(Other::Show(show)) => show.run(),
        None => bondbox_daemon::run("bondbox-modems", &command.base, &command.flags, bondbox_modems::serve),
    }
}
