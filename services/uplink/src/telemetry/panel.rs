//! The box itself: its pack, how warm it is, what its lights say.

use bondbox_ipc::panel::{BatteryStep, Meaning, Service, State};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Panel<'a> {
    /// What the lights mean.
    meaning: &'static str,
    /// Without a pack there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    battery: Option<Battery>,
    /// Whether mains is there, where that can be told.
    mains: Option<bool>,
    /// The hottest place.
    temperature_c: Option<f32>,
    fan_percent: Option<u8>,
    /// Services that do not come back and devices that cannot be used, with the reason.
    failing: Vec<Failing<'a>>,
}

#[derive(Serialize)]
struct Battery {
    percent: f32,
    charging: bool,
    left_s: Option<u32>,
    /// What it forbids.
    step: &'static str,
}

#[derive(Serialize)]
struct Failing<'a> {
    kind: &'a str,
    why: &'a str,
}

pub(super) fn shown(state: &State) -> Panel<'_> {
    Panel {
        meaning: match state.meaning {
            Meaning::PoweringOff => "powering_off",
            Meaning::Fault => "fault",
            Meaning::Identify => "identify",
            Meaning::BatteryEmpty => "battery_empty",
            Meaning::NoLink => "no_link",
            Meaning::SourceLost => "source_lost",
            Meaning::LowBattery => "low_battery",
            Meaning::Degraded => "degraded",
            Meaning::OnAir => "on_air",
            Meaning::Updating => "updating",
            Meaning::Starting => "starting",
            Meaning::NotPaired => "not_paired",
            Meaning::Connecting => "connecting",
            Meaning::Ready => "ready",
        },
        battery: state.battery.map(|battery| Battery {
            percent: f32::from(battery.charge_permille) / 10.0,
            charging: battery.charging,
            left_s: battery.left_s,
            step: match state.step {
                BatteryStep::Fine => "fine",
                BatteryStep::Low => "low",
                BatteryStep::Spare => "spare",
                BatteryStep::Empty => "empty",
            },
        }),
        mains: state.mains,
        temperature_c: state.temperature_mc.map(tenth),
        fan_percent: state.fan_percent,
        failing: failing(state),
    }
}

fn failing(state: &State) -> Vec<Failing<'_>> {
    let faults = state.faults.iter().map(|fault| {
        let kind = match fault.service {
            Service::Capture => "capture",
            Service::Uplink => "uplink",
            Service::Modems => "modems",
        };
        (kind, fault.why.as_str())
    });
    let devices = state.devices.iter().filter_map(|device| Some((device.kind.as_str(), device.failure.as_deref()?)));
    let failing = faults.chain(devices).map(|(kind, why)| {
        let end = (0..=why.len().min(MOST_REASON)).rev().find(|at| why.is_char_boundary(*at)).unwrap_or(0);
        Failing { kind, why: &why[..end] }
    });
    failing.take(MOST_FAILING).collect()
}

/// Nobody reads more of a temperature.
fn tenth(thousandths: i32) -> f32 {
    (thousandths as f32 / 100.0).round() / 10.0
}

/// Of each kind one, and room for a word about it: the whole of it stays short.
const MOST_FAILING: usize = 6;
const MOST_REASON: usize = 80;
