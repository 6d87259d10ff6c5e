//! Puts the streams of many units together again and hands them on.
//!
//! `bondbox-gateway keygen --out FILE` makes the gateway's key and prints its public half for the units;
//! `bondbox-gateway pair --units FILE --name NAME KEY` lets a unit in. Then
//! `bondbox-gateway --listen 0.0.0.0:7000 --identity FILE --units FILE` receives. `--help` lists the settings, and
//! `/etc/bondbox/gateway.toml` explains them.

use std::process::ExitCode;

use bondbox_daemon::settings::Base;
use bondbox_gateway::keys::KeyCommand;
use bondbox_gateway::settings::Flags;
use clap::Parser;

/// Puts the streams of many units together again and hands them on.
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
        Some(key) => key.run("bondbox-gateway"),
        None => bondbox_daemon::run("bondbox-gateway", &command.base, &command.flags, bondbox_gateway::serve),
    }
}
