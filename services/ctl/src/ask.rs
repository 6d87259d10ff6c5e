//! One question to one service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bondbox_daemon::ipc::{Client, CommandError, Event, Peers, Want};
use bondbox_ipc::Protocol;
use bondbox_ipc::capture::{self, Capture};
use bondbox_ipc::modems::{self, Modems};
use bondbox_ipc::panel::{self, Panel};
use bondbox_ipc::uplink::{self, Uplink};
use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Asks the services whose sockets are in one folder.
pub(crate) struct Ask {
    run_dir: PathBuf,
    patience: Duration,
}

/// A service by the name of its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Capture,
    Uplink,
    Modems,
    Panel,
}

/// What every service says, or why it says nothing.
#[derive(Serialize)]
pub(crate) struct All {
    pub(crate) capture: Said<capture::State>,
    pub(crate) uplink: Said<uplink::State>,
    pub(crate) modems: Said<modems::State>,
    pub(crate) panel: Said<panel::State>,
}

/// See [`All`].
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said<S> {
    State(S),
    Failure(String),
}

impl Ask {
    pub(crate) fn new(run_dir: &Path, patience: Duration) -> Self {
        Self { run_dir: run_dir.to_path_buf(), patience }
    }

    /// A connection that lasts.
    pub(crate) fn client<P: Protocol>(&self) -> Client<P> {
        let user = format!("bondbox-{}", P::NAME);
        Client::connect(&self.run_dir, Peers::with(&[user]), Want::State)
    }

    /// The state now.
    ///
    /// # Errors
    /// Names service and socket when it is not there, and what it said when it does not answer.
    pub(crate) async fn state<P: Protocol>(&self) -> anyhow::Result<P::State> {
        state(&mut self.client::<P>()).await
    }

    /// Waits until the effect was seen.
    ///
    /// # Errors
    /// As [`Self::state`], and the service's refusal.
    pub(crate) async fn command<P: Protocol>(&self, command: P::Command) -> anyhow::Result<P::Done> {
        let mut client = self.client::<P>();
        state(&mut client).await?;
        client.command(command, self.patience).await.map_err(|error| match error {
            CommandError::Refused(refusal) => anyhow!("{}: {refusal}", P::NAME),
            other => anyhow!("{}: {other}", P::NAME),
        })
    }

    /// As [`Self::command`], both ways in JSON.
    ///
    /// # Errors
    /// As there, and when the text is no command of that service.
    pub(crate) async fn send(&self, service: Service, command: &str) -> anyhow::Result<Value> {
        match service {
            Service::Capture => self.send_to::<Capture>(command).await,
            Service::Uplink => self.send_to::<Uplink>(command).await,
            Service::Modems => self.send_to::<Modems>(command).await,
            Service::Panel => self.send_to::<Panel>(command).await,
        }
    }

    async fn send_to<P: Protocol>(&self, command: &str) -> anyhow::Result<Value> {
        let command = read::<P::Command>(command).with_context(|| format!("not a command of {}", P::NAME))?;
        Ok(serde_json::to_value(self.command::<P>(command).await?)?)
    }

    /// What all services say.
    pub(crate) async fn all(&self) -> All {
        async fn said<P: Protocol>(ask: &Ask) -> Said<P::State> {
            match ask.state::<P>().await {
                Ok(state) => Said::State(state),
                Err(error) => Said::Failure(format!("{error:#}")),
            }
        }
        let (capture, uplink, modems, panel) =
            tokio::join!(said::<Capture>(self), said::<Uplink>(self), said::<Modems>(self), said::<Panel>(self));
        All { capture, uplink, modems, panel }
    }
}

/// The next state that comes.
async fn state<P: Protocol>(client: &mut Client<P>) -> anyhow::Result<P::State> {
    let name = P::NAME;
    let next = async {
        loop {
            match client.event().await {
                Event::State(state) => return Ok(state),
                Event::Disconnected(why) => {
                    bail!("bondbox-{name} is not there ({why}); `systemctl status bondbox-{name}` says why")
                }
                Event::Connected(_) | Event::Media(_) => {}
            }
        }
    };
    tokio::time::timeout(ANSWER, next)
        .await
        .unwrap_or_else(|_| bail!("bondbox-{name} is connected and says nothing for {} s", ANSWER.as_secs()))
}

fn read<C: DeserializeOwned>(text: &str) -> serde_json::Result<C> {
    serde_json::from_str(text)
}

/// A service that works says its state at once, and within two seconds of starting.
const ANSWER: Duration = Duration::from_secs(5);
