//! Results for programs: every run, its summary, and the settings that made them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::machine::Machine;
use crate::measured::Measured;
use crate::plan::{Case, Subject};
use crate::summary::{ARRIVED, Spread, TAKEN, spread};

/// All of one invocation.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) cases: Vec<CaseResult>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Settings {
    /// Before a run is counted.
    pub(crate) warm_up_s: u64,
    /// Of each subject.
    pub(crate) runs: u64,
    /// Bytes of payload in each.
    pub(crate) datagram_bytes: usize,
    /// By peer, which build was measured.
    pub(crate) versions: BTreeMap<&'static str, String>,
}

/// One case.
#[derive(Debug, Serialize)]
pub(crate) struct CaseResult {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) subjects: Vec<SubjectResult>,
}

/// One row of a case.
#[derive(Debug, Serialize)]
pub(crate) struct SubjectResult {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) subject: Subject,
    pub(crate) summary: BTreeMap<&'static str, Spread>,
    pub(crate) runs: Vec<Measured>,
}

impl SubjectResult {
    /// Of at least one run.
    pub(crate) fn new(subject: &Subject, runs: Vec<Measured>) -> Self {
        let figures = ARRIVED.iter().chain(TAKEN);
        let summary = figures.map(|figure| (figure.name, spread(figure, &runs))).collect();
        Self { name: subject.name(), subject: *subject, summary, runs }
    }

    /// The run in the middle, by what was on time; of an even number the worse of the two.
    pub(crate) fn middle_run(&self) -> &Measured {
        let mut runs: Vec<_> = self.runs.iter().collect();
        runs.sort_by(|a, b| a.outcome.on_time_percent().total_cmp(&b.outcome.on_time_percent()));
        runs[(runs.len() - 1) / 2]
    }
}

impl Results {
    /// Writes them as JSON.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CASES;
    use crate::summary::tests::brought;

    #[test]
    fn programs_find_runs_and_their_summary() {
        let subject = SubjectResult::new(&CASES[0].subjects[0], vec![brought(1_000), brought(990)]);
        let json = serde_json::to_value(&subject).unwrap();
        assert_eq!(json["runs"][1]["outcome"]["lost"], 10);
        assert_eq!(json["summary"]["lost"]["most"], 10.0);
        assert_eq!(json["runs"][0]["links"][1]["name"], "b");
    }

    #[test]
    fn the_run_in_the_middle_is_never_the_better_of_two() {
        let runs = |all: &[u64]| SubjectResult::new(&CASES[0].subjects[0], all.iter().map(|n| brought(*n)).collect());
        assert_eq!(runs(&[900, 1_000, 950]).middle_run().outcome.on_time, 950);
        assert_eq!(runs(&[1_000, 900]).middle_run().outcome.on_time, 900);
    }
}
