//! The loop: the decision between its channels, and what hangs on them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bondbox_daemon::ipc::{Client, Commands, Peers, Responder, Server, Want};
use bondbox_daemon::{Context, clock};
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::Capture;
use bondbox_ipc::modems::Modems;
use bondbox_ipc::panel::{
    Action, Command, Device, Done, Fault, Key, Measured, Outcome, Panel as Protocol, Service, State,
};
use bondbox_ipc::uplink::Uplink;
use bondbox_panel_core::services::{self, FAULT, Trouble};
use bondbox_panel_core::tasks::{self, Time};
use bondbox_panel_core::{Input, Panel, View};
use bondbox_system::Systemd;
use bondbox_units::Instant;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_local;

use crate::devices::{self, Lamps, device};
use crate::hands::Crew;
use crate::neighbours;
use crate::settings::{FanKind, Profile, Settings};

/// All tasks share one thread.
pub(crate) type Wires = tasks::Wires<NoopRawMutex>;

/// Runs until the daemon ends.
///
/// # Errors
/// When its socket cannot be had.
pub async fn serve(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    tokio::task::LocalSet::new().run_until(serve_here(settings, daemon)).await
}

async fn serve_here(settings: Settings, daemon: Context) -> anyhow::Result<()> {
    let (server, commands) = Server::<Protocol>::bind(&daemon.run_dir, Peers::with(&settings.clients))?;
    let (settings, wires, desk) = (Rc::new(settings), Rc::new(Wires::new()), Rc::new(Desk::default()));
    let panel = Panel::new(clock::now());
    let user = |name: &str| Peers::with(&[format!("bondbox-{name}")]);
    let mut capture = Client::<Capture>::connect(&daemon.run_dir, user("capture"), Want::State);
    let mut uplink = Client::<Uplink>::connect(&daemon.run_dir, user("uplink"), Want::State);
    let mut modems = Client::<Modems>::connect(&daemon.run_dir, user("modems"), Want::State);
    let system = Arc::<Systemd>::default();
    let (told, tidings) = mpsc::unbounded_channel();
    let lamps = Rc::new(RefCell::new(Lamps::default()));
    lamps.borrow_mut().look(&settings, &desk);
    let mut hands = Crew {
        lamps: lamps.clone(),
        fan: devices::fan(&settings, &desk),
        capture: capture.commander(),
        uplink: uplink.commander(),
        settings: settings.clone(),
        desk: desk.clone(),
        system: system.clone(),
        told,
    };
    let fan_is_ours = settings.fan == FanKind::Panel && hands.fan.is_some();
    // Whatever waits on a wire is a task of its own: the waker of tokio's outermost future is not always its own equal, and a
    // wire wakes one that it takes for another's, which would be for ever.
    let decided = spawn_local({
        let wires = wires.clone();
        async move { tasks::decide(&wires, &Clock, panel).await }
    });
    let carried = spawn_local({
        let wires = wires.clone();
        async move { tasks::carry(&wires, &mut hands).await }
    });
    let published = spawn_local({
        let (wires, desk) = (wires.clone(), desk.clone());
        async move { publish(&wires, &desk, &server, fan_is_ours).await }
    });
    daemon.ready("serves");
    tokio::select! {
        () = daemon.shutdown.wait() => {}
        // They end by a panic only.
        ended = decided => ended?,
        ended = carried => ended?,
        ended = published => ended?,
        () = take_commands(commands, &desk, &wires) => {}
        () = take_tidings(tidings, &desk, &wires) => {}
        () = neighbours::watch_capture(&mut capture, &settings.profile, &desk, &wires) => {}
        () = neighbours::watch_uplink(&mut uplink, &wires) => {}
        () = neighbours::watch_modems(&mut modems, &wires) => {}
        () = neighbours::watch_services(&*system, &desk, &wires) => {}
        () = devices::watch_lights(&settings, &desk, &lamps) => {}
        () = devices::watch_battery(&settings, &desk, &wires) => {}
        () = devices::watch_temperature(&settings, &desk, &wires) => {}
        () = devices::watch_keys(&settings, &desk, &wires) => {}
    }
    Ok(())
}

/// What is known beside the decision, and who waits for it.
#[derive(Default)]
pub(crate) struct Desk {
    papers: RefCell<Papers>,
    changed: Notify,
    /// Somebody wants the gauge to be read.
    measure: Notify,
}

