//! Knows every way out of the unit, and keeps its routes.
//!
//! `bondbox-modems` serves what is plugged in on `/run/bondbox/modems.sock`; `--help` lists the settings, and
//! `overlay/etc/bondbox/modems.toml` explains them. `bondboxctl modems` prints what the running service serves.

use std::process::ExitCode;

use bondbox_daemon::EXIT_SETTINGS;
use bondbox_daemon::settings::{self, Base};
use bondbox_modems::settings::{Flags, Settings};
use clap::Parser;

/// Knows every way out of the unit, and keeps its routes.
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: Flags,
    /// Print the interfaces that lead inside by these settings, one a line, and exit.
    #[arg(long)]
    inside: bool,
}

fn main() -> ExitCode {
    let command = Command::parse();
    if command.inside {
        return inside(&command);
    }
    bondbox_daemon::run("bondbox-modems", &command.base, &command.flags, bondbox_modems::serve)
}

/// For the firewall and for who gives interfaces their routes (`overlay/usr/libexec/bondbox/inside`).
fn inside(command: &Command) -> ExitCode {
    match settings::load::<Settings>(command.base.config.as_deref(), &command.flags) {
        Ok(settings) => {
            for name in settings.inside {
                println!("{name}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bondbox-modems: {error}");
            ExitCode::from(EXIT_SETTINGS)
        }
    }
}
