//! What the gateway is told of the unit beside its links: a small JSON object every few seconds.
//!
//! Fields are only ever added, and `version` tells readers when one comes to mean something else.

use std::time::Duration;

use bondbox_bond::Sender;
use bondbox_bond::channel::{Channel, ChannelEvent};
use bondbox_ipc::capture::{Picture, State};
use bondbox_ipc::modems::{self, LinkKind, LinkState};
use bondbox_units::Instant;
use serde::Serialize;

/// Tells it now and then.
pub(crate) struct Telemetry {
    started: Instant,
    next: Instant,
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
}

#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    label: &'a str,
    kind: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    radio: Option<Radio>,
    /// Of the SIM, or of the port, in its month.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Serialize)]
struct Radio {
    rsrp_dbm: Option<f32>,
    rsrq_db: Option<f32>,
    sinr_db: Option<f32>,
    health: Option<u8>,
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
    pub(crate) fn tell(
        &mut self,
        now: Instant,
        capture: Option<&State>,
        modems: Option<&modems::State>,
        sender: &mut Sender,
    ) {
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        let status = Status {
            version: 1,
            build: env!("CARGO_PKG_VERSION"),
            uptime_s: (now - self.started).as_secs(),
            capture: capture.map(shown),
            links: modems.map(|state| links(now, state)).unwrap_or_default(),
        };
        let Ok(body) = serde_json::to_vec(&status) else { return };
        if let Err(refused) = sender.send_message(now, Channel::Telemetry, body.into(), INTERVAL) {
            tracing::debug!(%refused, "no word of the unit");
        }
    }
}

/// Nobody sends commands to the bond itself yet: one that comes is of a newer gateway.
pub(crate) fn event(event: &ChannelEvent) {
    match event {
        ChannelEvent::Message { channel, id, body } => {
            tracing::info!(?channel, id = id.0, bytes = body.len(), "a message that this build does not know");
        }
        ChannelEvent::Done { channel, id, fate } => tracing::trace!(?channel, id = id.0, ?fate, "message"),
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
        let fresh = link.radio.as_ref().filter(|radio| now.since(radio.at).as_millis() <= radio.stale_after_ms.into());
        let by_port = format!("port:{}", link.port);
        let counted = link.iccid.as_deref().unwrap_or(&by_port);
        let data = state.data.iter().find(|data| data.iccid == counted);
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
            radio: fresh.map(|radio| Radio {
                rsrp_dbm: tenths(radio.rsrp_tenth_dbm),
                rsrq_db: tenths(radio.rsrq_tenth_db),
                sinr_db: tenths(radio.sinr_tenth_db),
                health: radio.health,
            }),
            data: data.map(|data| Data { bytes: data.bytes, plan_bytes: data.plan.map(|plan| plan.bytes) }),
        }
    });
    shown.collect()
}

/// A gateway shows no more than 4 KiB.
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
            percent: None,
            health: Some(71),
            ceiling: None,
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
        };
        let data = modems::Data { iccid: "port:usb1-1".into(), bytes: 7, plan: None, over: false };
        let state = modems::State { links: vec![link], data: vec![data], ..modems::State::default() };
        let told = |seconds: u64| serde_json::to_value(links(Instant::from_millis(seconds * 1_000), &state)).unwrap();
        assert_eq!(told(12)[0]["radio"]["rsrp_dbm"], -95.5);
        assert_eq!(told(12)[0]["data"]["bytes"], 7);
        assert_eq!(told(16)[0].get("radio"), None);
    }

    #[test]
    fn the_word_of_a_full_unit_is_one_that_a_gateway_shows() {
        let radio = Radio { rsrp_dbm: Some(-140.5), rsrq_db: Some(-19.5), sinr_db: Some(-10.5), health: Some(100) };
        let of = |_| Link {
            name: "usb1-1.4.3.2.1x",
            label: "a name of thirty-two bytes, full",
            kind: "ethernet",
            state: "no_way_out",
            radio: Some(Radio { ..radio }),
            data: Some(Data { bytes: u64::MAX / 100_000, plan_bytes: Some(u64::MAX / 100_000) }),
        };
        let links: Vec<Link<'_>> = (0..MOST_LINKS).map(of).collect();
        // The rest of it takes half a KiB.
        assert!(serde_json::to_vec(&links).unwrap().len() < 3_500);
    }
}