#[derive(Default)]
struct Papers {
    devices: Vec<Device>,
    temperature_mc: Option<i32>,
    profile: Option<Profile>,
    last: Option<Outcome>,
    /// How services failed that the system has given up.
    given_up: [String; 3],
    /// Why an action is about to be refused.
    why: Option<(Action, String)>,
    waiting: Vec<(Action, Responder<Done>)>,
    /// Who wants the gauge to be read.
    measuring: Vec<Responder<Done>>,
}

impl Papers {
    fn why_gone(&self, service: Service, trouble: Trouble) -> String {
        match trouble {
            Trouble::GivenUp => format!("it failed ({}) and is not started again", self.given_up[service as usize]),
            Trouble::Silent => format!("it has not answered for {} s", FAULT.as_secs()),
        }
    }
}

/// As systemd and people call it.
pub(crate) const fn name_of(service: Service) -> &'static str {
    match service {
        Service::Capture => "bondbox-capture",
        Service::Uplink => "bondbox-uplink",
        Service::Modems => "bondbox-modems",
    }
}

impl Desk {
    /// A device that was looked for.
    pub(crate) fn found<T>(&self, kind: &str, found: std::io::Result<T>, name: impl Fn(&T) -> String) -> Option<T> {
        match found {
            Ok(found) => {
                let name = name(&found);
                tracing::info!(kind, name, "found");
                self.put(device(kind, name, None));
                Some(found)
            }
            Err(error) => {
                self.fails(kind, &error);
                None
            }
        }
    }

    /// It answers.
    pub(crate) fn works(&self, kind: &str) {
        let mut papers = self.papers.borrow_mut();
        let failed = papers.devices.iter_mut().find(|device| device.kind == kind && device.failure.is_some());
        if let Some(device) = failed {
            tracing::info!(kind, "works again");
            device.failure = None;
            self.changed.notify_one();
        }
    }

    /// It does not.
    pub(crate) fn fails(&self, kind: &str, error: &std::io::Error) {
        let failure = Some(error.to_string());
        let mut papers = self.papers.borrow_mut();
        let known = papers.devices.iter_mut().find(|device| device.kind == kind);
        match known {
            Some(device) if device.failure == failure => return,
            Some(device) => device.failure = failure,
            None => papers.devices.push(device(kind, String::new(), failure)),
        }
        tracing::warn!(kind, %error, "a device does not work");
        self.changed.notify_one();
    }

    fn put(&self, device: Device) {
        let mut papers = self.papers.borrow_mut();
        // A panel's keys and a keyboard's; of all else the last that was found is the one.
        let several = device.kind == "keys";
        papers.devices.retain(|known| {
            known.kind != device.kind || (several && known.failure.is_none() && known.name != device.name)
        });
        papers.devices.push(device);
        self.changed.notify_one();
    }

    /// Returns when somebody wants the gauge to be read.
    pub(crate) async fn asked_to_measure(&self) {
        self.measure.notified().await;
    }

    /// The gauge was read: who wanted it is answered.
    pub(crate) fn measured(&self, measured: &Result<Measured, String>) {
        for responder in self.papers.borrow_mut().measuring.drain(..) {
            responder.answer(match measured {
                Ok(measured) => Ok(Done::Measured(*measured)),
                Err(why) => Err(Refusal::Unavailable(why.clone())),
            });
        }
    }

    /// Whether it changed by what anybody would notice.
    pub(crate) fn set_temperature(&self, temperature_mc: Option<i32>) -> bool {
        let mut papers = self.papers.borrow_mut();
        let changed = match (papers.temperature_mc, temperature_mc) {
            (Some(before), Some(now)) => before.abs_diff(now) >= 500,
            (before, now) => before != now,
        };
        if changed {
            papers.temperature_mc = temperature_mc;
            self.changed.notify_one();
        }
        changed
    }

    pub(crate) fn set_profile(&self, profile: Option<&Profile>) {
        self.papers.borrow_mut().profile = profile.cloned();
        self.changed.notify_one();
    }

    /// A service was given up by the system, which says how it failed.
    pub(crate) fn given_up(&self, service: Service, result: String) {
        self.papers.borrow_mut().given_up[service as usize] = result;
    }

    /// How it is known that a service is gone and does not come back.
    pub(crate) fn why(&self, service: Service, trouble: Trouble) -> String {
        self.papers.borrow().why_gone(service, trouble)
    }

