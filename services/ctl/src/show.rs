//! What services say, in words.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use bondbox_daemon::clock;
use bondbox_ipc::panel::{Battery, BatteryStep};
use bondbox_ipc::uplink::{self, Session};
use bondbox_ipc::{capture, modems, panel};
use bondbox_units::Instant;
use serde::Serialize;

use crate::ask::{All, Said};

/// Prints `value` as JSON or in the words of `text`. Whoever reads may stop reading.
pub(crate) fn print<T: Serialize>(json: bool, value: &T, text: impl FnOnce(&T) -> String) {
    let text = if json { serde_json::to_string_pretty(value).unwrap_or_default() } else { text(value) };
    line(&text);
}

/// A line to standard output; a pipe that was closed is no failure.
pub(crate) fn line(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}

/// The unit in a few lines.
pub(crate) fn status(all: &All) -> String {
    let mut text = String::new();
    let mut part = |name: &str, said: Result<String, &String>| {
        match said {
            Ok(said) => writeln!(text, "{name:9}{}", said.trim_end().replace('\n', "\n         ")),
            Err(why) => writeln!(text, "{name:9}{why}"),
        }
        .expect("a string takes everything");
    };
    part("panel", said(&all.panel, |state| format!("{}\n{}", panel_line(state), battery_line(state))));
    part("capture", said(&all.capture, capture));
    part("uplink", said(&all.uplink, uplink));
    part("modems", said(&all.modems, modems));
    text
}

fn said<S>(said: &Said<S>, text: impl FnOnce(&S) -> String) -> Result<String, &String> {
    match said {
        Said::State(state) => Ok(text(state)),
        Said::Failure(why) => Err(why),
    }
}

pub(crate) fn capture(state: &capture::State) -> String {
    let capture::State { picture, meant_on_air, source, encoder, target, actual, encode_delay_us, tracks, counters } =
        state;
    let tracks: Vec<String> = tracks
        .iter()
        .map(|track| {
            if track.width > 0 {
                format!("{:?} {}x{}", track.codec, track.width, track.height)
            } else {
                format!("{:?} {} Hz", track.codec, track.rate)
            }
        })
        .collect();
    format!(
        "{picture:?} from {source} by {encoder}, {actual} of {target}, {} ms to encode\n{}\n\
         {} pictures, source lost {} times, {} restarts, {} units dropped, {} times what is meant not kept",
        encode_delay_us / 1_000,
        match (tracks.is_empty(), meant_on_air) {
            (false, _) => tracks.join(", "),
            (true, true) => "off the air, and meant to be on it".to_string(),
            (true, false) => "off the air on purpose".to_string(),
        },
        counters.video_units,
        counters.source_lost,
        counters.restarts,
        counters.dropped_units,
        counters.intent_unkept,
    )
}

pub(crate) fn uplink(state: &uplink::State) -> String {
    let mut text = match state.session {
        Session::NotPaired => "not paired: it belongs to no gateway".into(),
        Session::Pairing => format!("pairing with {}", state.gateway),
        session => format!("{session:?} to {}", state.gateway),
    };
    write!(
        text,
        ", {} of {}, {} kB wait, {} units of {} acknowledged",
        state.actual,
        state.target,
        state.backlog_bytes / 1_000,
        state.counters.units_acknowledged,
        state.counters.units_in,
    )
    .expect("a string takes everything");
    if let Some(complaint) = &state.complaint {
        write!(text, "\nno session: {}", complaint.words).expect("a string takes everything");
    }
    for link in &state.links {
        write!(
            text,
            "\n{:16}{:8}{:>14} of {:>14}  {:>5} ms + {:>4} ms ± {:>3} ms  loss {}.{:02} %",
            link.name,
            format!("{:?}", link.state),
            link.rate.to_string(),
            link.capacity.to_string(),
            link.rtt_us / 1_000,
            link.queue_us / 1_000,
            link.jitter_us / 1_000,
            link.loss_ppm / 10_000,
            link.loss_ppm % 10_000 / 100,
        )
        .expect("a string takes everything");
    }
    text
}

pub(crate) fn modems(state: &modems::State) -> String {
    modems_at(clock::now(), state)
}

