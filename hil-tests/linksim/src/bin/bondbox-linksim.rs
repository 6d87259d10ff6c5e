//! Emulates the links of a scenario between two network namespaces.

use std::path::PathBuf;
use std::process::ExitCode;

use bondbox_linksim::child::READY;
use bondbox_linksim::emulator::{Settings, run};
use bondbox_linksim::scenario::Scenario;
use clap::Parser;

/// Emulates the links of a scenario between two network namespaces that it makes and removes itself.
///
/// Prints "ready" when every link carries packets, and ends on SIGINT or SIGTERM. At its end the namespaces are removed,
/// and at its start those of the same names that a crashed run left; processes in them are ended, at first politely.
/// Needs root.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The scenario file.
    #[arg(long)]
    scenario: PathBuf,
    /// Everything random comes from this number.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Namespace to make for the unit.
    #[arg(long, default_value = "bb-unit")]
    unit_netns: String,
    /// Namespace to make for the gateway.
    #[arg(long, default_value = "bb-gw")]
    gateway_netns: String,
    /// Where to listen for commands: a path for a Unix socket.
    #[arg(long)]
    control: Option<PathBuf>,
    /// Where to leave the last status as JSON.
    #[arg(long)]
    json_stats: Option<PathBuf>,
    /// End when nobody holds the other end of standard input any more, so that no parent leaves this behind.
    #[arg(long)]
    until_stdin_closes: bool,
    /// Only read the scenario, and say what is wrong with it.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match emulate(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bondbox-linksim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn emulate(arguments: Arguments) -> anyhow::Result<()> {
    let scenario = Scenario::load(&arguments.scenario)?;
    if arguments.check {
        return Ok(());
    }
    anyhow::ensure!(
        nix::unistd::Uid::effective().is_root(),
        "namespaces and TUN devices need root: run this as root or with sudo"
    );
    let settings = Settings {
        scenario,
        seed: arguments.seed,
        unit_netns: arguments.unit_netns,
        gateway_netns: arguments.gateway_netns,
        control: arguments.control,
        json_stats: arguments.json_stats,
        until_stdin_closes: arguments.until_stdin_closes,
    };
    run(&settings, || println!("{READY}"))
}
