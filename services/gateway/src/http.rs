//! The web server: the page, its API, metrics and live streams, on a thread of its own.

mod api;
mod demo;
mod live;
mod metrics;
mod page;
mod streams;
mod units;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post};
use axum::serve::ListenerExt;
use bondbox_bond::{PairingCode, PublicKey};
use bondbox_daemon::Shutdown;
use bondbox_daemon::watchdog::Heartbeat;
use bondbox_wire::command::Verb;
use tokio::sync::{mpsc, oneshot, watch};

use crate::commands::Told;
use crate::members::{Listed, Pairing};
use crate::output::Directory;
use crate::report::Report;

/// The running web server; ends, with all its connections, when it is dropped.
pub(crate) struct WebServer {
    address: SocketAddr,
    end: Shutdown,
    thread: Option<JoinHandle<()>>,
}

/// What handlers share.
#[derive(Clone)]
struct Shared {
    reports: watch::Receiver<Option<Arc<Report>>>,
    directory: Arc<Directory>,
    requests: mpsc::Sender<Request>,
}

impl Shared {
    /// What the packet path says; `None` where it says nothing in time.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(request(answer)).ok()?;
        tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
    }
}

/// What somebody wants of the packet path, and where the answer goes.
pub(crate) enum Request {
    /// The trace of a stream; `None` when there is no such stream.
    Trace { stream: String, answer: oneshot::Sender<Option<Vec<u8>>> },
    /// Units of a stream are to wait so long; `false` when there is no such stream.
    SetLatency { stream: String, latency: Duration, answer: oneshot::Sender<bool> },
    /// The unit of a stream is to do something.
    Ask { stream: String, verb: Verb, answer: oneshot::Sender<Told> },
    /// Who may send, and who is waited for; or why that cannot be said.
    Units { answer: oneshot::Sender<Result<Listed, String>> },
    /// The next unit that knows the code is to be let in under this name.
    Pair { name: String, code: PairingCode, answer: oneshot::Sender<Result<Pairing, String>> },
    /// The unit that would be called so is not to be let in; `false` when none would.
    GiveUp { name: String, answer: oneshot::Sender<bool> },
    /// A unit may send no more; `false` when it may not now.
    Revoke { key: PublicKey, answer: oneshot::Sender<Result<bool, String>> },
}

impl WebServer {
    /// Serves at `address`.
    ///
    /// # Errors
    /// When the address or the thread cannot be had.
    pub(crate) fn start(
        address: SocketAddr,
        directory: Arc<Directory>,
        reports: watch::Receiver<Option<Arc<Report>>>,
        requests: mpsc::Sender<Request>,
        demo: Option<PathBuf>,
        beats: Option<Heartbeat>,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let end = Shutdown::manual();
        let ended = end.clone();
        let router = router(Shared { reports, directory, requests }, demo);
        let thread = std::thread::Builder::new().name("http".into()).spawn(move || {
            let beating = beats.is_some();
            reactor.block_on(async {
                tokio::select! {
                    () = ended.wait() => {}
                    result = serve(listener, router) => {
                        if let Err(error) = result {
                            tracing::error!(%error, "the web server ended");
                        }
                    }
                    () = beat(beats.as_ref()), if beating => {}
                }
            });
            if let Some(beats) = beats {
                beats.retire();
            }
        })?;
        Ok(Self { address, end, thread: Some(thread) })
    }

    /// Where it serves.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.end.trigger();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn router(shared: Shared, demo: Option<PathBuf>) -> Router {
    let router = Router::new()
        .route("/api/status", get(api::status))
        .route("/api/events", get(api::events))
        .route("/api/streams/{name}/telemetry", get(streams::telemetry))
        .route("/api/streams/{name}/trace", get(streams::trace))
        .route("/api/streams/{name}/latency", post(streams::set_latency))
        .route("/api/streams/{name}/{verb}", post(streams::ask))
        .route("/api/units", get(units::list))
        .route("/api/units/{key}", delete(units::revoke))
        .route("/api/pairings", post(units::pair))
        .route("/api/pairings/{name}", delete(units::give_up))
        .route("/metrics", get(metrics::metrics))
        .route("/live/{file}", get(live::live))
        .with_state(shared);
    let router = match demo {
        None => router,
        Some(socket) => router.merge(
            Router::new()
                .route("/api/demo/links", get(demo::links))
                .route("/api/demo/links/{name}/{verb}", post(demo::command))
                .with_state(demo::Emulator::at(socket)),
        ),
    };
    router.fallback(page::page)
}

async fn serve(listener: std::net::TcpListener, router: Router) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // A status of 2 kB four times a second must not wait for the one before to be acknowledged.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await
}

async fn beat(beats: Option<&Heartbeat>) {
    let mut ticks = tokio::time::interval(BEAT);
    loop {
        ticks.tick().await;
        if let Some(beats) = beats {
            beats.beat();
        }
    }
}

const BEAT: Duration = Duration::from_millis(500);
/// With the packet path.
const PATIENCE: Duration = Duration::from_secs(5);
