//! A network that a test made up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::{Change, Interface, NetlinkError, Network, Snapshot};

/// A network with the interfaces that it was given. Refuses what [`crate::Kernel`] refuses.
#[derive(Debug, Default)]
pub struct Fake {
    now: Mutex<Snapshot>,
    news: Notify,
    looks: AtomicUsize,
}

impl Fake {
    /// Plugs an interface in, or changes the one with its index.
    pub fn plug(&self, interface: Interface) {
        let mut now = self.now();
        now.interfaces.retain(|other| other.index != interface.index);
        now.interfaces.push(interface);
        now.interfaces.sort_by_key(|interface| interface.index);
        self.news.notify_one();
    }

    /// Pulls it out, and its routes with it. Rules stay: they name it, and hold when it comes back.
    pub fn unplug(&self, index: u32) {
        let mut now = self.now();
        now.interfaces.retain(|interface| interface.index != index);
        now.routes.retain(|route| route.interface != index);
        self.news.notify_one();
    }

    /// How often it was looked at.
    pub fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    fn now(&self) -> MutexGuard<'_, Snapshot> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: &Change) -> Result<(), NetlinkError> {
        let mut now = self.now();
        let there = |now: &Snapshot, index: u32| now.interfaces.iter().position(|interface| interface.index == index);
        let missing = || NetlinkError::NoInterface(change.to_string());
        match change {
            Change::AddRule(rule) => {
                if !now.rules.contains(rule) {
                    now.rules.push(rule.clone());
                }
            }
            Change::RemoveRule(rule) => now.rules.retain(|other| other != rule),
            Change::AddRoute(route) => {
                there(&now, route.interface).ok_or_else(missing)?;
                if !now.routes.contains(route) {
                    now.routes.push(route.clone());
                }
            }
            Change::RemoveRoute(route) => now.routes.retain(|other| other != route),
            Change::AddAddress(index, address) => {
                let at = there(&now, *index).ok_or_else(missing)?;
                let addresses = &mut now.interfaces[at].addresses;
                if !addresses.contains(address) {
                    addresses.push(*address);
                    addresses.sort_unstable();
                }
            }
            Change::RemoveAddress(index, address) => {
                if let Some(at) = there(&now, *index) {
                    now.interfaces[at].addresses.retain(|other| other != address);
                }
            }
            Change::SetUp(index) => {
                let at = there(&now, *index).ok_or_else(missing)?;
                now.interfaces[at].up = true;
            }
            Change::SetMtu(index, mtu) => {
                let at = there(&now, *index).ok_or_else(missing)?;
                if *mtu < LEAST_MTU {
                    return Err(NetlinkError::Refused { doing: change.to_string(), reason: "Invalid argument".into() });
                }
                now.interfaces[at].mtu = *mtu;
            }
        }
        now.routes.sort_unstable();
        now.rules.sort_unstable();
        self.news.notify_one();
        Ok(())
    }
}

impl Network for Fake {
    async fn look(&self) -> Result<Snapshot, NetlinkError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        Ok(self.now().clone())
    }

    async fn changed(&mut self) {
        self.news.notified().await;
    }

    async fn apply(&self, change: &Change) -> Result<(), NetlinkError> {
        self.change(change)
    }
}

/// Of Ethernet's cards and what is like them (ETH_MIN_MTU).
const LEAST_MTU: u32 = 68;
