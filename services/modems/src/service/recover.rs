//! Steps of recovery, taken.

use std::time::Duration;

use bondbox_daemon::clock;
use bondbox_ipc::modems::{LinkKind, Step};
use bondbox_modem::{Action, State};
use bondbox_netlink::Network;
use bondbox_udev::{Devices, Port, Power, PowerError, Sysfs};
use bondbox_units::Instant;

use super::Service;

impl<N: Network, D: Devices> Service<N, D> {
    /// Looks at every port's ladder, and takes the steps that are due.
    pub(super) async fn recover_what_is_ill(&mut self) {
        let now = clock::now();
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
        self.ladders.entry(port.clone()).or_default().note(clock::now(), step, reason);
        self.carry_out(port, step, reason).await;
    }

    async fn carry_out(&mut self, port: &Port, step: Step, reason: &str) {
        tracing::warn!(%port, ?step, reason, "recovery");
        self.counters.recoveries += 1;
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
        let silence = self.proof.silence(now, &link.interface.name)?;
        (!link.interface.addresses.is_empty())
            .then(|| format!("nothing was acknowledged for {} s while other links carry", silence.as_secs()))
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

/// As `bondbox-modem` names it.
const NO_SIM: &str = "no SIM";
/// Capacitors of a modem are empty after this.
const OFF: Duration = Duration::from_secs(3);
