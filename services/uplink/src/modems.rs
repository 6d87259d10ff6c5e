//! Links that the modem service knows of, which may die and come back.
//!
//! While it is not there its links stay: interfaces and routes outlive it. A link that the settings name, too, is used as they
//! say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bondbox_bond::sender::{LinkUse, RadioReport};
use bondbox_daemon::ipc::{self, Client, Peers, Want};
use bondbox_ipc::modems::{self as protocol, Radio, State};
use bondbox_units::Instant;

use crate::settings::LinkSetting;
use crate::show::tenths;

/// What the service says.
pub(crate) type Event = ipc::Event<protocol::Modems>;

/// What has to be done about the links.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// It is to be sent over.
    Add(LinkSetting),
    /// It may be used otherwise than before.
    Use(String, LinkUse),
    /// It is not to be sent over any more.
    Remove(String),
    /// Its modem says so.
    Radio(String, RadioReport),
}

/// The connection to the service, and what came of it.
pub(crate) struct Modems {
    client: Option<Client<protocol::Modems>>,
    known: Known,
    /// As last said, while the service is there.
    state: Option<State>,
}

impl Modems {
    /// Watches it, if that is `wanted`, beside the links `set`.
    pub(crate) fn connect(wanted: bool, run_dir: &Path, set: impl Iterator<Item = String>) -> Self {
        let client = wanted.then(|| Client::connect(run_dir, Peers::with(&[SERVICE_USER.into()]), Want::State));
        Self { client, known: Known { set: set.collect(), ..Known::default() }, state: None }
    }

    /// What the service last said, while it is there.
    pub(crate) const fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Waits for what the service says. May be dropped halfway.
    pub(crate) async fn event(&mut self) -> Event {
        match &mut self.client {
            Some(client) => client.event().await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn handle(&mut self, now: Instant, event: Event) -> Vec<Change> {
        match event {
            Event::State(state) => {
                let changes = self.known.take(now, &state);
                self.state = Some(state);
                return changes;
            }
            Event::Connected(service) => tracing::info!(build = service.build, "the modem service is there"),
            Event::Disconnected(reason) => {
                tracing::info!(reason, "the modem service is not there; the links that it told of stay");
                self.state = None;
            }
            Event::Media(_) => {}
        }
        Vec::new()
    }
}

#[derive(Default)]
struct Known {
    /// Of the settings: they are not the service's to change.
    set: BTreeSet<String>,
    /// As the service told of them.
    links: BTreeMap<String, LinkUse>,
    /// When each was last read.
    read: BTreeMap<String, Instant>,
}

impl Known {
    fn take(&mut self, now: Instant, state: &State) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut told = BTreeSet::new();
        for link in state.links.iter().filter(|link| !link.usage.off) {
            let name = &link.name;
            told.insert(name.clone());
            if !self.set.contains(name) {
                let protocol::Usage { cap, cost, backup, dscp, .. } = link.usage;
                let usage = LinkUse { cap, cost, backup };
                match self.links.insert(name.clone(), usage) {
                    None => changes.push(Change::Add(LinkSetting { name: name.clone(), usage, dscp })),
                    Some(before) if before != usage => changes.push(Change::Use(name.clone(), usage)),
                    Some(_) => {}
                }
            }
            if let Some(radio) = link.radio.as_ref().filter(|radio| self.read.get(name) != Some(&radio.at)) {
                self.read.insert(name.clone(), radio.at);
                changes.push(Change::Radio(name.clone(), report(now, radio)));
            }
        }
        self.read.retain(|name, _| told.contains(name));
        let gone: Vec<String> = self.links.keys().filter(|name| !told.contains(*name)).cloned().collect();
        for name in gone {
            self.links.remove(&name);
            changes.push(Change::Remove(name));
        }
        changes
    }
}

fn report(now: Instant, radio: &Radio) -> RadioReport {
    RadioReport {
        sinr_db: tenths(radio.sinr_tenth_db),
        rsrp_dbm: tenths(radio.rsrp_tenth_dbm),
        rsrq_db: tenths(radio.rsrq_tenth_db),
        ceiling: radio.ceiling,
        watermark: None,
        age: now.since(radio.at),
        stale_after: Duration::from_millis(radio.stale_after_ms.into()),
    }
}

/// The user that the service runs as on a box.
const SERVICE_USER: &str = "bondbox-modems";

#[cfg(test)]
mod tests {
    use bondbox_ipc::modems::{Link, LinkKind, LinkState, Usage};

    use super::*;

    fn link(name: &str) -> Link {
        Link {
            port: format!("port of {name}"),
            name: name.into(),
            label: String::new(),
            colour: [0; 3],
            kind: LinkKind::Stick,
            state: LinkState::Ready,
            addresses: Vec::new(),
            usage: Usage::default(),
            radio: None,
            iccid: None,
        }
    }

    fn state(links: &[Link]) -> State {
        State { links: links.to_vec(), ..State::default() }
    }

    #[test]
    fn what_is_plugged_in_is_used_and_what_is_switched_off_is_not() {
        let mut known = Known::default();
        let add = |name: &str| Change::Add(LinkSetting { name: name.into(), usage: LinkUse::default(), dscp: None });
        let now = Instant::from_millis(1);
        let both = [link("usb1-1"), link("usb1-2")];
        assert_eq!(known.take(now, &state(&both)), [add("usb1-1"), add("usb1-2")]);
        assert_eq!(known.take(now, &state(&both)), []);
        let mut dear = both.clone();
        dear[0].usage.cost = 4;
        let usage = LinkUse { cost: 4, ..LinkUse::default() };
        assert_eq!(known.take(now, &state(&dear)), [Change::Use("usb1-1".into(), usage)]);
        dear[0].usage.off = true;
        assert_eq!(known.take(now, &state(&dear)), [Change::Remove("usb1-1".into())]);
        assert_eq!(known.take(now, &state(&both[..1])), [add("usb1-1"), Change::Remove("usb1-2".into())]);
    }

    #[test]
    fn a_link_of_the_settings_is_used_as_they_say_and_hears_of_its_radio() {
        let mut known = Known { set: BTreeSet::from(["usb1-1".into()]), ..Known::default() };
        let radio = Radio {
            at: Instant::from_millis(4_000),
            stale_after_ms: 15_000,
            rssi_tenth_dbm: None,
            rsrp_tenth_dbm: Some(-1_055),
            rsrq_tenth_db: None,
            sinr_tenth_db: Some(73),
            percent: None,
            health: None,
            ceiling: None,
            handover: false,
        };
        let heard =
            [Link { radio: Some(radio), usage: Usage { off: false, cost: 7, ..Usage::default() }, ..link("usb1-1") }];
        let now = Instant::from_millis(5_000);
        let changes = known.take(now, &state(&heard));
        let expected = RadioReport {
            sinr_db: Some(7.3),
            rsrp_dbm: Some(-105.5),
            age: Duration::from_secs(1),
            stale_after: Duration::from_secs(15),
            ..RadioReport::default()
        };
        assert_eq!(changes, [Change::Radio("usb1-1".into(), expected)]);
        assert_eq!(known.take(now, &state(&heard)), [], "one reading is one report");
        assert_eq!(known.take(now, &state(&[])), []);
    }
}
