//! Sends a live stream over every link of a unit at once.
//!
//! `bondbox-uplink keygen --out FILE` makes the unit's key and prints its public half for the gateway. Then
//! `bondbox-uplink --gateway 10.99.0.1:7000 --gateway-key KEY --identity FILE --link wwan0 --link wwan1` sends what the
//! capture service makes, and `--ingest udp://127.0.0.1:9000` sends datagrams instead. `--help` lists the settings, and
//! `/etc/bondbox/uplink.toml` explains them. `bondbox-uplink trace --out FILE` asks the running service what happened lately.

use std::process::ExitCode;

use bondbox_daemon::bond::keys::KeyCommand;
use bondbox_daemon::settings::Base;
use bondbox_uplink::pairing::claim::ClaimCommand;
use bondbox_uplink::settings::Flags;
use bondbox_uplink::trace::TraceCommand;
use clap::{Parser, Subcommand};

/// Sends a live stream over every link of a unit at once.
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
    #[command(flatten)]
    Key(KeyCommand),
    Claim(ClaimCommand),
    Trace(TraceCommand),
}

fn main() -> ExitCode {
    let command = Command::parse();
    match command.other {
        Some(Other::Key(key)) => key.run("bondbox-uplink"),
        Some(Other::Claim(claim)) => match claim.run() {
            Ok(code) => {
                println!("{code}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("bondbox-uplink: {error:#}");
                ExitCode::FAILURE
            }
        },
        Some(Other::Trace(trace)) => trace.run(),
        None => bondbox_daemon::run("bondbox-uplink", &command.base, &command.flags, bondbox_uplink::serve),
    }
}
