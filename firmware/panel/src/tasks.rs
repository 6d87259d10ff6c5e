//! The decision between its channels: the same on tokio, and on an executor of a microcontroller.
//!
//! [`decide`] waits for one input or for time, has the decision think, and passes on what came of it. [`carry`] gives
//! that to whoever has [`Hands`]. Neither decides anything.

use bondbox_units::Instant;
use embassy_futures::select::{Either, select};
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::channel::Channel;
use embassy_sync::watch::Watch;

use crate::panel::{Input, Output, Panel, View};

/// What joins the tasks. Inputs are bounded: who brings more waits.
pub struct Wires<M: RawMutex> {
    /// To the decision.
    pub inputs: Channel<M, Input, 32>,
    /// From it. A hand that is slow slows the decision down before anything is lost.
    pub outputs: Channel<M, Output, 24>,
    /// What anybody may know, newest only.
    pub view: Watch<M, View, 4>,
}

impl<M: RawMutex> Wires<M> {
    /// Wires with nothing on them.
    pub const fn new() -> Self {
        Self { inputs: Channel::new(), outputs: Channel::new(), view: Watch::new() }
    }
}

impl<M: RawMutex> Default for Wires<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// A clock to wait by.
#[allow(async_fn_in_trait, reason = "every executor that this runs on stays on one thread")]
pub trait Time {
    /// Now.
    fn now(&self) -> Instant;
    /// Returns at `at` or soon after; for `None`, never.
    async fn until(&self, at: Option<Instant>);
}

/// Does what was decided.
#[allow(async_fn_in_trait, reason = "every executor that this runs on stays on one thread")]
pub trait Hands {
    /// Done in the order of the calls.
    async fn carry_out(&mut self, output: Output);
}

/// Runs `panel` until it is dropped.
pub async fn decide<M: RawMutex>(wires: &Wires<M>, time: &impl Time, mut panel: Panel) -> ! {
    let view = wires.view.sender();
    let mut input = Input::TimerFired;
    loop {
        // What waits comes before time does: an edge of the past must not meet a later hour.
        loop {
            panel.handle(time.now(), input);
            while let Some(output) = panel.poll() {
                wires.outputs.send(output).await;
            }
            match wires.inputs.try_receive() {
                Ok(next) => input = next,
                Err(_) if input == Input::TimerFired => break,
                Err(_) => input = Input::TimerFired,
            }
        }
        let now = panel.view(time.now());
        view.send_if_modified(|told| {
            let changed = told.as_ref() != Some(&now);
            if changed {
                *told = Some(now);
            }
            changed
        });
        input = match select(wires.inputs.receive(), time.until(panel.deadline(time.now()))).await {
            Either::First(input) => input,
            Either::Second(()) => Input::TimerFired,
        };
    }
}

/// Gives all that is decided to `hands`, until it is dropped.
pub async fn carry<M: RawMutex>(wires: &Wires<M>, hands: &mut impl Hands) -> ! {
    loop {
        let output = wires.outputs.receive().await;
        hands.carry_out(output).await;
    }
}
