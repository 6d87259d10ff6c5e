//! Buttons, lights, battery and fan of a unit.
//!
//! It serves `panel.sock`. Two more are for the unit file: `bondbox-panel --give-back-fan` leaves a fan that a crash left behind to
//! the kernel, and `bondbox-panel --ended` has the lights say that the service has failed.

use std::process::ExitCode;

use bondbox_daemon::settings::Base;
use bondbox_ipc::panel::Meaning;
use bondbox_panel::service;
use bondbox_panel::settings::{Flags, Settings};
use bondbox_panel_core::lights;
use bondbox_panel_devices::leds::{Leds, Sysfs};
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
    /// Have the lights say so where the service failed, by systemd's $SERVICE_RESULT, and end.
    #[arg(long, conflicts_with = "give_back_fan")]
    ended: bool,
}

fn main() -> ExitCode {
    let command = Command::parse();
    if command.give_back_fan {
        return give_back_fan(&command);
    }
    if command.ended {
        return ended(&command);
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

/// Whoever stopped or restarts it on purpose knows. Settings that are refused must not keep their own failure dark. Lights on raw
/// lines are nobody's without the service, and cannot be told.
fn ended(command: &Command) -> ExitCode {
    let failed = std::env::var("SERVICE_RESULT").is_ok_and(|result| result != "success");
    let settings = bondbox_daemon::settings::load::<Settings>(command.base.config.as_deref(), &command.flags);
    let settings = settings.or_else(|_| bondbox_daemon::settings::load(None, &command.flags)).unwrap_or_default();
    if !failed || settings.lights_are_lines() {
        return ExitCode::SUCCESS;
    }
    let shown = Sysfs::find(settings.sys()).and_then(|mut leds| leds.show(lights::of(Meaning::Fault, false)));
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bondbox-panel: {error}");
            ExitCode::FAILURE
        }
    }
}
