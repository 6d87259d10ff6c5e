//! Lights, keys, and the gauge behind them.

use std::io::{BufRead, Write};
use std::time::Duration;

use bondbox_ipc::capture::Picture;
use bondbox_ipc::panel::{Action, Command, Done, Key, Lamp, Measured, Panel, Part, State};

use super::{Check, Result};
use crate::ask::{All, Ask, Said};

/// Each light in turn, each key where somebody is there to press it, the gauge read anew, and what else the panel has.
pub(super) async fn walk(ask: &Ask, all: &All, interactive: bool) -> Vec<Check> {
    let Said::State(state) = &all.panel else { return Vec::new() };
    let mut checks = match in_use(ask, all).await {
        Some(why) => vec![Check::new("lights", Result::Skipped, &why), Check::new("keys", Result::Skipped, why)],
        None => {
            let mut checks = lights(ask, state, interactive).await;
            checks.extend(keys(ask, state, interactive).await);
            let _ = test(ask, Action::EndTest).await;
            checks
        }
    };
    checks.push(gauge(ask.command::<Panel>(Command::Measure).await, has(state, "battery")));
    let rest = state.devices.iter().filter(|device| !["lights", "keys", "battery"].contains(&device.kind.as_str()));
    checks.extend(rest.map(there));
    checks
}

/// Why lights and keys are not tried now.
async fn in_use(ask: &Ask, all: &All) -> Option<String> {
    if let Said::State(state) = &all.capture
        && state.picture != Picture::Stopped
    {
        return Some("on the air they are left to those who need them".into());
    }
    // The panel knows of more: a finger on a key, a power-off that is under way.
    test(ask, Action::Test(Part::Light(Lamp::Power))).await.err()
}

async fn lights(ask: &Ask, state: &State, interactive: bool) -> Vec<Check> {
    if let Some(absent) = missing(state, "lights") {
        return vec![absent];
    }
    let mut checks = Vec::new();
    for (lamp, colour, name) in
        [(Lamp::Air, "red", "air"), (Lamp::Link, "blue", "link"), (Lamp::Power, "green", "power")]
    {
        let part = Part::Light(lamp);
        let lit = match test(ask, Action::Test(part)).await {
            Ok(()) => shown(ask, part).await,
            Err(why) => Err(why),
        };
        let (result, said) = match lit {
            Err(why) => (Result::Fails, why),
            Ok(()) if interactive => match yes(&format!("Is the {colour} light lit ({name}), and no other?")) {
                true => (Result::Works, format!("{colour}, seen alone")),
                false => (Result::Fails, format!("{colour} was not seen alone")),
            },
            Ok(()) => {
                tokio::time::sleep(SEEN).await;
                (Result::Works, format!("{colour}, lit alone"))
            }
        };
        checks.push(Check::new(format!("light {name}"), result, said));
    }
    checks
}

