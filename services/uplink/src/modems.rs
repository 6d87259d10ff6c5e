//! Links that the modem service knows of, which may die and come back.
//!
//! While it is not there its links stay: interfaces and routes outlive it. A link that the settings name, too, is used as they
//! say. What modems say of their radio is shown and not fed to the bond: it has won nothing there (see `bondbox-radio`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bondbox_bond::sender::LinkUse;
use bondbox_daemon::ipc::{self, Client, Peers, Want};
use bondbox_ipc::modems::{self as protocol, State};

use crate::settings::LinkSetting;

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

    pub(crate) fn handle(&mut self, event: Event) -> Vec<Change> {
        match event {
            Event::State(state) => {
                let changes = self.known.take(&state);
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
}

impl Known {
    fn take(&mut self, state: &State) -> Vec<Change> {
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
        }
        let gone: Vec<String> = self.links.keys().filter(|name| !told.contains(*name)).cloned().collect();
        for name in gone {
            self.links.remove(&name);
            changes.push(Change::Remove(name));
        }
        changes
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
            recovery: bondbox_ipc::modems::Recovery::default(),
        }
    }

    fn state(links: &[Link]) -> State {
        State { links: links.to_vec(), ..State::default() }
    }

    #[test]
    fn what_is_plugged_in_is_used_and_what_is_switched_off_is_not() {
        let mut known = Known::default();
        let add = |name: &str| Change::Add(LinkSetting { name: name.into(), usage: LinkUse::default(), dscp: None });
        let both = [link("usb1-1"), link("usb1-2")];
        assert_eq!(known.take(&state(&both)), [add("usb1-1"), add("usb1-2")]);
        assert_eq!(known.take(&state(&both)), []);
        let mut dear = both.clone();
        dear[0].usage.cost = 4;
        let usage = LinkUse { cost: 4, ..LinkUse::default() };
        assert_eq!(known.take(&state(&dear)), [Change::Use("usb1-1".into(), usage)]);
        dear[0].usage.off = true;
        assert_eq!(known.take(&state(&dear)), [Change::Remove("usb1-1".into())]);
        assert_eq!(known.take(&state(&both[..1])), [add("usb1-1"), Change::Remove("usb1-2".into())]);
    }

    #[test]
    fn a_link_of_the_settings_is_used_as_they_say() {
        let mut known = Known { set: BTreeSet::from(["usb1-1".into()]), ..Known::default() };
        let dear = Link { usage: Usage { cost: 7, ..Usage::default() }, ..link("usb1-1") };
        assert_eq!(known.take(&state(&[dear])), []);
        assert_eq!(known.take(&state(&[])), []);
    }
}
