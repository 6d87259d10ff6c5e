//! Steps of recovery, taken.

use std::time::Duration;

use bondbox_ipc::modems::{LinkKind, Step};
use bondbox_modem::{Action, Manager, State};
use bondbox_netlink::Network;
use bondbox_system::Leases;
use bondbox_udev::{Devices, Port, Power, PowerError, Sysfs};
use bondbox_units::Instant;

use super::Service;
use crate::inventory::Link;

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    /// Looks at every port's ladder, and takes the steps that are due.
    pub(super) async fn recover_what_is_ill(&mut self) {
        let now = (self.now)();
        let mut ports: Vec<Port> = self.inventory.present().map(|(port, _)| port.clone()).collect();
        ports.extend(self.book.entries().keys().filter(|port| !self.inventory.links().contains_key(*port)).cloned());
        for port in ports {
            if self.underway.as_ref().is_some_and(|underway| underway.is_at(&port)) {
                continue;
            }
            let (ill, can) = (self.illness(now, &port), self.steps_for(&port));
            if ill.is_none() && !self.ladders.contains_key(&port) {
                continue;
            }
            let ladder = self.ladders.entry(port.clone()).or_default();
            if let Some(step) = ladder.look(now, ill.as_deref(), &can) {
                let reason = ill.unwrap_or_default();
                self.carry_out(&port, step, &reason).await;
            }
        }
    }

    /// A step that an operator asked for: it counts like the others.
    pub(super) async fn take(&mut self, port: &Port, step: Step, reason: &str) {
        self.ladders.entry(port.clone()).or_default().note((self.now)(), step, reason);
        if step == Step::Reconnect {
            // It may be asking for a bearer already, and is asked for another then.
            self.count(port, step, reason);
            self.book.renew(port);
        } else {
            self.carry_out(port, step, reason).await;
        }
    }

    fn count(&mut self, port: &Port, step: Step, reason: &str) {
        tracing::warn!(%port, ?step, reason, "recovery");
        self.counters.recoveries += 1;
    }

    async fn carry_out(&mut self, port: &Port, step: Step, reason: &str) {
        self.count(port, step, reason);
        let object = self.book.entries().get(port).map(|entry| entry.modem.path.clone());
        match (step, object) {
            (Step::Reconnect, Some(path)) => self.act(port.clone(), path, Action::Disconnect).await,
            (Step::Reset, Some(path)) => self.act(port.clone(), path, Action::Reset).await,
            // It went in the same moment.
            (Step::Reconnect | Step::Reset, None) => {}
            (Step::Authorize, _) => switch(&self.power, port, Sysfs::set_authorized),
            (Step::Power, _) => switch(&self.power, port, Sysfs::set_power),
        }
    }

    /// Why what is plugged in there does not carry, though it should.
    fn illness(&self, now: Instant, port: &Port) -> Option<String> {
        let entry = self.book.entries().get(port).filter(|entry| entry.gone.is_none());
        if let Some(failure) = entry.filter(|entry| entry.modem.state == State::Failed).map(|entry| entry.modem.failure)
        {
            // No step brings a SIM.
            return (failure != Some(NO_SIM)).then(|| "ModemManager cannot use it".to_owned());
        }
        let link = self.inventory.links().get(port).filter(|link| link.gone.is_none())?;
        if self.is_unlisted(now, port, link) {
            return Some("ModemManager does not find the modem that it is part of".to_owned());
        }
        let silence = self.proof.silence(now, &link.interface.name)?;
        (!link.interface.addresses.is_empty())
            .then(|| format!("nothing was acknowledged for {} s while other links carry", silence.as_secs()))
    }

    /// Whether ModemManager had time to find the modem behind a modem's interface, and did not: nobody will ask for its bearer.
    fn is_unlisted(&self, now: Instant, port: &Port, link: &Link) -> bool {
        let name = &link.interface.name;
        let expected = link.kind == LinkKind::Modem && self.version.is_some() && self.proof.carries(name) != Some(true);
        let gone = self.book.entries().get(port).and_then(|entry| entry.gone);
        expected && self.book.behind(port, name).is_none() && had_time(now, link.came, self.answers, gone)
    }

    fn steps_for(&self, port: &Port) -> Vec<Step> {
        let modem = self.book.entries().get(port).is_some_and(|entry| entry.gone.is_none());
        let plugged = self.inventory.links().get(port).map(|link| link.kind);
        // An adapter has no network of its own to lose: what is behind it is somebody else's.
        let hangs = modem || matches!(plugged, Some(LinkKind::Stick | LinkKind::Modem));
        let mut steps = Vec::new();
        if modem {
            steps.extend([Step::Reconnect, Step::Reset]);
        }
        if hangs && port.usb().is_some() {
            steps.extend([Step::Authorize, Step::Power]);
        }
        steps
    }
}

/// Since the interface came, ModemManager came, and since it last showed the modem.
fn had_time(now: Instant, came: Instant, answers: Instant, gone: Option<Instant>) -> bool {
    let since = came.max(answers).max(gone.unwrap_or(came));
    now.since(since) >= FOUND
}

/// Off, and on again after a while, on a thread of its own: the kernel takes its time.
fn switch(power: &Sysfs, port: &Port, set: fn(&Sysfs, &Port, bool) -> Result<(), PowerError>) {
    let (power, port) = (power.clone(), port.clone());
    tokio::task::spawn_blocking(move || {
        let off = set(&power, &port, false);
        if off.is_ok() {
            std::thread::sleep(OFF);
        }
        // Whatever became of the first, nothing stays off.
        if let Err(error) = off.and(set(&power, &port, true)) {
            tracing::warn!(%port, %error, "not done");
        }
    });
}

/// ModemManager waits up to 20 s for a modem to say that it is there, and then asks it in several languages.
const FOUND: Duration = Duration::from_secs(90);
/// As `bondbox-modem` names it.
const NO_SIM: &str = "no SIM";
/// Capacitors of a modem are empty after this.
const OFF: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_modem_is_missed_when_modemmanager_had_time_to_find_it() {
        let had_time = |now, came, answers, gone: Option<u64>| had_time(at(now), at(came), at(answers), gone.map(at));
        assert!(!had_time(89, 0, 0, None) && had_time(90, 0, 0, None));
        // It was plugged in again, ModemManager has just come back, or the modem is only just gone from it.
        assert!(!had_time(189, 100, 0, Some(50)) && had_time(190, 100, 0, Some(50)));
        assert!(!had_time(189, 0, 100, None) && had_time(190, 0, 100, None));
        assert!(!had_time(189, 0, 0, Some(100)) && had_time(190, 0, 0, Some(100)));
    }
}
