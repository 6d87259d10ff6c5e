//! What the running service serves, on the terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use bondbox_daemon::ipc::{Client, Event, Peers, Want};
use bondbox_ipc::modems::{Modems, State};

/// Prints what the running service serves, as JSON.
#[derive(Debug, clap::Args)]
pub struct ShowCommand {
    /// Where the service's socket is.
    #[arg(long, value_name = "DIR", default_value = "/run/bondbox")]
    run_dir: PathBuf,
}

impl ShowCommand {
    /// Does it.
    pub fn run(&self) -> ExitCode {
        let shown = self.state().and_then(|state| Ok(serde_json::to_string_pretty(&state)?));
        match shown {
            Ok(shown) => {
                println!("{shown}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("bondbox-modems: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn state(&self) -> anyhow::Result<State> {
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        reactor.block_on(async {
            let peers = Peers::with(&[SERVICE_USER.into()]);
            let mut client = Client::<Modems>::connect(&self.run_dir, peers, Want::State);
            loop {
                match client.event().await {
                    Event::State(state) => return Ok(state),
                    Event::Disconnected(reason) => bail!("the modem service is not there: {reason}"),
                    Event::Connected(_) | Event::Media(_) => {}
                }
            }
        })
    }
}

/// The user that the service runs as on a box.
const SERVICE_USER: &str = "bondbox-modems";
