//! logind and systemd, as played on a bus of its own.
#![allow(dead_code, reason = "each test uses its part")]

#[path = "../../../resolver/tests/bus/mod.rs"]
mod bus;

use std::sync::{Arc, Mutex};

use bondbox_system::Mood;
use bus::Bus;
use zbus::Connection;
use zbus::connection::Builder;

/// The bus, and who serves on it.
pub(crate) struct Played {
    pub(crate) address: String,
    bus: Bus,
    state: Arc<Mutex<State>>,
    service: Option<Connection>,
}

/// Services whose units there are.
const UNITS: [&str; 3] = ["bondbox-capture.service", "bondbox-uplink.service", "bondbox-modems.service"];

#[derive(Default)]
struct State {
    mood: Mood,
    done: Vec<String>,
    subscribed: bool,
    /// Of each unit: ActiveState, SubState, Result.
    units: [[String; 3]; 3],
}

impl Played {
    pub(crate) async fn start() -> Self {
        let bus = Bus::start();
        let off = ["inactive", "dead", "success"].map(String::from);
        let state = State { units: [off.clone(), off.clone(), off], ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let builder = Builder::address(bus.address.as_str())
            .serve_at("/org/freedesktop/login1", Login(state.clone()))
            .serve_at("/org/freedesktop/systemd1", Systemd { state: state.clone() })
            .name("org.freedesktop.login1")
            .name("org.freedesktop.systemd1");
        let builder = UNITS.iter().enumerate().fold(builder, |builder, (number, unit)| {
            let unit_of = Unit { state: state.clone(), number };
            builder.serve_at(path_of(unit), unit_of.clone()).serve_at(path_of(unit), Service(unit_of))
        });
        let service = Some(builder.build().await.unwrap());
        Self { address: bus.address.clone(), bus, state, service }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// What it did since the last time.
    pub(crate) fn take_done(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().done)
    }

    /// systemd has this in mind with a unit from now on, and tells whoever asked for that.
    pub(crate) async fn set_service(&self, unit: &str, says: [&str; 3]) {
        let number = UNITS.iter().position(|known| *known == unit).unwrap();
        let subscribed = {
            let mut state = self.state.lock().unwrap();
            state.units[number] = says.map(String::from);
            state.subscribed
        };
        if subscribed {
            let (path, interface) = (path_of(unit), "org.freedesktop.DBus.Properties");
            let changed = std::collections::HashMap::<String, zbus::OwnedVariant>::new();
            let body = ("org.freedesktop.systemd1.Unit", changed, vec!["ActiveState", "SubState"]);
            let bus = self.service.as_ref().unwrap();
            bus.emit_signal(None::<&str>, path, interface, "PropertiesChanged", &body).await.unwrap();
        }
    }

    /// Nobody serves any more.
    pub(crate) async fn leave(&mut self) {
        self.service.take().unwrap().close().await.unwrap();
    }
}

struct Login(Arc<Mutex<State>>);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Login {
    async fn power_off(&self, interactive: bool, #[zbus(connection)] bus: &Connection) -> zbus::fdo::Result<()> {
        assert!(!interactive, "nobody sits at it");
        let mood = self.0.lock().unwrap().mood;
        match mood {
            Mood::Obeys => self.0.lock().unwrap().done.push("power-off".into()),
            Mood::Denies => return Err(denied()),
            Mood::Fails => return Err(zbus::fdo::Error::Failed("power-off failed".into())),
            Mood::Idles => return Ok(()),
        }
        let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
        // As logind does it: before it answers.
        bus.emit_signal(None::<&str>, path, interface, "PrepareForShutdown", &true).await.unwrap();
        Ok(())
    }
}

struct Systemd {
    state: Arc<Mutex<State>>,
}

/// The unit of a service, as far as all units are alike.
#[derive(Clone)]
struct Unit {
    state: Arc<Mutex<State>>,
    number: usize,
}

impl Unit {
    fn says(&self, what: usize) -> String {
        self.state.lock().unwrap().units[self.number][what].clone()
    }
}

#[zbus::interface(name = "org.freedesktop.systemd1.Unit")]
impl Unit {
    #[zbus(property)]
    fn active_state(&self) -> String {
        self.says(0)
    }

    #[zbus(property)]
    fn sub_state(&self) -> String {
        self.says(1)
    }
}

/// What only services have.
struct Service(Unit);

#[zbus::interface(name = "org.freedesktop.systemd1.Service")]
impl Service {
    #[zbus(property)]
    fn result(&self) -> String {
        self.0.says(2)
    }
}

/// With what D-Bus allows in paths.
fn path_of(unit: &str) -> String {
    format!("/org/freedesktop/systemd1/unit/{}", unit.replace('-', "_2d").replace('.', "_2e"))
}

#[zbus::interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn subscribe(&self) {
        self.state.lock().unwrap().subscribed = true;
    }

    fn load_unit(&self, name: String) -> zbus::OwnedObjectPath {
        path_of(&name).try_into().unwrap()
    }

    async fn start_unit(
        &self,
        name: String,
        mode: String,
        #[zbus(connection)] bus: &Connection,
    ) -> zbus::fdo::Result<zbus::OwnedObjectPath> {
        assert_eq!(mode, "replace");
        let known = name.strip_suffix(".service").and_then(|unit| match unit.split_once('@') {
            Some(("bondbox-lease", interface)) => Some(format!("lease {interface}")),
            Some(("bondbox-link", interface)) => Some(format!("leave {interface}")),
            None if unit == "bondbox-factory-reset" => Some("factory-reset".into()),
            _ => None,
        });
        let what = known.unwrap_or_else(|| panic!("nobody starts {name}"));
        let resets = what == "factory-reset";
        let mood = self.state.lock().unwrap().mood;
        if mood == Mood::Denies {
            return Err(denied());
        }
        let subscribed = self.state.lock().unwrap().subscribed;
        if subscribed {
            emit(bus, 7, &name, None).await;
            // Of somebody else.
            emit(bus, 5, "another.service", Some("failed")).await;
            match mood {
                Mood::Obeys => {
                    self.state.lock().unwrap().done.push(what);
                    emit(bus, 7, &name, Some("done")).await;
                    if resets {
                        emit(bus, 8, "reboot.target", None).await;
                    }
                }
                Mood::Fails => emit(bus, 7, &name, Some("failed")).await,
                // The mark is kept, and nothing restarts.
                Mood::Idles if resets => emit(bus, 7, &name, Some("done")).await,
                Mood::Idles | Mood::Denies => {}
            }
        }
        Ok(job(7))
    }
}

/// A job that begins, or ends with this result.
async fn emit(bus: &Connection, id: u32, unit: &str, result: Option<&str>) {
    let (path, interface) = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager");
    let said = match result {
        Some(result) => {
            let body = (id, job(id), unit, result);
            bus.emit_signal(None::<&str>, path, interface, "JobRemoved", &body).await
        }
        None => bus.emit_signal(None::<&str>, path, interface, "JobNew", &(id, job(id), unit)).await,
    };
    said.unwrap();
}

fn job(id: u32) -> zbus::OwnedObjectPath {
    format!("/org/freedesktop/systemd1/job/{id}").try_into().unwrap()
}

fn denied() -> zbus::fdo::Error {
    zbus::fdo::Error::AccessDenied("Access denied".into())
}
