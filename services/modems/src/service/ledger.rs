//! What is kept: in memory, in a file that a restart finds, and in one that a power cut leaves.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bondbox_ipc::modems::{Data, Plan, Usage};
use bondbox_udev::Port;
use bondbox_units::{Bitrate, Instant};

use crate::data::{Day, Meter};
use crate::inventory::Inventory;
use crate::kept::{self, Kept, Sim};

pub(super) struct Ledger {
    kept: Kept,
    meter: Meter,
    kept_file: PathBuf,
    /// On the medium.
    lasting: PathBuf,
    /// In memory.
    passing: PathBuf,
    saved: (Instant, u64),
    complaint: String,
}

impl Ledger {
    /// Files that cannot be read are named in `unreadable`.
    pub(super) fn open(now: Instant, state: &Path, run_dir: &Path, unreadable: &mut Vec<String>) -> Self {
        let (lasting, passing) = (state.join("data.json"), run_dir.join("modems-data.json"));
        let mut meter = |path: &Path| kept::read::<Meter>(path, unreadable).unwrap_or_default();
        let meter = meter(&lasting).join(meter(&passing));
        let kept_file = state.join("kept.json");
        let kept = kept::read(&kept_file, unreadable).unwrap_or_default();
        let saved = (now, meter.total());
        Self { kept, meter, kept_file, lasting, passing, saved, complaint: String::new() }
    }

    pub(super) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Changes what an operator said, and keeps it.
    pub(super) fn keep(&mut self, change: impl FnOnce(&mut Kept)) {
        let before = self.kept.clone();
        change(&mut self.kept);
        if self.kept != before {
            let written = kept::write(&self.kept_file, &self.kept, true);
            self.tell(written);
        }
    }

    /// The operator's word, and a step of cost more for a SIM that is over its plan.
    pub(super) fn usage(&self, port: &str, iccid: Option<&str>) -> Usage {
        let said = self.kept.place(port, iccid).map(|place| place.usage).unwrap_or_default();
        let over = self.is_over(&sim_of(port, iccid));
        Usage {
            off: said.off,
            cap: said.cap_bps.map(Bitrate::from_bps),
            cost: if over { (said.cost + OVER_PLAN).min(7) } else { said.cost },
            backup: said.backup,
            dscp: said.dscp,
        }
    }

    /// `sims` are those behind the links' ports.
    pub(super) fn count(
        &mut self,
        (now, date): (Instant, SystemTime),
        inventory: &Inventory,
        sims: &[(Port, Option<String>)],
    ) {
        for (port, iccid) in sims {
            let Some(link) = inventory.links().get(port) else { continue };
            let interface = &link.interface;
            let bytes = interface.received.saturating_add(interface.sent);
            self.meter.on_bytes(&sim_of(port.as_str(), iccid.as_deref()), &interface.name, interface.index, bytes);
        }
        let links = inventory.links();
        self.meter.keep_interfaces(|name, index| {
            links.values().any(|link| link.interface.name == name && link.interface.index == index)
        });
        let kept = &self.kept;
        self.meter.on_day(Day::of(date), |sim| plan_of(kept, sim).map_or(1, |plan| plan.day));
        let passing = kept::write(&self.passing, &self.meter, false);
        self.tell(passing);
        let (saved, bytes) = self.saved;
        if now.since(saved) >= SAVED_EVERY || self.meter.total().abs_diff(bytes) >= SAVED_AFTER {
            self.save(now);
        }
    }

    /// Writes the counts where a power cut leaves them.
    pub(super) fn save(&mut self, now: Instant) {
        let total = self.meter.total();
        if total != self.saved.1 {
            let written = kept::write(&self.lasting, &self.meter, true);
            self.tell(written);
        }
        self.saved = (now, total);
    }

    pub(super) fn set_used(&mut self, now: Instant, sim: &str, bytes: u64) {
        self.meter.set(sim, bytes);
        self.save(now);
    }

    pub(super) fn set_plan(&mut self, sim: &str, plan: Option<Plan>) {
        self.keep(|kept| match plan {
            Some(plan) => kept.sims.entry(sim.to_owned()).or_default().plan = Some((plan.bytes, plan.day)),
            None => {
                if let Some(Sim { plan, .. }) = kept.sims.get_mut(sim) {
                    *plan = None;
                }
            }
        });
    }

    pub(super) fn data(&self) -> Vec<Data> {
        let all = self.meter.sims.iter().map(|(sim, count)| Data {
            iccid: sim.clone(),
            bytes: count.bytes,
            plan: plan_of(&self.kept, sim),
            over: self.is_over(sim),
        });
        all.collect()
    }

    fn is_over(&self, sim: &str) -> bool {
        let carried = self.meter.sims.get(sim).map_or(0, |count| count.bytes);
        plan_of(&self.kept, sim).is_some_and(|plan| carried > plan.bytes)
    }

    fn tell(&mut self, written: std::io::Result<()>) {
        let complaint = written.err().map(|error| error.to_string()).unwrap_or_default();
        if self.complaint != complaint && !complaint.is_empty() {
            tracing::warn!(complaint, "what has to be kept cannot be written");
        }
        self.complaint = complaint;
    }
}

/// Under which name a link's bytes are counted.
pub(super) fn sim_of(port: &str, iccid: Option<&str>) -> String {
    iccid.map_or_else(|| format!("port:{port}"), str::to_owned)
}

fn plan_of(kept: &Kept, sim: &str) -> Option<Plan> {
    kept.sims.get(sim)?.plan.map(|(bytes, day)| Plan { bytes, day })
}

/// Steps of cost that a SIM over its plan has more: any other link does its work as long as it can.
const OVER_PLAN: u8 = 4;
/// A power cut costs no more of the count than this …
const SAVED_EVERY: Duration = Duration::from_secs(900);
/// … or this.
const SAVED_AFTER: u64 = 256 * 1024 * 1024;
