//! The devices of this box, and what they say.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use bondbox_daemon::clock;
use bondbox_ipc::panel::{Device, Lights, Measured};
use bondbox_panel_core::Input;
use bondbox_panel_core::battery::Reading;
use bondbox_panel_core::looks::{Looks, SOON};
use bondbox_panel_devices::battery::{Gauge, PowerSupply};
use bondbox_panel_devices::gpio::{self, pi};
use bondbox_panel_devices::i2c::{Dev, OnBus};
use bondbox_panel_devices::keys::{Evdev, Keys};
use bondbox_panel_devices::leds::{Leds, Sysfs};
use bondbox_panel_devices::thermal::{Fan, Pwm, Thermometers};
use bondbox_udev::{Events, Of, Plugs};

use crate::service::{Desk, Wires};
use crate::settings::{FanKind, LinesBy, Settings};

/// The lights, whenever there are some, and what they were told last.
#[derive(Default)]
pub(crate) struct Lamps {
    leds: Option<Box<dyn Leds>>,
    told: Option<Lights>,
}

impl Lamps {
    /// Shows this until told otherwise, also on lights that are not there yet.
    pub(crate) fn show(&mut self, lights: Lights, desk: &Desk) {
        self.told = Some(lights);
        if let Some(leds) = &mut self.leds {
            match leds.show(lights) {
                Ok(()) => desk.works("lights"),
                Err(error) => desk.fails("lights", &error),
            }
        }
    }

    /// Takes the lights that are there now, where those are others than before.
    pub(crate) fn look(&mut self, settings: &Settings, desk: &Desk) {
        let found = match (settings.light_lines.as_slice(), &self.leds) {
            // What is ours is nobody else's to find.
            ([_, _, _], Some(_)) => return,
            ([air, link, power], None) => light_lines(settings.lines_by, [air, link, power]),
            _ => Sysfs::find(&settings.sys).map(|leds| Box::new(leds) as Box<dyn Leds>),
        };
        if let (Ok(found), Some(known)) = (&found, &self.leds)
            && found.name() == known.name()
        {
            return;
        }
        self.leds = desk.found("lights", found, |leds| leds.name());
        if let Some(lights) = self.told {
            self.show(lights, desk);
        }
    }
}

/// Takes lights whose driver comes, or comes back, after this service, until dropped.
pub(crate) async fn watch_lights(settings: &Settings, desk: &Desk, lamps: &RefCell<Lamps>) {
    let mut plugs = Plugs::of(&[Of::Subsystem("leds"), Of::Subsystem("gpio")]);
    loop {
        plugs.changed().await;
        lamps.borrow_mut().look(settings, desk);
    }
}

fn light_lines(by: LinesBy, names: [&str; 3]) -> std::io::Result<Box<dyn Leds>> {
    Ok(match by {
        LinesBy::Gpiocdev => Box::new(gpio::Lines::open(names)?),
        LinesBy::Rppal => Box::new(pi::Lines::open(names)?),
    })
}

/// The fan, where it is ours.
pub(crate) fn fan(settings: &Settings, desk: &Desk) -> Option<Box<dyn Fan>> {
    match settings.fan {
        FanKind::Kernel => None,
        FanKind::Panel => {
            desk.found("fan", Pwm::take(&settings.sys), Fan::name).map(|fan| Box::new(fan) as Box<dyn Fan>)
        }
    }
}

/// Looks at the gauge when the kernel tells of a change, and now and then where it does not; until dropped.
pub(crate) async fn watch_battery(settings: &Settings, desk: &Desk, wires: &Wires) {
    let kinds = [Of::Subsystem("power_supply"), Of::Subsystem("i2c-dev")];
    let mut plugs = Plugs::of(&kinds);
    let mut gauge = loop {
        let found = gauge(settings);
        let absent = found.as_ref().err().map(ToString::to_string);
        if let Some(gauge) = desk.found("battery", found, |gauge| gauge.name()) {
            break gauge;
        }
        desk.measured(&Err(absent.unwrap_or_default()));
        // A driver, or an adapter on USB, may come later than this service.
        tokio::select! {
            () = plugs.changed() => {}
            () = desk.asked_to_measure() => {}
        }
    };
    drop(plugs);
    let mut events = Events::of(&kinds);
    let mut looks = Looks::new(Duration::from_millis(settings.gauge_every_ms.into()));
    let mut told = None;
    let mut silent = 0;
    loop {
        let read = gauge.read();
        desk.measured(&read.as_ref().map(measured).map_err(ToString::to_string));
        let reading = match read {
            Ok(reading) => {
                silent = 0;
                desk.works("battery");
                Some(reading)
            }
            Err(error) => {
                desk.fails("battery", &error);
                silent += 1;
                None
            }
        };
        looks.on_look(reading);
        // A bus slips; a gauge that says nothing three times is gone. What stays the same is told again, since three decide.
        if (reading.is_some() || silent >= 3) && (reading.is_some() || told.is_some()) {
            told = reading;
            wires.inputs.send(Input::Battery(reading)).await;
        }
        tokio::select! {
            () = tokio::time::sleep(looks.wait()) => {}
            () = desk.asked_to_measure() => {}
            () = events.next() => {
                // A driver that tells of each look shall not have us look all the time.
                tokio::time::sleep(SOON).await;
                looks.on_event();
                // Mains, or a battery, that was plugged in.
                if let Some(other) = self::gauge(settings).ok().filter(|other| other.name() != gauge.name()) {
                    gauge = other;
                    desk.found("battery", Ok(&gauge), |gauge| gauge.name());
                }
            }
        }
    }
}