fn modems_at(now: Instant, state: &modems::State) -> String {
    let manager =
        state.manager.as_deref().map_or("no ModemManager".into(), |version| format!("ModemManager {version}"));
    let mut text = format!("{manager}, {} modems, {} links", state.modems.len(), state.links.len());
    let mut row = |name: &str, rest: String| write!(text, "\n{name:15} {rest}").expect("a string takes everything");
    for link in &state.links {
        let addresses = link.addresses.join(" ");
        row(&link.name, format!("{:?} {:?} in {} \"{}\" {addresses}", link.state, link.kind, link.port, link.label));
    }
    for modem in &state.modems {
        let operator = &modem.network.operator;
        let why = modem.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let (technologies, cell) = (modem.network.technologies.join("+"), cell(&modem.network));
        let allowed = &modem.bands_allowed;
        let is_locked = !allowed.is_empty() && modem.bands.iter().any(|band| !allowed.contains(band));
        let lock = if is_locked { format!(", on {} alone", bands(allowed)) } else { String::new() };
        let power = power(now, modem.radio.as_ref());
        let part = modem.link.as_ref().map(|link| format!(", part of {link}")).unwrap_or_default();
        row(
            &modem.port,
            format!("{:?} {} {operator} {technologies}{power}{cell}{lock}{part}{why}", modem.state, modem.model),
        );
    }
    for (port, told) in recoveries(state) {
        if let Some(told) = recovery(now, told) {
            row(port, told);
        }
    }
    let modems::Counters { manager_unheard, recoveries_refused, switch_ons_failed, files_unreadable, .. } =
        state.counters;
    for (count, what) in [
        (manager_unheard, "times ModemManager was not understood, and asked for all of it"),
        (recoveries_refused, "steps of recovery were refused"),
        (switch_ons_failed, "times a port could not be switched on again at once"),
        (files_unreadable, "files could not be read and were made anew"),
    ] {
        if count > 0 {
            row(&count.to_string(), what.into());
        }
    }
    for data in &state.data {
        let plan = data.plan.map(|plan| format!(" of {} MB", plan.bytes / 1_000_000)).unwrap_or_default();
        row(
            &data.iccid,
            format!("{} MB{plan}{}", data.bytes / 1_000_000, if data.over { ", over its plan" } else { "" }),
        );
    }
    text
}

/// By port, each once: a modem and the link in its port are one device.
fn recoveries(state: &modems::State) -> BTreeMap<&str, &modems::Recovery> {
    let links = state.links.iter().map(|link| (link.port.as_str(), &link.recovery));
    links.chain(state.modems.iter().map(|modem| (modem.port.as_str(), &modem.recovery))).collect()
}

/// What was done to get a device back, why, what became of it, and what comes next; nothing where nothing was to be done.
fn recovery(now: Instant, recovery: &modems::Recovery) -> Option<String> {
    let modems::Recovery { last, at, reason, refused, today, left, next } = recovery;
    if last.is_none() && next.is_none() && *today == 0 && refused.is_none() {
        return None;
    }
    let step = match last {
        Some(modems::Step::Reconnect) => "its bearer was ended",
        Some(modems::Step::Reset) => "it was reset",
        Some(modems::Step::Authorize) => "the kernel let go of it",
        Some(modems::Step::Power) => "its port was without power",
        None => "it was recovered",
    };
    let when = at.map_or_else(|| "before the last start".into(), |at| format!("{} ago", seconds(now.since(at))));
    let refused =
        refused.as_ref().map(|refused| format!(", {:?} refused: {}", refused.step, refused.why)).unwrap_or_default();
    let next = match next {
        Some(_) if *left == 0 => ", no more today".into(),
        Some(next) if *next > now => format!(", the next step in {}", seconds(next.since(now))),
        Some(_) => ", the next step is due".into(),
        None => ", well since".into(),
    };
    Some(format!("recovery: {step} {when} ({reason}){refused}{next}, {left} of {} steps left", today + left))
}

/// "12 s", "3 min", "5 h".
fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// What is received, and of LTE beside NR, each in dBm, and how long ago that was told. What is stale is not shown.
fn power(now: Instant, radio: Option<&modems::Radio>) -> String {
    let radio = radio.filter(|radio| now.since(radio.at).as_millis() < radio.stale_after_ms.into());
    let of = |tenths: Option<i16>| tenths.map(|tenths| format!("{} dBm", tenths / 10));
    let beside =
        radio.and_then(|radio| of(radio.anchor?.rsrp_tenth_dbm)).map(|power| format!(" beside LTE of {power}"));
    let own = radio.and_then(|radio| of(radio.rsrp_tenth_dbm));
    let told = own
        .zip(radio)
        .map(|(power, radio)| format!(" {power}{} {} ago", beside.unwrap_or_default(), seconds(now.since(radio.at))));
    told.unwrap_or_default()
}

