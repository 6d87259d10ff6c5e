//! Commands, answered when their effect was seen.

use bondbox_daemon::clock;
use bondbox_daemon::ipc::Responder;
use bondbox_ipc::Refusal;
use bondbox_ipc::modems::{Command, Done, Plan, Usage};
use bondbox_netlink::Network;
use bondbox_udev::{Devices, Port};

use super::Service;
use crate::kept;

impl<N: Network, D: Devices> Service<N, D> {
    pub(super) fn command(&mut self, command: Command, responder: Responder<Done>) {
        match self.keep(command) {
            Ok(done) => responder.done(done),
            Err(refusal) => responder.refuse(refusal),
        }
    }

    /// Those whose effect is that something is kept.
    fn keep(&mut self, command: Command) -> Result<Done, Refusal> {
        let now = clock::now();
        match command {
            Command::Name { port, label, colour } => {
                self.there(&port)?;
                let long_enough = (1..=MAX_LABEL).contains(&label.len()) && !label.contains(char::is_control);
                within(long_enough, "label", &label, "1 to 32 bytes that can be printed")?;
                self.ledger.keep(|kept| {
                    let place = kept.place_mut(&port, None);
                    (place.label, place.colour) = (Some(label), Some(colour));
                });
            }
            Command::SetUsage { port, usage } => {
                self.there(&port)?;
                within(usage.cost <= 7, "cost", &usage.cost, "0 to 7")?;
                within(usage.dscp.is_none_or(|dscp| dscp <= 63), "dscp", &usage.dscp, "0 to 63")?;
                let Usage { off, cap, cost, backup, dscp } = usage;
                let usage = kept::Usage { off, cap_bps: cap.map(|cap| cap.as_bps()), cost, backup, dscp };
                self.ledger.keep(|kept| kept.place_mut(&port, None).usage = usage);
            }
            Command::SetPlan { iccid, plan } => {
                self.counted(&iccid)?;
                let day = plan.map(|Plan { day, .. }| day);
                within(day.is_none_or(|day| (1..=28).contains(&day)), "day", &day, "1 to 28")?;
                self.ledger.set_plan(&iccid, plan);
            }
            Command::SetUsed { iccid, bytes } => {
                self.counted(&iccid)?;
                self.ledger.set_used(now, &iccid, bytes);
            }
            Command::EnterPin { .. }
            | Command::SetAccess { .. }
            | Command::LockBands { .. }
            | Command::SpreadBands
            | Command::Recover { .. } => {
                return Err(Refusal::Unavailable("no modem is known here".into()));
            }
        }
        Ok(Done::Kept)
    }

    fn there(&self, port: &str) -> Result<(), Refusal> {
        let known = self.inventory.links().contains_key(&Port::named(port));
        within(known, "port", &port, "that of a link")
    }

    fn counted(&self, iccid: &str) -> Result<(), Refusal> {
        let known = self.ledger.data().iter().any(|data| data.iccid == iccid);
        within(known, "iccid", &iccid, "one whose data is counted")
    }
}

fn within(ok: bool, key: &str, value: &dyn std::fmt::Debug, must_be: &str) -> Result<(), Refusal> {
    if ok { Ok(()) } else { Err(Refusal::Invalid(format!("{key} is {value:?}, must be {must_be}"))) }
}

const MAX_LABEL: usize = 32;
