//! What the panel service says of the box, and what the gateway has it do. The service may die and come back.

mod search;

use std::path::Path;
use std::time::Duration;

use bondbox_daemon::ipc::{Client, CommandError, Event, Peers, Want};
use bondbox_ipc::panel::{self as protocol, Action, Command, State};
use bondbox_units::Instant;
use tokio::sync::mpsc;

use crate::command::Answer;
use search::Search;

/// The connection to the service, and what it last said.
pub(crate) struct Panel {
    client: Client<protocol::Panel>,
    /// While the service is there.
    state: Option<State>,
    search: Search,
    /// What the service was told ends here.
    results: mpsc::UnboundedSender<Result<(), CommandError>>,
    ended: mpsc::UnboundedReceiver<Result<(), CommandError>>,
}

impl Panel {
    /// Watches it. A unit without one is none the worse.
    pub(crate) fn connect(run_dir: &Path) -> Self {
        let client = Client::connect(run_dir, Peers::with(&[SERVICE_USER.into()]), Want::State);
        let (results, ended) = mpsc::unbounded_channel();
        Self { client, state: None, search: Search::default(), results, ended }
    }

    /// What the service last said, while it is there.
    pub(crate) const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Waits for what the service says, and keeps it. May be dropped halfway.
    pub(crate) async fn follow(&mut self) {
        tokio::select! {
            event = self.client.event() => self.handle(event),
            Some(result) = self.ended.recv() => self.search.ended(result),
        }
    }

    fn handle(&mut self, event: Event<protocol::Panel>) {
        match event {
            Event::State(state) => self.state = Some(state),
            Event::Connected(service) => tracing::info!(build = service.build, "the panel service is there"),
            Event::Disconnected(reason) => {
                tracing::info!(reason, "the panel service is not there");
                self.state = None;
            }
            Event::Media(_) => {}
        }
    }

    /// Somebody looks for this unit, and asks under this number: [`Self::answers`] says when its lights show it.
    pub(crate) fn identify(&mut self, now: Instant, number: u64) {
        if self.search.begin(now, number, self.state.as_ref()) {
            let (commander, results) = (self.client.commander(), self.results.clone());
            tokio::spawn(async move {
                let result = commander.command(Command::Do(Action::Identify), PATIENCE).await;
                // The service ends, and nobody asks any more.
                let _ = results.send(result.map(|_| ()));
            });
        }
    }

    /// What has come of it since this was last asked.
    pub(crate) fn answers(&mut self, now: Instant) -> Vec<Answer> {
        self.search.look(now, self.state.as_ref())
    }
}

/// The user that the service runs as on a box.
const SERVICE_USER: &str = "bondbox-panel";
/// The service answers at once.
const PATIENCE: Duration = Duration::from_secs(2);
