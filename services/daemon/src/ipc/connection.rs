//! One client of a server.

use bondbox_ipc::media::Piece;
use bondbox_ipc::{Protocol, Refusal, Request, Response};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::counters::Garbage;
use super::greeting::greet;
use super::media::Subscriber;
use super::packet::{self, Buffer, Ended};
use super::server::Shared;
use super::socket::SeqPacket;

/// Where the answer to one command goes. Dropped without one, the command counts as refused.
pub struct Responder<D> {
    id: u32,
    permit: Option<mpsc::OwnedPermit<Order<D>>>,
}

/// From the reading half of a connection to the writing half.
enum Order<D> {
    Watch,
    Media,
    Answer(u32, Result<D, Refusal>),
}

impl<D> Responder<D> {
    /// The command took effect.
    pub fn done(self, done: D) {
        self.answer(Ok(done));
    }

    /// The command was not done.
    pub fn refuse(self, refusal: Refusal) {
        self.answer(Err(refusal));
    }

    /// Either of the two.
    pub fn answer(mut self, result: Result<D, Refusal>) {
        self.send(result);
    }

    fn send(&mut self, result: Result<D, Refusal>) {
        if let Some(permit) = self.permit.take() {
            permit.send(Order::Answer(self.id, result));
        }
    }
}

impl<D> Drop for Responder<D> {
    fn drop(&mut self) {
        self.send(Err(Refusal::Unavailable("the service gave no answer".into())));
    }
}

/// Talks to the client until one side ends it.
pub(super) async fn serve<P: Protocol>(socket: &SeqPacket, shared: &Shared<P>) -> Ended {
    let mut buffer = Buffer::new();
    if let Err(ended) = greet::<P>(socket, &mut buffer).await {
        return ended;
    }
    let (orders, queue) = mpsc::channel(MAX_UNANSWERED);
    tokio::select! {
        ended = read::<P>(socket, buffer, shared, orders) => ended,
        ended = write::<P>(socket, shared, queue) => ended,
    }
    .err()
    .unwrap_or(Ended::Closed)
}

async fn read<P: Protocol>(
    socket: &SeqPacket,
    mut buffer: Buffer,
    shared: &Shared<P>,
    orders: mpsc::Sender<Order<P::Done>>,
) -> Result<(), Ended> {
    loop {
        let (request, rest) = packet::decode(buffer.receive(socket).await?)?;
        packet::finish(rest)?;
        // Each order has its place from the start, so an answer never waits and a client cannot pile them up.
        let Ok(permit) = orders.clone().try_reserve_owned() else {
            let detail = format!("more than {MAX_UNANSWERED} unanswered requests");
            return Err(Ended::Garbage(Garbage::Flood, detail));
        };
        match request {
            Request::Watch => drop(permit.send(Order::Watch)),
            Request::Media => drop(permit.send(Order::Media)),
            Request::Command { id, command } => {
                let responder = Responder { id, permit: Some(permit) };
                if let Err(mpsc::error::TrySendError::Full((_, responder))) =
                    shared.commands.try_send((command, responder))
                {
                    responder.refuse(Refusal::Unavailable("too many commands wait".into()));
                }
            }
        }
    }
}

async fn write<P: Protocol>(
    socket: &SeqPacket,
    shared: &Shared<P>,
    mut orders: mpsc::Receiver<Order<P::Done>>,
) -> Result<(), Ended> {
    let mut states = None;
    let mut media = None;
    loop {
        // Answers before states before media: the small and rare first.
        let (message, payload) = tokio::select! {
            biased;
            Some(order) = orders.recv() => match order {
                Order::Watch => {
                    states = Some(watch_from_now(&shared.state));
                    continue;
                }
                Order::Media => {
                    // Asked again, it lost units on its side and waits for a keyframe.
                    match &media {
                        None => media = Some(shared.media.subscribe()),
                        Some(_) => shared.media.want_keyframe(),
                    }
                    continue;
                }
                Order::Answer(id, result) => (encode::<P>(Response::Answer { id, result }), Bytes::new()),
            },
            state = next_state(&mut states) => (encode::<P>(Response::State(state)), Bytes::new()),
            (piece, payload) = next_piece(&mut media) => (encode::<P>(Response::Media(piece)), payload),
        };
        packet::send(socket, message, &payload).await?;
    }
}

fn encode<P: Protocol>(response: Response<P::State, P::Done>) -> Vec<u8> {
    packet::encode(&response)
}

fn watch_from_now<S>(state: &watch::Sender<S>) -> watch::Receiver<S> {
    let mut receiver = state.subscribe();
    receiver.mark_changed();
    receiver
}

async fn next_state<S: Clone>(states: &mut Option<watch::Receiver<Option<S>>>) -> S {
    let Some(states) = states else { return std::future::pending().await };
    while states.changed().await.is_ok() {
        // None before the service set its first.
        if let Some(state) = states.borrow_and_update().clone() {
            return state;
        }
    }
    std::future::pending().await
}

async fn next_piece(media: &mut Option<Subscriber>) -> (Piece, Bytes) {
    match media {
        Some(media) => media.piece().await,
        None => std::future::pending().await,
    }
}

/// Of one client: requests it sent whose answer it has not read.
const MAX_UNANSWERED: usize = 64;
