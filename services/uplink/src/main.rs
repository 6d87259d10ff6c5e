//! Sends a live stream over every link of a unit at once.
//!
//! `bondbox-uplink keygen --out FILE` makes the unit's key and prints its public half for the gateway. Then
//! `bondbox-uplink --gateway 10.99.0.1:7000 --gateway-key KEY --identity FILE --link wwan0 --link wwan1` sends what the
//! capture service makes, and `--ingest udp://127.0.0.1:9000` sends datagrams instead. `--help` lists the settings, and
//! `/etc/bondbox/uplink.toml` explains them.

use std::process::ExitCode;

use bondbox_daemon::bond::keys::KeyCommand;
use bondbox_daemon::settings::Base;
use bondbox_uplink::settings::Flags;
use clap::Parser;

/// Sends a live stream over every link of a unit at once.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    key: Option<KeyCommand>,
    #[command(flatten)]
    base: Base,
    #[command(flatten)]
    flags: Flags,
}

fn main() -> ExitCode {
    let command = Command::parse();
    match command.key {
        Some(key) => key.run("bondbox-uplink"),
        None => bondbox_daemon::run("bondbox-uplink", &command.base, &command.flags, bondbox_uplink::serve),
    }
}
