//! The devices of this box, and what they say.

use std::path::Path;
use std::time::Duration;

use bondbox_daemon::clock;
use bondbox_ipc::panel::{Device, Measured};
use bondbox_panel_core::Input;
use bondbox_panel_core::battery::Reading;
use bondbox_panel_devices::battery::{Changes, Gauge, PowerSupply};
use bondbox_panel_devices::gpio::{self, pi};
use bondbox_panel_devices::i2c::{Dev, OnBus};
use bondbox_panel_devices::keys::{Evdev, Keys};
use bondbox_panel_devices::leds::{Leds, Sysfs};
use bondbox_panel_devices::thermal::{Fan, Pwm, Thermometers};

use crate::service::{Desk, Wires};
use crate::settings::{FanKind, LinesBy, Settings};

/// The lights, where there are some.
pub(crate) fn leds(settings: &Settings, desk: &Desk) -> Option<Box<dyn Leds>> {
    let found = match settings.light_lines.as_slice() {
        [air, link, power] => light_lines(settings.lines_by, [air, link, power]),
        _ => Sysfs::find(&settings.sys).map(|leds| Box::new(leds) as Box<dyn Leds>),
    };
    desk.found("lights", found, |leds| leds.name())
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

/// Looks at the gauge when the kernel tells of a change, and now and then, since not every driver tells; until dropped.
pub(crate) async fn watch_battery(settings: &Settings, desk: &Desk, wires: &Wires) {
    let mut gauge = loop {
        let found = gauge(settings);
        let absent = found.as_ref().err().map(ToString::to_string);
        if let Some(gauge) = desk.found("battery", found, |gauge| gauge.name()) {
            break gauge;
        }
        desk.measured(&Err(absent.unwrap_or_default()));
        // A driver, or an adapter on USB, may come later than this service.
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = desk.asked_to_measure() => {}
        }
    };
    let mut changes = Changes::listen();
    let mut told = None;
    let mut silent = 0;
    // Three readings decide: what is new is not waited for.
    let mut soon = OF_THREE;
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
        // A bus slips; a gauge that says nothing three times is gone. What stays the same is told again, since three decide.
        if (reading.is_some() || silent >= 3) && (reading.is_some() || told.is_some()) {
            told = reading;
            wires.inputs.send(Input::Battery(reading)).await;
        }
        let every = Duration::from_millis(settings.gauge_every_ms.into());
        let wait = if soon > 0 { every.min(SOON) } else { every };
        soon = soon.saturating_sub(1);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = desk.asked_to_measure() => {}
            () = changes.next() => {
                // A driver that tells of each look shall not have us look all the time.
                tokio::time::sleep(SOON).await;
                soon = OF_THREE;
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
    let found = Thermometers::find(&settings.sys);
    let Some(thermometers) = desk.found("temperature", found, Thermometers::name) else {
        // A fan that is ours must not wait for a thermometer that is not there.
        if settings.fan == FanKind::Panel {
            wires.inputs.send(Input::Temperature(None)).await;
        }
        return std::future::pending().await;
    };
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
    let mut first = true;
    loop {
        let paths = Evdev::find(&settings.sys, &settings.dev);
        if paths.is_empty() && std::mem::take(&mut first) {
            let why = std::io::Error::new(std::io::ErrorKind::NotFound, "no input device has a key of the panel");
            desk.fails("keys", &why);
        }
        // All at once: a panel's keys and a keyboard.
        let mut brought = tokio::task::JoinSet::new();
        let (edges, mut edge) = tokio::sync::mpsc::channel(32);
        for path in paths {
            if let Some(mut keys) = desk.found("keys", open(&path), Keys::name) {
                let edges = edges.clone();
                brought.spawn(async move {
                    loop {
                        let next = keys.next().await;
                        let gone = next.is_err();
                        if edges.send(next).await.is_err() || gone {
                            return;
                        }
                    }
                });
            }
        }
        drop(edges);
        while let Some(next) = edge.recv().await {
            match next {
                Ok(edge) => tell(edge, wires).await,
                Err(error) => desk.fails("keys", &error),
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn open(path: &Path) -> std::io::Result<Evdev> {
    Evdev::open(path)
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

/// Further ones.
const OF_THREE: u8 = 2;
/// Longer than any bus slips, shorter than anybody waits.
const SOON: Duration = Duration::from_millis(300);
const BETWEEN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_secs(10);
