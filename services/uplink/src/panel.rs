//! What the panel service says of the box, which may die and come back.

use std::path::Path;

use bondbox_daemon::ipc::{Client, Event, Peers, Want};
use bondbox_ipc::panel::{self as protocol, State};

/// The connection to the service, and what it last said.
pub(crate) struct Panel {
    client: Client<protocol::Panel>,
    /// While the service is there.
    state: Option<State>,
}

impl Panel {
    /// Watches it. A unit without one is none the worse.
    pub(crate) fn connect(run_dir: &Path) -> Self {
        Self { client: Client::connect(run_dir, Peers::with(&[SERVICE_USER.into()]), Want::State), state: None }
    }

    /// What the service last said, while it is there.
    pub(crate) const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Waits for what the service says, and keeps it. May be dropped halfway.
    pub(crate) async fn follow(&mut self) {
        match self.client.event().await {
            Event::State(state) => self.state = Some(state),
            Event::Connected(service) => tracing::info!(build = service.build, "the panel service is there"),
            Event::Disconnected(reason) => {
                tracing::info!(reason, "the panel service is not there");
                self.state = None;
            }
            Event::Media(_) => {}
        }
    }
}

/// The user that the service runs as on a box.
const SERVICE_USER: &str = "bondbox-panel";
