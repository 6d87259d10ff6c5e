//! What the gateway is told of the unit beside its links: a small JSON object every few seconds.
//!
//! Fields are only ever added, and `version` tells readers when one comes to mean something else.

mod panel;

use std::time::Duration;

use bondbox_bond::Sender;
use bondbox_bond::channel::{Channel, ChannelEvent};
use bondbox_ipc::capture::{Picture, State};
use bondbox_ipc::modems::{self, LinkKind, LinkState};
use bondbox_ipc::panel as panel_protocol;
use bondbox_units::Instant;
use serde::Serialize;

/// Tells it now and then.
pub(crate) struct Telemetry {
    started: Instant,
    next: Instant,
}

/// What the services of the unit last said, where they are there.
#[derive(Clone, Copy)]
pub(crate) struct Unit<'a> {
    pub(crate) capture: Option<&'a State>,
    pub(crate) modems: Option<&'a modems::State>,
    pub(crate) panel: Option<&'a panel_protocol::State>,
}

#[derive(Serialize)]
struct Status<'a> {
    version: u32,
    build: &'a str,
    uptime_s: u64,
    /// Without a capture service there is none to speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<Capture<'a>>,
    /// As the modem service knows them; without it none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link<'a>>,
    /// Without a panel service there is none to speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    panel: Option<panel::Panel<'a>>,
}

#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    radio: Option<Radio>,
    /// Of a modem that has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network<'a>>,
    /// Of the SIM, or of the port, in its month.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Serialize)]
struct Network<'a> {
    operator: &'a str,
    /// The best that carries.
    technology: &'a str,
    roaming: bool,
}

#[derive(Serialize)]
struct Radio {
    /// How old the reading is.
    age_s: u64,
    /// As bars are drawn, 0 to 100.
    percent: Option<u8>,
    rsrp_dbm: Option<f32>,
    rsrq_db: Option<f32>,
    sinr_db: Option<f32>,
    health: Option<u8>,
    /// Of LTE, where the others are of an NR cell beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    anchor: Option<Anchor>,
}

#[derive(Serialize)]
struct Anchor {
    rsrp_dbm: Option<f32>,
    rsrq_db: Option<f32>,
    sinr_db: Option<f32>,
}

#[derive(Serialize)]
struct Data {
    bytes: u64,
    plan_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Capture<'a> {
    source: &'a str,
    picture: &'static str,
    encoder: &'a str,
    target_bps: u64,
    actual_bps: u64,
    source_lost: u64,
    restarts: u64,
}

impl Telemetry {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { started: now, next: now }
    }

    /// Tells it when it is time. What nobody took by the next time is old, and given up.
    pub(crate) fn tell(&mut self, now: Instant, unit: Unit<'_>, sender: &mut Sender) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        let uptime_s = (now - self.started).as_secs();
        let Ok(body) = serde_json::to_vec(&status(now, uptime_s, env!("CARGO_PKG_VERSION"), unit)) else { return };
        if let Err(refused) = sender.send_message(now, Channel::Telemetry, body.into(), INTERVAL) {
            tracing::debug!(%refused, "no word of the unit");
        }
    }
}

/// Gateways tell nothing of themselves: one that does is newer.
pub(crate) fn event(event: &ChannelEvent) {
    match event {
        ChannelEvent::Message { channel, id, body } => {
            tracing::info!(?channel, id = id.0, bytes = body.len(), "a message that this build does not know");
        }
        ChannelEvent::Done { channel, id, fate } => tracing::trace!(?channel, id = id.0, ?fate, "message"),
    }
}

fn status<'a>(now: Instant, uptime_s: u64, build: &'a str, unit: Unit<'a>) -> Status<'a> {
    Status {
        version: 1,
        build,
        uptime_s,
        capture: unit.capture.map(shown),
        links: unit.modems.map(|state| links(now, state)).unwrap_or_default(),
        panel: unit.panel.map(panel::shown),
    }
}

fn shown(state: &State) -> Capture<'_> {
    Capture {
        source: &state.source,
        picture: match state.picture {
            Picture::Stopped => "stopped",
            Picture::Starting => "starting",
            Picture::Live => "live",
            Picture::Slate => "slate",
        },
        encoder: &state.encoder,
        target_bps: state.target.as_bps(),
        actual_bps: state.actual.as_bps(),
        source_lost: state.counters.source_lost,
        restarts: state.counters.restarts,
    }
}