fn gauge(settings: &Settings) -> std::io::Result<Box<dyn Gauge>> {
    Ok(match settings.chip() {
        Some((chip, wiring)) => Box::new(OnBus::find(Dev::at(&settings.gauge_bus), chip, wiring)?),
        None => Box::new(PowerSupply::find(&settings.sys)?),
    })
}

fn measured(reading: &Reading) -> Measured {
    let Reading { charge_permille, millivolts, milliwatts, charging, mains, cells: _ } = *reading;
    Measured { charge_permille, millivolts, milliwatts, charging, mains }
}

/// Looks at the thermometers now and then, until dropped.
pub(crate) async fn watch_temperature(settings: &Settings, desk: &Desk, wires: &Wires) {
    let mut plugs = Plugs::of(&[Of::Subsystem("thermal"), Of::Subsystem("hwmon")]);
    let thermometers = loop {
        if let Some(found) = desk.found("temperature", Thermometers::find(&settings.sys), Thermometers::name) {
            break found;
        }
        // A fan that is ours must not wait for a thermometer that is not there.
        if settings.fan == FanKind::Panel {
            wires.inputs.send(Input::Temperature(None)).await;
        }
        plugs.changed().await;
    };
    drop(plugs);
    loop {
        let hottest = thermometers.hottest().ok();
        if desk.set_temperature(hottest) {
            wires.inputs.send(Input::Temperature(hottest)).await;
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Brings what fingers do, until dropped. Keys that are pulled are looked for again.
pub(crate) async fn watch_keys(settings: &Settings, desk: &Desk, wires: &Wires) {
    if let [start, select] = settings.key_lines.as_slice() {
        let names = [start.as_str(), select.as_str()];
        match settings.lines_by {
            LinesBy::Gpiocdev => bring_lines(gpio::Contacts::open(names), desk, wires).await,
            LinesBy::Rppal => bring_lines(pi::Contacts::open(names), desk, wires).await,
        }
        return std::future::pending().await;
    }
    let mut plugs = Plugs::of(&[Of::Subsystem("input")]);
    // All at once: a panel's keys and a keyboard.
    let mut brought = tokio::task::JoinSet::new();
    let mut known = BTreeSet::new();
    let (edges, mut edge) = tokio::sync::mpsc::channel(32);
    loop {
        for path in Evdev::find(&settings.sys, &settings.dev) {
            if known.contains(&path) {
                continue;
            }
            if let Some(mut keys) = desk.found("keys", Evdev::open(&path), Keys::name) {
                known.insert(path.clone());
                let edges = edges.clone();
                brought.spawn(async move {
                    loop {
                        let next = keys.next().await;
                        let gone = next.is_err();
                        if edges.send((path.clone(), next)).await.is_err() || gone {
                            return;
                        }
                    }
                });
            }
        }
        if known.is_empty() {
            let why = std::io::Error::new(std::io::ErrorKind::NotFound, "no input device has a key of the panel");
            desk.fails("keys", &why);
        }
        // Until it is worth looking again.
        loop {
            tokio::select! {
                // `edges` is here, too: there is always another.
                Some((path, next)) = edge.recv() => match next {
                    Ok(edge) => tell(edge, wires).await,
                    Err(error) => {
                        known.remove(&path);
                        desk.fails("keys", &error);
                    }
                },
                () = plugs.changed() => break,
            }
        }
    }
}

async fn bring_lines(keys: std::io::Result<impl Keys>, desk: &Desk, wires: &Wires) {
    let Some(mut keys) = desk.found("keys", keys, Keys::name) else { return };
    loop {
        match keys.next().await {
            Ok(edge) => tell(edge, wires).await,
            Err(error) => return desk.fails("keys", &error),
        }
    }
}

async fn tell(edge: bondbox_panel_devices::keys::Edge, wires: &Wires) {
    let at = edge.at.unwrap_or_else(clock::now);
    wires.inputs.send(Input::Edge { key: edge.key, down: edge.down, at }).await;
}

/// A device that is told of.
pub(crate) fn device(kind: &str, name: String, failure: Option<String>) -> Device {
    Device { kind: kind.into(), name, failure }
}

/// Between two looks at the thermometers.
const BETWEEN: Duration = Duration::from_secs(2);
