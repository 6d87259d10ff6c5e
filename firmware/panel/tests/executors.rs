//! The same tasks on tokio and on an executor for microcontrollers do the same.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use bondbox_ipc::panel::{Action, Key};
use bondbox_panel_core::tasks::{Hands, Time, Wires, carry, decide};
use bondbox_panel_core::world::{Capture, Uplink};
use bondbox_panel_core::{Input, Output, Panel};
use bondbox_units::Instant;
use embassy_futures::select::select3;
use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;

/// Time that the script moves, so that neither executor needs a timer.
#[derive(Clone, Default)]
struct Script {
    now: Rc<Cell<Instant>>,
    seen: Rc<RefCell<Vec<(Instant, Output)>>>,
}

impl Time for Script {
    fn now(&self) -> Instant {
        self.now.get()
    }

    async fn until(&self, at: Option<Instant>) {
        while at.is_none_or(|at| self.now.get() < at) {
            yield_now().await;
        }
    }
}

impl Hands for Script {
    async fn carry_out(&mut self, output: Output) {
        self.seen.borrow_mut().push((self.now.get(), output));
    }
}

/// A click that starts, and a hold that stops.
async fn script(wires: &Wires<NoopRawMutex>, script: &Script) {
    let edge = |key, down, ms| Input::Edge { key, down, at: Instant::from_millis(ms) };
    let story = [
        (0, Input::Capture(Capture::Stopped)),
        (0, Input::Uplink(Uplink::Open { up: 1, present: 1, arrived: 0 })),
        (100, edge(Key::Start, true, 100)),
        (200, edge(Key::Start, false, 200)),
        (1_500, Input::Capture(Capture::Live)),
        (4_000, edge(Key::Start, true, 4_000)),
        (6_000, edge(Key::Start, false, 6_000)),
        (6_100, Input::Capture(Capture::Stopped)),
    ];
    for ms in 0..8_000 {
        script.now.set(Instant::from_millis(ms));
        for (_, input) in story.iter().filter(|(at, _)| *at == ms) {
            wires.inputs.send(*input).await;
        }
        // Until both tasks have done what there was to do.
        for _ in 0..20 {
            yield_now().await;
        }
    }
}

async fn play() -> Vec<(Instant, Output)> {
    let play = Script::default();
    let wires = Wires::new();
    let panel = Panel::new(Instant::ZERO);
    let mut hands = play.clone();
    select3(script(&wires, &play), decide(&wires, &play, panel), carry(&wires, &mut hands)).await;
    play.seen.take()
}

#[embassy_executor::task]
async fn embassy(done: std::sync::mpsc::Sender<Vec<(Instant, Output)>>) {
    done.send(play().await).unwrap();
}

#[test]
fn a_story_has_the_same_end_on_both_executors() {
    let on_tokio = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play());
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let executor: &'static mut embassy_executor::Executor = Box::leak(Box::new(embassy_executor::Executor::new()));
        executor.run(|spawner| spawner.spawn(embassy(done).unwrap()));
    });
    let on_embassy = result.recv_timeout(Duration::from_secs(60)).expect("the executor hangs");
    assert_eq!(on_tokio, on_embassy);
    let done: Vec<_> = on_tokio.iter().filter(|(_, output)| matches!(output, Output::Do(_))).collect();
    assert_eq!(
        done,
        [
            &(Instant::from_millis(210), Output::Do(Action::Start)),
            &(Instant::from_millis(5_510), Output::Do(Action::Stop)),
        ]
    );
}