/// The cell that serves; in LTE with its site, which is what coverage maps go by.
fn cell(network: &modems::Network) -> String {
    let Some(modems::Cell { id, area }) = network.cell else { return String::new() };
    let site = if network.technologies.iter().any(|name| name == "LTE") {
        format!(" (eNB {}, sector {})", id >> 8, id & 0xff)
    } else {
        String::new()
    };
    let area = area.map(|area| format!(" in area {area}")).unwrap_or_default();
    format!(", cell {id}{site}{area}")
}

pub(crate) fn bands(bands: &[modems::Band]) -> String {
    bands.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

pub(crate) fn panel(state: &panel::State) -> String {
    let mut text = format!("{}\n{}", panel_line(state), battery_line(state));
    let lights = &state.lights;
    write!(text, "\nlights      air {:?}, link {:?}, power {:?}", lights.air, lights.link, lights.power)
        .expect("a string takes everything");
    for device in &state.devices {
        let failure = device.failure.as_ref().map(|failure| format!(": {failure}")).unwrap_or_default();
        write!(text, "\n{:11} {}{failure}", device.kind, device.name).expect("a string takes everything");
    }
    text
}

fn panel_line(state: &panel::State) -> String {
    let waits = state.waiting.map(|action| format!(", {action:?} asked for")).unwrap_or_default();
    let last = state.last.as_ref().map(|last| match &last.failure {
        None => format!(", {:?} done", last.action),
        Some(why) => format!(", {:?} not done: {why}", last.action),
    });
    let profile = if state.profile.is_empty() { String::new() } else { format!(", profile {}", state.profile) };
    let left = state.identify_until.map(|until| until.since(clock::now()).as_secs());
    let found = left.map(|s| format!(", to be found for {s} s more")).unwrap_or_default();
    let mut text = format!("{:?}{found}{waits}{}{profile}", state.meaning, last.unwrap_or_default());
    for panel::Fault { service, why } in &state.faults {
        write!(text, "\nbondbox-{}: {why}", format!("{service:?}").to_lowercase()).expect("a string takes everything");
    }
    text
}

fn battery_line(state: &panel::State) -> String {
    let mut text = battery(&Power::of(state));
    if let Some(temperature) = state.temperature_mc {
        write!(text, ", {} °C", temperature / 1_000).expect("a string takes everything");
    }
    if let Some(percent) = state.fan_percent {
        write!(text, ", fan {percent} %").expect("a string takes everything");
    }
    text
}

/// What the unit lives on.
#[derive(Serialize)]
pub(crate) struct Power {
    battery: Option<Battery>,
    mains: Option<bool>,
    step: BatteryStep,
}

impl Power {
    pub(crate) const fn of(state: &panel::State) -> Self {
        Self { battery: state.battery, mains: state.mains, step: state.step }
    }
}

pub(crate) fn battery(Power { battery, mains, step }: &Power) -> String {
    let mains = match mains {
        Some(true) => "mains",
        Some(false) => "no mains",
        None => "mains unknown",
    };
    let Some(battery) = battery else { return format!("no battery, {mains}") };
    let left = battery.left_s.map(|s| format!(", {}:{:02} h left", s / 3_600, s / 60 % 60)).unwrap_or_default();
    let volts = battery.millivolts.map(|mv| format!(", {}.{:02} V", mv / 1_000, mv % 1_000 / 10)).unwrap_or_default();
    let watts = battery.milliwatts.map(|mw| format!(", {:.1} W", f64::from(mw) / 1_000.0)).unwrap_or_default();
    let charging = if battery.charging { ", charging" } else { "" };
    let (percent, tenth) = (battery.charge_permille / 10, battery.charge_permille % 10);
    format!("{percent}.{tenth} %{charging}{left}{volts}{watts}, {mains}, {step:?}")
}

#[cfg(test)]
mod tests {
    use bondbox_ipc::modems::{Band, Cell, Data, Modem, ModemState, Network, Recovery, State};

    use super::*;

    fn modem(technology: &str, allowed: &[Band]) -> Modem {
        Modem {
            port: "usb1-1".into(),
            model: "Quectel EG25".into(),
            revision: String::new(),
            equipment: String::new(),
            state: ModemState::Registered,
            reason: None,
            link: None,
            sim: None,
            network: Network {
                operator: "Testnetz".into(),
                technologies: vec![technology.into()],
                cell: Some(Cell { id: 0x01c3_d4e5, area: Some(0x1a2b) }),
                ..Network::default()
            },
            radio: None,
            bands: vec![Band::Lte(3), Band::Lte(7)],
            bands_allowed: allowed.to_vec(),
            recovery: Recovery::default(),
            quirks: Vec::new(),
        }
    }

    fn shown(modem: Modem) -> String {
        modems(&State { modems: vec![modem], ..State::default() })
    }

    #[test]
    fn a_modem_is_shown_with_its_cell_and_the_bands_that_it_is_locked_to() {
        let lte = shown(modem("LTE", &[Band::Lte(7)]));
        assert!(
            lte.ends_with("Testnetz LTE, cell 29611237 (eNB 115668, sector 229) in area 6699, on B7 alone"),
            "{lte}"
        );
        let older = shown(Modem { link: Some("usb0".into()), ..modem("UMTS", &[Band::Lte(7), Band::Lte(3)]) });
        assert!(older.ends_with("Testnetz UMTS, cell 29611237 in area 6699, part of usb0"), "{older}");
    }

    #[test]
    fn a_modem_of_two_technologies_is_shown_with_what_it_receives_of_each() {
        let mut radio = modems::Radio {
            at: Instant::ZERO,
            stale_after_ms: 45_000,
            rssi_tenth_dbm: None,
            rsrp_tenth_dbm: Some(-1_014),
            rsrq_tenth_db: None,
            sinr_tenth_db: None,
            anchor: None,
            percent: Some(60),
            health: None,
            handover: false,
        };
        let after = |seconds: u64, radio| {
            let modem = Modem { radio: Some(radio), ..modem("5G NR", &[]) };
            modems_at(Instant::from_millis(seconds * 1_000), &State { modems: vec![modem], ..State::default() })
        };
        let of = |radio| after(12, radio);
        assert!(of(radio).contains("Testnetz 5G NR -101 dBm 12 s ago, cell "), "{}", of(radio));
        assert!(after(45, radio).contains("Testnetz 5G NR, cell "), "stale: {}", after(45, radio));
        let anchor = modems::Anchor { rsrp_tenth_dbm: Some(-880), rsrq_tenth_db: None, sinr_tenth_db: None };
        radio.anchor = Some(anchor);
        assert!(of(radio).contains("Testnetz 5G NR -101 dBm beside LTE of -88 dBm 12 s ago, cell "), "{}", of(radio));
    }

    #[test]
    fn recovery_is_told_with_its_step_its_reason_when_the_next_one_is_and_what_is_left() {
        let now = Instant::from_millis(1_000_000);
        let step = Recovery {
            last: Some(modems::Step::Reset),
            at: Some(Instant::from_millis(988_000)),
            reason: "nothing was acknowledged for 20 s".into(),
            refused: Some(modems::Refused { step: modems::Step::Reset, why: "the modem cannot do that".into() }),
            today: 2,
            left: 10,
            next: Some(Instant::from_millis(1_078_000)),
        };
        assert_eq!(
            recovery(now, &step).unwrap(),
            "recovery: it was reset 12 s ago (nothing was acknowledged for 20 s), Reset refused: the modem cannot do that, \
             the next step in 78 s, 10 of 12 steps left"
        );
        let spent = Recovery { at: None, refused: None, today: 12, left: 0, ..step.clone() };
        let told = recovery(now, &spent).unwrap();
        assert!(
            told.contains("reset before the last start (") && told.ends_with("), no more today, 0 of 12 steps left"),
            "{told}"
        );
        assert!(recovery(now, &Recovery { next: None, ..step }).unwrap().contains(", well since, "));
        assert_eq!(recovery(now, &Recovery { left: 12, ..Recovery::default() }), None);
        let state = State { modems: vec![Modem { recovery: spent, ..modem("LTE", &[]) }], ..State::default() };
        assert!(modems(&state).contains("\nusb1-1          recovery: it was reset "), "{}", modems(&state));
    }

    #[test]
    fn a_card_with_a_long_number_is_told_from_what_it_has_carried() {
        let data = Data { iccid: "8949000000000000000".into(), bytes: 8_000_000, plan: None, over: false };
        let text = modems(&State { data: vec![data], ..State::default() });
        assert!(text.ends_with("8949000000000000000 8 MB"), "{text}");
    }
}