fn links(now: Instant, state: &modems::State) -> Vec<Link<'_>> {
    let there = state.links.iter().filter(|link| link.state != LinkState::Gone).take(MOST_LINKS);
    let shown = there.map(|link| {
        let tenths = |value: Option<i16>| value.map(|tenths| f32::from(tenths) / 10.0);
        let fresh = link.radio.as_ref().filter(|radio| now.since(radio.at).as_millis() < radio.stale_after_ms.into());
        let by_port = format!("port:{}", link.port);
        let counted = link.iccid.as_deref().unwrap_or(&by_port);
        let data = state.data.iter().find(|data| data.iccid == counted);
        let modem = state.modems.iter().find(|modem| modem.link.as_deref() == Some(&link.name));
        Link {
            name: &link.name,
            label: &link.label,
            kind: match link.kind {
                LinkKind::Modem => "modem",
                LinkKind::Stick => "stick",
                LinkKind::Phone => "phone",
                LinkKind::Wifi => "wifi",
                LinkKind::Ethernet => "ethernet",
            },
            state: match link.state {
                LinkState::Gone => "gone",
                LinkState::NoCarrier => "no_carrier",
                LinkState::NoAddress => "no_address",
                LinkState::NoWayOut => "no_way_out",
                LinkState::Ready => "ready",
            },
            network: modem.map(|modem| Network {
                operator: &modem.network.operator,
                technology: modem.network.technologies.first().map_or("", String::as_str),
                roaming: modem.network.roaming,
            }),
            radio: fresh.map(|radio| Radio {
                age_s: now.since(radio.at).as_secs(),
                percent: radio.percent,
                rsrp_dbm: tenths(radio.rsrp_tenth_dbm),
                rsrq_db: tenths(radio.rsrq_tenth_db),
                sinr_db: tenths(radio.sinr_tenth_db),
                health: radio.health,
                anchor: radio.anchor.map(|anchor| Anchor {
                    rsrp_dbm: tenths(anchor.rsrp_tenth_dbm),
                    rsrq_db: tenths(anchor.rsrq_tenth_db),
                    sinr_db: tenths(anchor.sinr_tenth_db),
                }),
            }),
            data: data.map(|data| Data { bytes: data.bytes, plan_bytes: data.plan.map(|plan| plan.bytes) }),
        }
    });
    shown.collect()
}