    /// The one after that in use.
    pub(crate) fn next_profile<'a>(&self, profiles: &'a [Profile]) -> Option<&'a Profile> {
        let papers = self.papers.borrow();
        let now = papers.profile.as_ref().and_then(|now| profiles.iter().position(|profile| profile == now));
        let next = now.map_or(0, |now| (now + 1) % profiles.len().max(1));
        profiles.get(next).filter(|next| Some(*next) != papers.profile.as_ref())
    }

    /// An action came to its end: who waits for it is answered.
    pub(crate) fn ended(&self, action: Action, failure: Option<String>) {
        let mut papers = self.papers.borrow_mut();
        let why = papers.why.take_if(|(of, _)| *of == action).map(|(_, why)| why);
        let failure = failure.map(|failure| why.unwrap_or(failure));
        papers.last = Some(Outcome { action, failure: failure.clone() });
        for (_, responder) in papers.waiting.extract_if(.., |(waits, _)| *waits == action) {
            responder.answer(match &failure {
                None => Ok(Done::Seen),
                Some(why) => Err(Refusal::Unavailable(why.clone())),
            });
        }
        self.changed.notify_one();
    }
}

/// Keeps the socket's state what it is, until dropped.
async fn publish(wires: &Wires, desk: &Desk, server: &Server<Protocol>, fan_is_ours: bool) {
    let mut view = wires.view.receiver().expect("there is room for four");
    let mut now = view.changed().await;
    loop {
        server.set_state(state(&now, &desk.papers.borrow(), fan_is_ours));
        tokio::select! {
            next = view.changed() => now = next,
            () = desk.changed.notified() => {}
        }
    }
}

fn state(view: &View, papers: &Papers, fan_is_ours: bool) -> State {
    let troubles = services::ALL.into_iter().zip(view.troubles);
    let fault = |(service, trouble): (Service, Option<Trouble>)| {
        Some(Fault { service, why: papers.why_gone(service, trouble?) })
    };
    State {
        meaning: view.meaning,
        faults: troubles.filter_map(fault).collect(),
        answer: view.answer,
        lights: view.lights,
        keys: [Key::Start, Key::Select]
            .into_iter()
            .zip(view.down)
            .filter_map(|(key, down)| down.then_some(key))
            .collect(),
        identify_until: view.identify_until,
        testing: view.testing,
        waiting: view.waiting,
        last: papers.last.clone(),
        profile: papers.profile.as_ref().map(|profile| profile.name.clone()).unwrap_or_default(),
        battery: view.battery,
        mains: view.mains,
        step: view.step,
        temperature_mc: papers.temperature_mc,
        fan_percent: fan_is_ours.then_some(view.fan),
        devices: papers.devices.clone(),
        counters: view.counters,
    }
}

/// Does what clients ask, until dropped.
async fn take_commands(mut commands: Commands<Protocol>, desk: &Desk, wires: &Wires) {
    loop {
        let (command, responder) = commands.next().await;
        let edge = |key, down| Input::Edge { key, down, at: clock::now() };
        match command {
            Command::Do(action) => {
                desk.papers.borrow_mut().waiting.push((action, responder));
                wires.inputs.send(Input::Ask(action)).await;
                continue;
            }
            Command::Measure => {
                desk.papers.borrow_mut().measuring.push(responder);
                desk.measure.notify_one();
                continue;
            }
            Command::Down(key) => wires.inputs.send(edge(key, true)).await,
            Command::Up(key) => wires.inputs.send(edge(key, false)).await,
            Command::Updating(updating) => wires.inputs.send(Input::Updating(updating)).await,
        }
        responder.done(Done::Seen);
    }
}

/// Passes on what came of actions, until dropped.
async fn take_tidings(mut tidings: Tidings, desk: &Desk, wires: &Wires) {
    while let Some((action, outcome)) = tidings.recv().await {
        let input = match outcome {
            Ok(()) => Input::Seen(action),
            Err(why) => {
                tracing::warn!(?action, why, "refused");
                desk.papers.borrow_mut().why = Some((action, why));
                Input::Refused(action)
            }
        };
        wires.inputs.send(input).await;
    }
}

type Tidings = mpsc::UnboundedReceiver<(Action, Result<(), String>)>;

struct Clock;

impl Time for Clock {
    fn now(&self) -> Instant {
        clock::now()
    }

    async fn until(&self, at: Option<Instant>) {
        match at {
            Some(at) => tokio::time::sleep(at.since(clock::now())).await,
            None => std::future::pending().await,
        }
    }
}
