//! A panel on a bench: its time moves when told, and it is called exactly when it wants to be.
#![allow(dead_code, reason = "each test uses its part")]

use std::time::Duration;

use bondbox_ipc::panel::{Action, Key};
use bondbox_panel_core::world::Uplink;
use bondbox_panel_core::{Input, Output, Panel, View};
use bondbox_units::Instant;

pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) panel: Panel,
    pub(crate) outputs: Vec<Output>,
    /// Each call of the panel, for whoever takes them.
    pub(crate) moments: Vec<Moment>,
    /// Over two links the gateway gets more and more, of which the uplink tells twice a second; from so many units on.
    pub(crate) stream: Option<u64>,
    /// How often each action was done, taken ones not counted.
    pub(crate) done: Vec<(Instant, Action)>,
}

/// What it was told, what came of it, and how things were then.
pub(crate) struct Moment {
    pub(crate) now: Instant,
    pub(crate) input: Input,
    pub(crate) outputs: Vec<Output>,
    pub(crate) view: View,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let now = Instant::from_millis(1_000);
        Self { now, panel: Panel::new(now), outputs: Vec::new(), moments: Vec::new(), stream: None, done: Vec::new() }
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.panel.handle(self.now, input);
        let before = self.outputs.len();
        while let Some(output) = self.panel.poll() {
            if let Output::Do(action) = output {
                self.done.push((self.now, action));
            }
            self.outputs.push(output);
        }
        let outputs = self.outputs[before..].to_vec();
        self.moments.push(Moment { now: self.now, input, outputs, view: self.view() });
    }

    pub(crate) fn edge(&mut self, key: Key, down: bool) {
        self.give(Input::Edge { key, down, at: self.now });
    }

    /// Time passes, with every deadline kept.
    pub(crate) fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(arrived) = self.stream.as_mut().filter(|_| self.now < until) {
            *arrived += 1;
            let open = Uplink::Open { up: 2, present: 2, arrived: *arrived };
            self.give(Input::Uplink(open));
            self.pass_alone(until.min(self.now + Duration::from_millis(500)));
        }
        self.pass_alone(until);
    }

    fn pass_alone(&mut self, until: Instant) {
        while let Some(at) = self.panel.deadline(self.now).filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.give(Input::TimerFired);
            assert!(self.panel.deadline(self.now).is_none_or(|at| at > self.now), "it spins at {}", self.now);
        }
        self.now = until;
    }

    pub(crate) fn click(&mut self, key: Key) {
        self.edge(key, true);
        self.pass(100);
        self.edge(key, false);
        self.pass(100);
    }

    pub(crate) fn view(&self) -> View {
        self.panel.view(self.now)
    }

    /// How often `action` was done since last asked.
    pub(crate) fn take(&mut self, action: Action) -> usize {
        let before = self.done.len();
        self.done.retain(|(_, done)| *done != action);
        before - self.done.len()
    }
}