/// Whether the panel has lit it, and the device took that.
async fn shown(ask: &Ask, part: Part) -> std::result::Result<(), String> {
    for _ in 0..20 {
        let state = ask.state::<Panel>().await.map_err(|error| format!("{error:#}"))?;
        if let Some(failure) =
            state.devices.into_iter().find(|device| device.kind == "lights" && device.failure.is_some())
        {
            return Err(failure.failure.unwrap_or_default());
        }
        if state.testing == Some(part) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("something else is shown: somebody uses the panel".into())
}

async fn keys(ask: &Ask, state: &State, interactive: bool) -> Vec<Check> {
    if let Some(absent) = missing(state, "keys") {
        return vec![absent];
    }
    if !interactive {
        return state.devices.iter().filter(|device| device.kind == "keys").map(there).collect();
    }
    let mut checks = Vec::new();
    for (key, name) in [(Key::Start, "start"), (Key::Select, "select")] {
        ask_for(&format!("Press {name} and let go, within ten seconds."));
        let (result, said) = match test(ask, Action::Test(Part::Key(key))).await {
            Ok(()) => (Result::Works, "pressed".to_string()),
            Err(why) => (Result::Fails, why),
        };
        checks.push(Check::new(format!("key {name}"), result, said));
    }
    checks
}

async fn test(ask: &Ask, action: Action) -> std::result::Result<(), String> {
    ask.command::<Panel>(Command::Do(action)).await.map(|_| ()).map_err(|error| error.to_string())
}

fn has(state: &State, kind: &str) -> bool {
    state.devices.iter().any(|device| device.kind == kind && !device.name.is_empty())
}

/// A device that the panel did not find.
fn missing(state: &State, kind: &str) -> Option<Check> {
    if has(state, kind) {
        return None;
    }
    let device = state.devices.iter().find(|device| device.kind == kind);
    let why = device.and_then(|device| device.failure.clone()).unwrap_or_else(|| "none".into());
    Some(Check::new(kind, Result::Fails, why))
}

fn there(device: &bondbox_ipc::panel::Device) -> Check {
    match &device.failure {
        Some(why) => Check::new(&device.kind, Result::Fails, why),
        None => Check::new(&device.kind, Result::Works, &device.name),
    }
}

/// What it says, and whether that can be.
fn gauge(measured: anyhow::Result<Done>, is_there: bool) -> Check {
    let (result, said) = match measured {
        Ok(Done::Measured(measured)) => match doubt(&measured) {
            None => (Result::Works, in_words(&measured)),
            Some(doubt) => (Result::Fails, format!("{}: {doubt}", in_words(&measured))),
        },
        Ok(other) => (Result::Fails, format!("the panel gave another answer than its gauge's: {other:?}")),
        Err(error) if is_there => (Result::Fails, error.to_string()),
        // A unit on mains needs none.
        Err(error) => (Result::Absent, error.to_string()),
    };
    Check::new("battery", result, said)
}

fn in_words(measured: &Measured) -> String {
    let Measured { charge_permille, millivolts, milliwatts, charging, mains } = *measured;
    let tenth = |value: u32| format!("{}.{}", value / 10, value % 10);
    let parts = [
        charge_permille.map(|charge| format!("{} %", tenth(charge.into()))),
        millivolts.map(|mv| format!("{}.{:03} V", mv / 1_000, mv % 1_000)),
        milliwatts.map(|mw| format!("gives {:.1} W", f64::from(mw) / 1_000.0)),
        charging.map(|charging| if charging { "charging" } else { "not charging" }.into()),
        mains.map(|mains| if mains { "mains" } else { "no mains" }.into()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "says nothing".into() } else { parts.join(", ") }
}

/// Why it cannot be so.
fn doubt(measured: &Measured) -> Option<&'static str> {
    let Measured { charge_permille, millivolts, milliwatts, charging, mains } = *measured;
    let gives = milliwatts.unwrap_or_default();
    match () {
        () if *measured == Measured::default() => Some("it answers without a value"),
        () if charge_permille.is_some_and(|charge| charge > 1_000) => Some("a pack holds 100 % at most"),
        () if millivolts.is_some_and(|mv| !(CELL_EMPTY..=CELLS_FULL).contains(&mv)) => {
            Some("one to eight cells have 2.5 to 35 V")
        }
        () if gives.abs() > MOST_POWER => Some("no pack of a unit gives or takes more than 200 W"),
        () if charging == Some(true) && gives > CHARGER_SLACK => Some("a pack that charges gives nothing"),
        () if charging == Some(true) && mains == Some(false) => Some("without mains nothing charges it"),
        () if mains == Some(false) && -gives > CHARGER_SLACK => Some("without mains it takes nothing"),
        () => None,
    }
}

/// Asks for a word and waits for it. Nobody there is no.
fn yes(question: &str) -> bool {
    ask_for(&format!("{question} [y/n]"));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Beside what is printed, which a program may read.
fn ask_for(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Long enough to be seen by somebody who looks.
const SEEN: Duration = Duration::from_millis(700);
/// In millivolts.
const CELL_EMPTY: u32 = 2_500;
const CELLS_FULL: u32 = 35_000;
/// In milliwatts. USB Power Delivery gives 240 W at most, and no board here takes a tenth of that.
const MOST_POWER: i32 = 200_000;
/// A gauge is a few percent off, and its sense of direction is lost in that.
const CHARGER_SLACK: i32 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_that_says_what_cannot_be_is_doubted_with_the_reason() {
        let good = Measured {
            charge_permille: Some(770),
            millivolts: Some(7_400),
            milliwatts: Some(9_000),
            charging: Some(false),
            mains: Some(false),
        };
        assert_eq!(doubt(&good), None);
        assert_eq!(in_words(&good), "77.0 %, 7.400 V, gives 9.0 W, not charging, no mains");
        let cases = [
            (Measured::default(), "without a value"),
            (Measured { charge_permille: Some(1_001), ..good }, "100 % at most"),
            (Measured { millivolts: Some(0), ..good }, "2.5 to 35 V"),
            (Measured { milliwatts: Some(-300_000), ..good }, "200 W"),
            (Measured { charging: Some(true), mains: Some(true), ..good }, "that charges gives nothing"),
            (Measured { charging: Some(true), milliwatts: None, ..good }, "nothing charges it"),
            (Measured { milliwatts: Some(-9_000), ..good }, "takes nothing"),
        ];
        for (measured, why) in cases {
            let said = doubt(&measured);
            assert!(said.is_some_and(|said| said.contains(why)), "{measured:?}: {said:?}");
            let check = gauge(Ok(Done::Measured(measured)), true);
            assert_eq!(check.result, Result::Fails, "{check:?}");
        }
    }

    #[test]
    fn a_gauge_that_is_gone_fails_and_none_is_none() {
        let silent = || Err(anyhow::anyhow!("panel: not now: Remote I/O error"));
        assert_eq!(gauge(silent(), true).result, Result::Fails);
        assert_eq!(gauge(silent(), false).result, Result::Absent);
    }
}
