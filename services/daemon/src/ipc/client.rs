//! The other side of a service's socket.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bondbox_ipc::{Hello, Protocol, Refusal, Request, Response};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::counters::Counters;
use super::greeting::greet;
use super::inbox::Inbox;
use super::media::Unit;
use super::packet::{self, Buffer, Ended};
use super::peers::Peers;
use super::reassembly::Reassembly;
use super::socket::SeqPacket;

/// A connection to the service of protocol `P` that comes back by itself, for ever, until it is dropped.
pub struct Client<P: Protocol> {
    inbox: Arc<Inbox<P>>,
    commander: Commander<P>,
    counters: Counters,
    task: JoinHandle<()>,
}

/// What a client asks for besides answers to its commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The state, and each change.
    State,
    /// The state, and all media.
    StateAndMedia,
}

/// What a client learns.
pub enum Event<P: Protocol> {
    /// The service is there; this is how it named itself.
    Connected(Hello),
    /// Its state now. One that was overtaken before anybody took it is skipped.
    State(P::State),
    /// A whole unit. The first of each track is a keyframe.
    Media(Unit),
    /// The service is not there, and why; told again when the reason changes.
    Disconnected(String),
}

/// Why a command brought no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The service says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer in time; the effect may still come.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The service is not there, or went before it answered.
    #[error("the service is not there")]
    Disconnected,
}

/// Sends commands; for tasks that do not own the client.
pub struct Commander<P: Protocol> {
    orders: mpsc::Sender<Order<P>>,
}

struct Order<P: Protocol> {
    command: P::Command,
    answer: oneshot::Sender<Result<P::Done, Refusal>>,
}

impl<P: Protocol> Client<P> {
    /// Connects to `RUN_DIR/NAME.sock` on the current reactor. Returns at once; see [`Event`].
    pub fn connect(run_dir: &Path, peers: Peers, want: Want) -> Self {
        let (orders, receiver) = mpsc::channel(MAX_ORDERS);
        let inbox = Arc::new(Inbox::new());
        let counters = Counters::default();
        let task = Task {
            path: run_dir.join(format!("{}.sock", P::NAME)),
            peers,
            want,
            inbox: inbox.clone(),
            orders: receiver,
            counters: counters.clone(),
        };
        Self { inbox, commander: Commander { orders }, counters, task: tokio::spawn(task.run()) }
    }

    /// The next event. Loses nothing when dropped halfway.
    pub async fn event(&mut self) -> Event<P> {
        self.inbox.next().await
    }

    /// Has the service do `command`, and waits for its answer.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn command(&self, command: P::Command, timeout: Duration) -> Result<P::Done, CommandError> {
        self.commander.command(command, timeout).await
    }

    /// For tasks that do not own the client.
    pub fn commander(&self) -> Commander<P> {
        self.commander.clone()
    }

    /// What came over the socket and was not taken.
    pub fn counters(&self) -> Counters {
        self.counters.clone()
    }

    /// Units dropped because [`event`](Self::event) was not called in time.
    pub fn dropped_units(&self) -> u64 {
        self.inbox.dropped_units()
    }
}

impl<P: Protocol> Drop for Client<P> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<P: Protocol> Clone for Commander<P> {
    fn clone(&self) -> Self {
        Self { orders: self.orders.clone() }
    }
}

impl<P: Protocol> Commander<P> {
    /// As [`Client::command`].
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn command(&self, command: P::Command, timeout: Duration) -> Result<P::Done, CommandError> {
        let exchange = async {
            let (answer, answered) = oneshot::channel();
            self.orders.send(Order { command, answer }).await.map_err(|_| CommandError::Disconnected)?;
            Ok(answered.await.map_err(|_| CommandError::Disconnected)??)
        };
        tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(CommandError::TimedOut(timeout)))
    }
}

struct Task<P: Protocol> {
    path: PathBuf,
    peers: Peers,
    want: Want,
    inbox: Arc<Inbox<P>>,
    orders: mpsc::Receiver<Order<P>>,
    counters: Counters,
}

impl<P: Protocol> Task<P> {
    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        let mut told = String::new();
        loop {
            let mut connected = false;
            let ended = match self.session(&mut connected).await {
                Ok(never) => match never {},
                Err(ended) => ended,
            };
            if let Ended::Garbage(garbage, _) = &ended {
                self.counters.add(*garbage);
            }
            let reason = format!("{}: {ended}", self.path.display());
            if connected || reason != told {
                told.clone_from(&reason);
                self.inbox.disconnected(reason);
            }
            pause = if connected { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            self.pause(pause).await;
        }
    }

    async fn session(&mut self, connected: &mut bool) -> Result<std::convert::Infallible, Ended> {
        let socket = SeqPacket::connect(&self.path)?;
        self.peers.check(&socket)?;
        let mut buffer = Buffer::new();
        let server = greet::<P>(&socket, &mut buffer).await?;
        packet::send(&socket, packet::encode(&Request::<P::Command>::Watch), &[]).await?;
        if self.want == Want::StateAndMedia {
            packet::send(&socket, packet::encode(&Request::<P::Command>::Media), &[]).await?;
        }
        *connected = true;
        self.inbox.connected(server);

        let mut reassembly = Reassembly::default();
        let mut waiting = HashMap::new();
        let mut next_id = 0_u32;
        loop {
            tokio::select! {
                packet = buffer.receive(&socket) => self.handle(packet?, &mut reassembly, &mut waiting)?,
                () = self.inbox.keyframe_wanted() => {
                    packet::send(&socket, packet::encode(&Request::<P::Command>::Media), &[]).await?;
                }
                Some(order) = self.orders.recv() => {
                    // Whoever asked may have stopped waiting.
                    waiting.retain(|_, answer: &mut oneshot::Sender<_>| !answer.is_closed());
                    next_id = next_id.wrapping_add(1);
                    waiting.insert(next_id, order.answer);
                    let request = packet::encode(&Request::Command { id: next_id, command: order.command });
                    packet::send(&socket, request, &[]).await?;
                }
            }
        }
    }

    fn handle(&self, packet: &[u8], reassembly: &mut Reassembly, waiting: &mut Waiting<P>) -> Result<(), Ended> {
        let (response, rest) = packet::decode(packet)?;
        match response {
            Response::Media(piece) => {
                if let Some(unit) = reassembly.push(piece, rest)? {
                    self.inbox.unit(unit);
                }
                return Ok(());
            }
            Response::State(state) => self.inbox.state(state),
            Response::Answer { id, result } => {
                // Unknown when its asker stopped waiting.
                if let Some(answer) = waiting.remove(&id) {
                    let _ = answer.send(result);
                }
            }
        }
        packet::finish(rest)
    }

    /// Waits, and meanwhile turns commands away: dropping their order says that the service is not there.
    async fn pause(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(Some(order)) = tokio::time::timeout_at(until, self.orders.recv()).await {
            drop(order);
        }
        tokio::time::sleep_until(until).await;
    }
}

type Waiting<P> = HashMap<u32, oneshot::Sender<Result<<P as Protocol>::Done, Refusal>>>;

/// Commands on their way to the service; more wait for their turn.
const MAX_ORDERS: usize = 16;

/// A restarted service is back on the air in well under a second, so trying is kept brisk.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
