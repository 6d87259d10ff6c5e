//! Buttons, lights, battery and fan of a unit.
//!
//! It serves `panel.sock`. `bondbox-panel --give-back-fan` is for the unit file: it leaves a fan that a crash left behind to the
//! kernel.

use std::process::ExitCode;

use bondbox_daemon::settings::Base;
use bondbox_panel::service;
use bondbox_panel::settings::{Flags, Settings};
use clap::Parser;

/// Buttons, lights, battery and fan of a unit.
#[derive(Parser)]
#[command(version)]
struct Command {
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: Flags,
    /// Leave a fan that a crash left behind to the kernel, and end.
    #[arg(long)]
    give_back_fan: bool,
}

fn main() -> ExitCode {
    let command = Command::parse();
    if command.give_back_fan {
        return give_back_fan(&command);
    }
    bondbox_daemon::run("bondbox-panel", &command.base, &command.flags, service::serve)
}

/// Where the fan is ours, and there is one.
fn give_back_fan(command: &Command) -> ExitCode {
    let settings = bondbox_daemon::settings::load::<Settings>(command.base.config.as_deref(), &command.flags);
    if let Ok(settings) = settings
        && settings.turns_fan()
        && let Err(error) = bondbox_panel_devices::thermal::Pwm::give_back(settings.sys())
    {
        eprintln!("bondbox-panel: {error}");
    }
    ExitCode::SUCCESS
}
