//! What is measured: scenarios, rates, and who runs over which links.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bondbox_linksim::Scenario;
use bondbox_linksim::emulator::{gateway_link_address, unit_address};
use bondbox_linksim::model::LinkConfig;
use serde::Serialize;

use crate::peers::{Peer, UnitLink};
use crate::source::Shape;

/// A stream over the links of a scenario, and who is to bring it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    /// As plots call it.
    pub(crate) title: &'static str,
    /// The file's name without its ending.
    pub(crate) scenario: &'static str,
    pub(crate) shape: Shape,
    /// Of payload.
    pub(crate) rate_kbps: u64,
    /// From the source to the sink.
    pub(crate) latency_ms: u64,
    /// The link to choose if it had to be one.
    pub(crate) best_link: &'static str,
    /// How long each run is counted: until all has happened that the scenario has, and a while.
    pub(crate) counted_s: u64,
    /// Whether it belongs to the few that are measured in a hurry.
    pub(crate) quick: bool,
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

/// What `make bench` measures, over links that get worse from case to case.
pub(crate) const CASES: [Case; 11] = [
    Case { rate_kbps: 20_000, subjects: &[BOND, BOND_ON_ONE, SRT, RIST, SRTLA], ..CLEAN },
    Case { title: "one link, 5 % loss", scenario: "lossy_link", quick: false, rate_kbps: 5_000, ..THREE_LTE_BESIDE },
    THREE_LTE_BESIDE,
    Case {
        title: "best of three swallows all for 15 s",
        scenario: "three_lte_blackhole",
        rate_kbps: 6_000,
        counted_s: 40,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "four links in a moving car",
        scenario: "four_driving",
        rate_kbps: 6_000,
        counted_s: 60,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "six in a moving car, pictures",
        scenario: "six_driving",
        shape: Shape::Frames,
        rate_kbps: 10_000,
        counted_s: 60,
        quick: false,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "5G and satellite",
        scenario: "five_g_satellite",
        rate_kbps: 14_000,
        counted_s: 60,
        quick: false,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "two good and one awful, pictures",
        scenario: "two_good_one_awful",
        shape: Shape::Frames,
        rate_kbps: 6_000,
        quick: false,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "two of three cut to a third",
        scenario: "two_of_three_cut_to_a_third",
        best_link: "wwan2",
        rate_kbps: 7_000,
        counted_s: 40,
        quick: false,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "two of four swallow all in turn",
        scenario: "two_of_four_blackholed",
        rate_kbps: 5_000,
        counted_s: 50,
        quick: false,
        ..THREE_LTE_BESIDE
    },
    Case {
        title: "the way back loses 15 % in bursts",
        scenario: "feedback_loss",
        rate_kbps: 8_000,
        quick: false,
        ..THREE_LTE_BESIDE
    },
];

/// What `--check` claims of the bond. The rate of `clean` suits a build without optimisation.
pub(crate) const CHECKED: [Case; 3] = [CLEAN, THREE_LTE, FAMILIES];

const CLEAN: Case = Case {
    title: "two clean links",
    scenario: "clean",
    shape: Shape::Constant,
    rate_kbps: 10_000,
    latency_ms: 600,
    best_link: "wwan1",
    counted_s: 30,
    quick: true,
    subjects: &[BOND],
};
const THREE_LTE: Case = Case {
    title: "three LTE",
    scenario: "three_lte",
    shape: Shape::Constant,
    rate_kbps: 8_000,
    latency_ms: 600,
    best_link: "wwan0",
    counted_s: 30,
    quick: true,
    subjects: &[BOND],
};
const FAMILIES: Case = Case {
    title: "IPv4, IPv6, and both until IPv6 dies",
    scenario: "families",
    rate_kbps: 5_000,
    best_link: "wwan0",
    ..CLEAN
};
const THREE_LTE_BESIDE: Case = Case { subjects: &[BOND, SRT, RIST, SRTLA], ..THREE_LTE };

const BOND: Subject = Subject { peer: Peer::Bond, over: Over::AllLinks };
const BOND_ON_ONE: Subject = Subject { peer: Peer::Bond, over: Over::BestLink };
/// SRT has one link.
const SRT: Subject = Subject { peer: Peer::Srt, over: Over::BestLink };
const RIST: Subject = Subject { peer: Peer::Rist, over: Over::AllLinks };
const SRTLA: Subject = Subject { peer: Peer::Srtla, over: Over::AllLinks };

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
        let links = scenario.links.iter().enumerate().map(|(place, link)| (link, place));
        let may_use = |link: &LinkConfig| self.over == Over::AllLinks || link.name == case.best_link;
        let describe = |(link, place): (&LinkConfig, _)| UnitLink {
            name: link.name.clone(),
            address: unit_address(place),
            far_address: gateway_link_address(place),
            families: link.families.clone(),
            rate_kbps: link.up.rate.nominal().as_bps() / 1_000,
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
