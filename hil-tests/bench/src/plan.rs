//! What is measured: scenarios, rates, and who runs over which links.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bondbox_linksim::Scenario;
use bondbox_linksim::emulator::unit_address;
use bondbox_linksim::model::LinkConfig;
use serde::Serialize;

use crate::peers::{Peer, UnitLink};

/// A stream over the links of a scenario, and who is to bring it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    /// The file's name without its ending.
    pub(crate) scenario: &'static str,
    /// Of payload.
    pub(crate) rate_kbps: u64,
    /// From the source to the sink.
    pub(crate) latency_ms: u64,
    /// The link to choose if it had to be one.
    pub(crate) best_link: &'static str,
    #[serde(skip)]
    pub(crate) subjects: &'static [Subject],
}

/// A peer, and what it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Subject {
    pub(crate) peer: Peer,
    pub(crate) over: Over,
}

/// Links that a subject may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Over {
    /// All of the scenario.
    AllLinks,
    /// Only the one that the case calls best.
    BestLink,
}

/// What `make bench` measures.
pub(crate) const CASES: [Case; 3] = [
    Case { rate_kbps: 20_000, subjects: &[BOND, BOND_ON_ONE, SRT], ..CLEAN },
    Case { rate_kbps: 8_000, subjects: &[BOND, SRT], ..THREE_LTE },
    // So much that one link carries it, for those that have no more.
    Case { rate_kbps: 4_000, subjects: &[BOND, SRT], ..THREE_LTE },
];

/// What `--check` claims of the bond. The rate of `clean` suits a build without optimisation.
pub(crate) const CHECKED: [Case; 2] = [CLEAN, THREE_LTE];

const CLEAN: Case =
    Case { scenario: "clean", rate_kbps: 10_000, latency_ms: 600, best_link: "wwan1", subjects: &[BOND] };
const THREE_LTE: Case =
    Case { scenario: "three_lte", rate_kbps: 8_000, latency_ms: 600, best_link: "wwan0", subjects: &[BOND] };

const BOND: Subject = Subject { peer: Peer::Bond, over: Over::AllLinks };
const BOND_ON_ONE: Subject = Subject { peer: Peer::Bond, over: Over::BestLink };
/// SRT has one link.
const SRT: Subject = Subject { peer: Peer::Srt, over: Over::BestLink };

impl Case {
    pub(crate) fn budget(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    pub(crate) fn scenario_file(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("scenarios").join(self.scenario).with_extension("toml")
    }

    pub(crate) fn scenario(&self) -> anyhow::Result<Scenario> {
        Ok(Scenario::load(&self.scenario_file())?)
    }

    /// For people, and for names of folders.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}kbps-{}ms", self.scenario, self.rate_kbps, self.latency_ms)
    }
}

impl Subject {
    /// As tables call it.
    pub(crate) fn name(&self) -> String {
        let over = match self.over {
            Over::AllLinks => "all links",
            Over::BestLink => "best link",
        };
        format!("{}, {over}", self.peer.name())
    }

    /// As a folder is called.
    pub(crate) fn folder(&self) -> String {
        self.name().replace(", ", "-").replace(' ', "-")
    }

    /// The links that it may use in a case.
    pub(crate) fn links(&self, case: &Case) -> anyhow::Result<Vec<UnitLink>> {
        let scenario = case.scenario()?;
        let links = scenario.links.iter().enumerate().map(|(place, link)| (link, unit_address(place)));
        let may_use = |link: &LinkConfig| self.over == Over::AllLinks || link.name == case.best_link;
        let describe = |(link, address): (&LinkConfig, _)| UnitLink {
            name: link.name.clone(),
            address,
            round_trip: link.up.delay + link.down.delay,
        };
        Ok(links.filter(|(link, _)| may_use(link)).map(describe).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_links_for_its_subjects() {
        for case in CASES.iter().chain(&CHECKED) {
            let all = case.scenario().unwrap().links.len();
            for subject in case.subjects {
                let expected = if subject.over == Over::AllLinks { all } else { 1 };
                assert_eq!(subject.links(case).unwrap().len(), expected, "{} {}", case.name(), subject.name());
            }
        }
    }

    #[test]
    fn a_link_keeps_its_address_when_it_is_the_only_one() {
        let links = SRT.links(&CLEAN).unwrap();
        assert_eq!((links[0].name.as_str(), links[0].address), ("wwan1", unit_address(1)));
        assert_eq!(links[0].round_trip, Duration::from_millis(20));
    }
}
