//! Steps of recovery, taken.

use std::collections::BTreeSet;
use std::time::Duration;

use bondbox_ipc::modems::{LinkKind, Step};
use bondbox_modem::{Action, Manager, ModemError, State};
use bondbox_netlink::Network;
use bondbox_system::Leases;
use bondbox_udev::{Devices, Port};
use bondbox_units::Instant;

use super::Service;
use super::switch::{Outcome, Switched};
use crate::inventory::Link;

impl<N: Network, D: Devices, M: Manager, L: Leases> Service<N, D, M, L> {
    /// Looks at every port's ladder, and takes the steps that are due.
    pub(super) async fn recover_what_is_ill(&mut self) {
        let (now, date) = ((self.now)(), (self.date)());
        self.ladders.on_date(now, date);
        self.switches.go_on(now);
        for port in self.ports_to_recover() {
            if self.underway.as_ref().is_some_and(|underway| underway.is_at(&port)) || self.switches.holds(&port) {
                continue;
            }
            let (ill, can) = (self.illness(now, &port), self.steps_for(&port));
            if let Some(step) = self.ladders.look(now, &port, ill.as_deref(), &can) {
                let reason = ill.unwrap_or_default();
                self.carry_out(&port, step, &reason).await;
            }
        }
        self.ladders.tidy(now);
        self.keep_ladders();
    }

    /// Those where something is plugged in, or was until a step took it away.
    fn ports_to_recover(&mut self) -> BTreeSet<Port> {
        let links = self.inventory.present().map(|(port, link)| (port.clone(), link.came));
        let modems = self.book.entries().iter().filter(|(_, entry)| entry.gone.is_none());
        let there: Vec<(Port, Instant)> = links.chain(modems.map(|(port, entry)| (port.clone(), entry.came))).collect();
        for (port, came) in &there {
            self.ladders.seen(port, *came);
        }
        there.into_iter().map(|(port, _)| port).chain(self.ladders.awaiting().map(|(port, _)| port)).collect()
    }

    /// A step that an operator asked for: it counts like the others.
    pub(super) async fn take(&mut self, port: &Port, step: Step, reason: &str) {
        self.ladders.note((self.now)(), port, step, reason);
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
        let object = self.book.entries().get(port).filter(|entry| entry.gone.is_none());
        match (step, object.map(|entry| entry.modem.path.clone())) {
            (Step::Reconnect, Some(path)) => self.act(port.clone(), path, Action::Disconnect, Some(step)).await,
            (Step::Reset, Some(path)) => self.act(port.clone(), path, Action::Reset, Some(step)).await,
            // It went in the same moment.
            (Step::Reconnect | Step::Reset, None) => self.refused(port, step, &ModemError::Gone.to_string()),
            (Step::Authorize | Step::Power, _) => {
                self.ladders.on_off(port, step);
                self.keep_ladders();
                self.switches.off(port, step);
            }
        }
    }

    /// A step was not done: the ladder goes on to the next.
    pub(super) fn refused(&mut self, port: &Port, step: Step, why: &str) {
        tracing::warn!(%port, ?step, why, "recovery: refused");
        self.counters.recoveries_refused += 1;
        self.ladders.refuse(port, step, why);
    }

    /// Something was switched, or was not.
    pub(super) fn end_switch(&mut self, told: Switched) {
        let (port, step) = (told.port.clone(), told.step);
        match self.switches.end((self.now)(), told) {
            Outcome::Off => tracing::debug!(%port, ?step, "off"),
            Outcome::On => {
                tracing::info!(%port, ?step, "on again");
                self.ladders.on_on(&port);
            }
            Outcome::Refused(error) => {
                self.ladders.on_on(&port);
                self.refused(&port, step, &error.to_string());
                self.not_switched(&port, &error.to_string());
            }
            Outcome::StaysOff(error) => {
                tracing::warn!(%port, ?step, %error, "not on again yet");
                self.counters.switch_ons_failed += 1;
            }
        }
        self.keep_ladders();
    }

    /// The service ends: nothing stays off for that.
    pub(super) fn end_switches(&mut self) {
        for port in self.switches.end_all() {
            self.ladders.on_on(&port);
        }
        self.keep_ladders();
    }

    fn keep_ladders(&mut self) {
        let kept = self.ladder_files.keep(((self.now)(), (self.date)()), &self.ladders);
        if let Err(error) = kept {
            self.complain(format!("what was done to get devices back cannot be kept: {error}"));
        }
    }

    /// Why what is plugged in there does not carry, though it should.
    fn illness(&self, now: Instant, port: &Port) -> Option<String> {
        if let Some(step) = self.away(port) {
            return Some(format!("it is not back since {}", done_by(step)));
        }
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

    /// The step that took away what was plugged in there, while nothing is.
    fn away(&self, port: &Port) -> Option<Step> {
        let there = self.inventory.links().get(port).is_some_and(|link| link.gone.is_none())
            || self.book.entries().get(port).is_some_and(|entry| entry.gone.is_none());
        let step = self.ladders.awaiting().find(|(of, _)| of == port).map(|(_, step)| step);
        step.filter(|_| !there)
    }

    fn steps_for(&self, port: &Port) -> Vec<Step> {
        if self.away(port).is_some() {
            // Of a port that is empty only the port is left.
            return port.usb().map(|_| Step::Power).into_iter().collect();
        }
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

const fn done_by(step: Step) -> &'static str {
    match step {
        Step::Reconnect => "its bearer was ended",
        Step::Reset => "it was reset",
        Step::Authorize => "the kernel let go of it",
        Step::Power => "its port was without power",
    }
}

/// ModemManager waits up to 20 s for a modem to say that it is there, and then asks it in several languages.
const FOUND: Duration = Duration::from_secs(90);
/// As `bondbox-modem` names it.
const NO_SIM: &str = "no SIM";

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