/// A gateway shows no more than 8 KiB.
const MOST_LINKS: usize = 12;
/// Often enough for people, for 0.5 kbit/s.
const INTERVAL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use bondbox_ipc::modems::Usage;

    use super::*;

    #[test]
    fn a_reading_that_is_old_is_not_told() {
        let radio = modems::Radio {
            at: Instant::from_millis(10_000),
            stale_after_ms: 5_000,
            rssi_tenth_dbm: None,
            rsrp_tenth_dbm: Some(-955),
            rsrq_tenth_db: None,
            sinr_tenth_db: None,
            anchor: None,
            percent: None,
            health: Some(71),
            handover: false,
        };
        let link = modems::Link {
            port: "usb1-1".into(),
            name: "wwan0".into(),
            label: "left".into(),
            colour: [0; 3],
            kind: LinkKind::Modem,
            state: LinkState::Ready,
            addresses: Vec::new(),
            usage: Usage::default(),
            radio: Some(radio),
            iccid: None,
            recovery: bondbox_ipc::modems::Recovery::default(),
        };
        let data = modems::Data { iccid: "port:usb1-1".into(), bytes: 7, plan: None, over: false };
        let state = modems::State { links: vec![link], data: vec![data], ..modems::State::default() };
        let told = |seconds: u64| serde_json::to_value(links(Instant::from_millis(seconds * 1_000), &state)).unwrap();
        assert_eq!(told(12)[0]["radio"]["rsrp_dbm"], -95.5);
        assert_eq!(told(12)[0]["radio"]["age_s"], 2);
        assert_eq!(told(12)[0]["data"]["bytes"], 7);
        assert_eq!(told(15)[0].get("radio"), None);
    }

    #[test]
    fn a_link_has_the_network_of_the_modem_that_is_part_of_it() {
        let (_, mut state, _) = full(2);
        // Its port is that of a link, which it is no part of.
        state.modems[1].link = None;
        let told = serde_json::to_value(links(Instant::ZERO, &state)).unwrap();
        assert_eq!(told[0]["network"]["technology"], "5G NR");
        assert_eq!(told[1].get("network"), None);
    }

    /// Everything that a unit can say; `links` of them.
    fn full(links: usize) -> (State, modems::State, panel_protocol::State) {
        use bondbox_ipc::{capture, panel as p};
        let radio = modems::Radio {
            at: Instant::ZERO,
            stale_after_ms: 5_000,
            rssi_tenth_dbm: Some(-805),
            rsrp_tenth_dbm: Some(-1_045),
            rsrq_tenth_db: Some(-125),
            sinr_tenth_db: Some(-35),
            anchor: Some(modems::Anchor {
                rsrp_tenth_dbm: Some(-983),
                rsrq_tenth_db: Some(-110),
                sinr_tenth_db: Some(125),
            }),
            percent: Some(63),
            health: Some(71),
            handover: false,
        };
        let (mut modem_links, mut devices, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..links {
            let (name, iccid) = (format!("wwan{number}"), format!("8949020000000000{number:03}"));
            modem_links.push(modems::Link {
                port: format!("usb1-1.4.3.{number}"),
                name: name.clone(),
                label: "a name of thirty-two bytes, full".into(),
                colour: [0; 3],
                kind: LinkKind::Modem,
                state: LinkState::NoWayOut,
                addresses: Vec::new(),
                usage: Usage::default(),
                radio: Some(radio),
                iccid: Some(iccid.clone()),
                recovery: bondbox_ipc::modems::Recovery::default(),
            });
            devices.push(modems::Modem {
                port: format!("usb1-1.4.3.{number}"),
                model: "Quectel RM502Q-AE".into(),
                revision: String::new(),
                equipment: String::new(),
                state: modems::ModemState::Connected,
                reason: None,
                link: Some(name),
                sim: None,
                network: modems::Network {
                    operator: "an operator of thirty bytes ok".into(),
                    code: "26201".into(),
                    roaming: true,
                    technologies: vec!["5G NR".into(), "LTE".into()],
                    ..modems::Network::default()
                },
                radio: None,
                bands: Vec::new(),
                bands_allowed: Vec::new(),
                recovery: modems::Recovery::default(),
                quirks: Vec::new(),
            });
            let plan = modems::Plan { bytes: 50_000_000_000, day: 1 };
            data.push(modems::Data { iccid, bytes: 12_345_678_901, plan: Some(plan), over: false });
        }
        let capture = State {
            source: "/dev/video0".into(),
            picture: Picture::Live,
            meant_on_air: true,
            encoder: "x264enc".into(),
            target: bondbox_units::Bitrate::from_kbps(4_000),
            actual: bondbox_units::Bitrate::from_kbps(3_900),
            encode_delay_us: 7_000,
            tracks: Vec::new(),
            counters: capture::Counters::default(),
        };
        let failing = |kind: &str| p::Device {
            kind: kind.into(),
            name: String::new(),
            failure: Some(format!("{} is not there", "/sys/class/hwmon/a/long/path/to/it".repeat(3))),
        };
        let panel = p::State {
            battery: Some(p::Battery {
                charge_permille: 147,
                charging: false,
                millivolts: Some(7_012),
                milliwatts: Some(9_000),
                left_s: Some(1_860),
            }),
            mains: Some(false),
            step: p::BatteryStep::Low,
            temperature_mc: Some(61_249),
            fan_percent: Some(55),
            devices: ["lights", "keys", "battery", "mains", "temperature", "fan"].map(failing).to_vec(),
            ..p::State::saying(p::Meaning::LowBattery)
        };
        (capture, modems::State { links: modem_links, modems: devices, data, ..modems::State::default() }, panel)
    }

    #[test]
    fn the_word_of_a_full_unit_is_one_that_a_gateway_shows() {
        let (capture, modems, panel) = full(MOST_LINKS);
        let unit = Unit { capture: Some(&capture), modems: Some(&modems), panel: Some(&panel) };
        let said = serde_json::to_vec(&status(Instant::ZERO, u64::MAX, "0.1.0", unit)).unwrap();
        assert!(said.len() < 7 << 10, "{}", said.len());
    }

    #[test]
    fn the_word_of_a_unit_is_as_it_was() {
        let (capture, modems, mut panel) = full(1);
        panel.devices.truncate(1);
        let unit = Unit { capture: Some(&capture), modems: Some(&modems), panel: Some(&panel) };
        // As it travels.
        let said = |uptime_s, unit| {
            let bytes = serde_json::to_vec(&status(Instant::ZERO, uptime_s, "0.1.0", unit)).unwrap();
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
        };
        let golden: serde_json::Value = serde_json::from_str(include_str!("telemetry/golden/1.json")).unwrap();
        assert_eq!(said(1_234, unit), golden);
        let bare = said(7, Unit { capture: None, modems: None, panel: None });
        assert_eq!(bare, serde_json::json!({"version": 1, "build": "0.1.0", "uptime_s": 7}));
    }
}
