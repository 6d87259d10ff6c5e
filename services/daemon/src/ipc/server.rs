//! A service's side of its socket.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bondbox_ipc::Protocol;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{self, Responder};
use super::counters::{Counters, Garbage};
use super::media::Media;
use super::packet::Ended;
use super::peers::Peers;
use super::socket::{Listener, SeqPacket};

/// Serves protocol `P`. When it is dropped, its connections and its socket go.
pub struct Server<P: Protocol> {
    shared: Arc<Shared<P>>,
    accepting: JoinHandle<()>,
}

/// What connections share.
pub(super) struct Shared<P: Protocol> {
    pub(super) state: watch::Sender<Option<P::State>>,
    pub(super) commands: mpsc::Sender<(P::Command, Responder<P::Done>)>,
    pub(super) media: Media,
    counters: Counters,
    peers: Peers,
    /// What was last said of a client that was cut off: one of another build comes again and again.
    complaint: Mutex<String>,
}

/// Commands from clients, for the service.
pub struct Commands<P: Protocol> {
    receiver: mpsc::Receiver<(P::Command, Responder<P::Done>)>,
}

/// The socket could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct BindError {
    /// Of the socket.
    pub path: PathBuf,
    /// What the system said.
    pub source: std::io::Error,
}

impl<P: Protocol> Server<P> {
    /// Serves `P` at `RUN_DIR/NAME.sock` on the current reactor.
    ///
    /// # Errors
    /// [`BindError`], also when another process serves that socket now; one left by a crash is replaced.
    pub fn bind(run_dir: &Path, peers: Peers) -> Result<(Self, Commands<P>), BindError> {
        let path = run_dir.join(format!("{}.sock", P::NAME));
        let listener = Listener::bind(&path).map_err(|source| BindError { path, source })?;
        let (commands, receiver) = mpsc::channel(MAX_COMMANDS);
        let shared = Arc::new(Shared {
            state: watch::Sender::new(None),
            commands,
            media: Media::default(),
            counters: Counters::default(),
            peers,
            complaint: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok((Self { shared, accepting }, Commands { receiver }))
    }

    /// Makes `state` the latest; watchers are told when it differs from the one before.
    pub fn set_state(&self, state: P::State) {
        self.shared.state.send_if_modified(|latest| {
            let changed = latest.as_ref() != Some(&state);
            if changed {
                *latest = Some(state);
            }
            changed
        });
    }

    /// Where to push units.
    pub fn media(&self) -> Media {
        self.shared.media.clone()
    }

    /// What came over the socket and was not taken.
    pub fn counters(&self) -> Counters {
        self.shared.counters.clone()
    }
}

impl<P: Protocol> Drop for Server<P> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl<P: Protocol> Commands<P> {
    /// The next command, with where its answer goes. Never ends while the server lives; loses nothing when dropped
    /// halfway.
    pub async fn next(&mut self) -> (P::Command, Responder<P::Done>) {
        match self.receiver.recv().await {
            Some(command) => command,
            None => std::future::pending().await,
        }
    }
}

async fn accept<P: Protocol>(listener: Listener, shared: Arc<Shared<P>>) {
    // Dropped with this task, and its connections with it.
    let mut clients = JoinSet::new();
    loop {
        let socket = match listener.accept().await {
            Ok(socket) => socket,
            Err(error) => {
                tracing::error!(service = P::NAME, %error, "no connection was accepted");
                // Out of descriptors, most likely: trying at once would only burn the processor.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while clients.try_join_next().is_some() {}
        if clients.len() >= MAX_CLIENTS {
            let detail = format!("{MAX_CLIENTS} clients are connected, which is the most");
            report(&shared, &Ended::Garbage(Garbage::TooManyClients, detail));
            continue;
        }
        clients.spawn(serve(socket, shared.clone()));
    }
}

async fn serve<P: Protocol>(socket: SeqPacket, shared: Arc<Shared<P>>) {
    let ended = match shared.peers.check(&socket) {
        Ok(()) => connection::serve(&socket, &shared).await,
        Err(stranger) => stranger,
    };
    report(&shared, &ended);
}

fn report<P: Protocol>(shared: &Shared<P>, ended: &Ended) {
    match ended {
        Ended::Closed => {}
        Ended::Io(error) => tracing::debug!(service = P::NAME, %error, "a client is gone"),
        Ended::Garbage(garbage, detail) => {
            shared.counters.add(*garbage);
            let mut complaint = shared.complaint.lock().unwrap_or_else(PoisonError::into_inner);
            if *complaint == *detail {
                tracing::debug!(service = P::NAME, garbage = garbage.name(), detail, "a client was cut off again");
            } else {
                tracing::warn!(service = P::NAME, garbage = garbage.name(), detail, "a client was cut off");
                complaint.clone_from(detail);
            }
        }
    }
}

/// Four times what all services of a box together need.
const MAX_CLIENTS: usize = 32;

/// Commands that wait for the service; more are refused at once.
const MAX_COMMANDS: usize = 64;

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
