//! What a client has received and its owner has not yet taken.
//!
//! Reading the socket never waits for the owner, so that answers to commands always get through. What waits is
//! bounded: the latest state, a few changes of the connection, and units as in [`UnitQueue`].

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bondbox_ipc::{Hello, Protocol};
use tokio::sync::Notify;

use super::client::Event;
use super::media::Unit;
use super::queue::UnitQueue;

/// Filled by the client's task, emptied by its owner.
pub(super) struct Inbox<P: Protocol> {
    waiting: Mutex<Waiting<P>>,
    ready: Notify,
    keyframe_wanted: Notify,
}

struct Waiting<P: Protocol> {
    changes: VecDeque<Change>,
    state: Option<P::State>,
    units: UnitQueue,
}

/// Of the connection.
enum Change {
    Connected(Hello),
    Disconnected(String),
}

impl<P: Protocol> Inbox<P> {
    pub(super) fn new() -> Self {
        let waiting = Waiting { changes: VecDeque::new(), state: None, units: UnitQueue::default() };
        Self { waiting: Mutex::new(waiting), ready: Notify::new(), keyframe_wanted: Notify::new() }
    }

    pub(super) fn connected(&self, server: Hello) {
        self.put(|waiting| waiting.change(Change::Connected(server)));
    }

    pub(super) fn disconnected(&self, reason: String) {
        self.put(|waiting| {
            waiting.state = None;
            waiting.units.mark_gap();
            waiting.change(Change::Disconnected(reason));
        });
    }

    pub(super) fn state(&self, state: P::State) {
        self.put(|waiting| waiting.state = Some(state));
    }

    pub(super) fn unit(&self, unit: Unit) {
        self.put(|waiting| {
            waiting.units.push(unit);
        });
    }

    pub(super) fn dropped_units(&self) -> u64 {
        self.waiting().units.dropped()
    }

    /// The next thing: changes of the connection first, then the state, then units.
    pub(super) async fn next(&self) -> Event<P> {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.ready.notified().await;
        }
    }

    /// Returns when a track was closed because its owner was slow, and there is room again.
    pub(super) async fn keyframe_wanted(&self) {
        self.keyframe_wanted.notified().await;
    }

    fn take(&self) -> Option<Event<P>> {
        let mut waiting = self.waiting();
        let event = waiting.take();
        if event.is_none() && waiting.units.take_keyframe_wish() {
            self.keyframe_wanted.notify_one();
        }
        event
    }

    fn put(&self, change: impl FnOnce(&mut Waiting<P>)) {
        change(&mut self.waiting());
        self.ready.notify_one();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<P>> {
        // Whole between any two statements.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Protocol> Waiting<P> {
    fn change(&mut self, change: Change) {
        if self.changes.len() >= MAX_CHANGES {
            // An owner this far behind learns of the last ones.
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    fn take(&mut self) -> Option<Event<P>> {
        let change = self.changes.pop_front().map(|change| match change {
            Change::Connected(server) => Event::Connected(server),
            Change::Disconnected(reason) => Event::Disconnected(reason),
        });
        change.or_else(|| self.state.take().map(Event::State)).or_else(|| self.units.pop().map(Event::Media))
    }
}

const MAX_CHANGES: usize = 8;
