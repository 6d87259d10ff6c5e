//! What can be done from a shell with the gateway's key, and with those of its units.

use std::path::PathBuf;
use std::process::ExitCode;

use bondbox_bond::PublicKey;
use bondbox_daemon::bond::keys;
use clap::Subcommand;

/// The commands.
#[derive(Subcommand)]
pub enum KeyCommand {
    /// The gateway's own key.
    #[command(flatten)]
    Own(keys::KeyCommand),
    /// Lets a unit in. A running gateway is told by SIGHUP.
    Pair {
        /// The file of paired units; made where there is none.
        #[arg(long, value_name = "FILE")]
        units: PathBuf,
        /// The unit's name, for people.
        #[arg(long)]
        name: String,
        /// The unit's public key, as `bondbox-uplink keygen` printed it.
        key: PublicKey,
    },
}

impl KeyCommand {
    /// Does it, and gives the exit code of the process `name`.
    pub fn run(&self, name: &str) -> ExitCode {
        match self {
            Self::Own(command) => command.run(name),
            Self::Pair { units, name: unit, key } => match crate::units::pair(units, unit, *key) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{name}: {error:#}");
                    ExitCode::FAILURE
                }
            },
        }
    }
}
