//! Modems' interfaces whose address the network leases. Others have theirs by netlink, and networkd is told to keep off; of these
//! it is asked to lease, for as long as the bearer is one of that kind.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_ipc::modems::LinkKind;
use bondbox_modem::Manager;
use bondbox_netlink::Network;
use bondbox_system::{Leases, SystemError};
use bondbox_udev::Devices;
use bondbox_units::Instant;
use tokio::sync::mpsc;

use super::Service;
use crate::routes;

/// What networkd was told.
pub(super) struct Leasing {
    /// By the interface's name, its index: what is plugged in again is treated as new.
    leases: BTreeMap<String, u32>,
    /// Somebody tells it something just now, about this interface.
    telling: Option<String>,
    /// What failed is not tried again before.
    not_before: Instant,
    results: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
}

/// How it ended.
pub(super) struct Told {
    interface: String,
    index: u32,
    leases: bool,
    result: Result<(), SystemError>,
}

impl Default for Leasing {
    fn default() -> Self {
        // One is told at a time.
        let (results, told) = mpsc::channel(1);
        Self { leases: BTreeMap::new(), telling: None, not_before: Instant::ZERO, results, told }
    }
}

impl Leasing {
    /// Returns when something that was told has ended.
    pub(super) async fn told(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            // There is always a sender: our own.
            None => std::future::pending().await,
        }
    }

    /// What has ended by now.
    #[cfg(test)]
    pub(super) fn try_told(&mut self) -> Option<Told> {
        self.told.try_recv().ok()
    }
}

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    /// Tells networkd what it has to know anew, one thing at a time. What fails is tried again a while later.
    pub(super) fn lease(&mut self) {
        let there: Vec<(String, u32, Option<bool>)> = self
            .inventory
            .present()
            .filter(|(_, link)| link.kind == LinkKind::Modem)
            .map(|(port, link)| {
                let name = &link.interface.name;
                (name.clone(), link.interface.index, self.wants_lease(port, name))
            })
            .collect();
        let leases = &mut self.leasing.leases;
        leases.retain(|name, index| there.iter().any(|(other, at, _)| other == name && at == index));
        if self.leasing.telling.is_some() || (self.now)() < self.leasing.not_before {
            return;
        }
        let news =
            there.into_iter().find(|(name, _, wants)| wants.is_some_and(|wants| wants != leases.contains_key(name)));
        let Some((interface, index, Some(wants))) = news else { return };
        self.leasing.telling = Some(interface.clone());
        let (service, results) = (self.leases.clone(), self.leasing.results.clone());
        tokio::spawn(async move {
            let result = service.lease(&interface, wants).await;
            // Nobody waits for it any more when the service ends.
            let _ = results.send(Told { interface, index, leases: wants, result }).await;
        });
    }

    /// Whether its bearer's address is leased; `None` while nobody knows better than that all is as before.
    fn wants_lease(&self, port: &bondbox_udev::Port, interface: &str) -> Option<bool> {
        let (_, entry) = self.book.behind(port, interface)?;
        match (&entry.modem.bearer, &entry.ended) {
            // IPv6 needs nobody: the kernel takes what a router tells.
            (Some(bearer), _) => Some(routes::given(bearer).is_some_and(|given| given.leases_ipv4)),
            (None, Some(_)) => Some(false),
            (None, None) => None,
        }
    }

    pub(super) fn end_lease(&mut self, told: Told) {
        let Told { interface, index, leases, result } = told;
        self.leasing.telling = None;
        match result {
            Ok(()) => {
                tracing::info!(link = interface, leases, "networkd is told");
                if leases {
                    self.leasing.leases.insert(interface, index);
                } else {
                    self.leasing.leases.remove(&interface);
                }
            }
            Err(error) => {
                self.leasing.not_before = (self.now)() + AGAIN;
                let what = if leases { "leases no address" } else { "is not left alone" };
                self.complain(format!("{interface}: networkd {what}: {error}"));
            }
        }
    }
}

/// Longer than systemd takes to have networkd read its files, shorter than anybody would wait.
const AGAIN: Duration = Duration::from_secs(10);
