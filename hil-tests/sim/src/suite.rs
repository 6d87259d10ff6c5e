//! The scenarios that the bond is judged by: what is streamed over each, and what must become of it.
//!
//! The table is in `suite/cases.rs`. [`JUDGED`] are the seeds that bars are judged on; whoever tunes the engine does it on others,
//! or a bar only shows what was fitted to it. Where something was chosen on them after all, they move on.
//!
//! # What comes of them
//!
//! By `bondbox-sim suite --bounds`, on [`JUDGED`]: percent on time of the median and of the worst seed; of the worst seed also units
//! that cannot be shown (references followed), the longest damage, the 99th percentile of the delay, the cost in parts of the
//! least possible, bytes back per byte forth, and what the bounds get through; at last whether the bar holds, or what does not.
//!
#![doc = include_str!("suite/judged.md")]

mod ablation;
mod cases;
mod plot;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bondbox_bond::sender::{Features, Headroom};
use bondbox_linksim::Scenario;
use bondbox_units::{Bitrate, Instant};

use crate::pool::in_order;
use crate::{Clocks, Config, Outcome, Shape, bounds, run};

pub use ablation::{Difference, ablate};
pub use cases::CASES;
pub use plot::svg;
pub use report::Row;

/// Seeds that bars are judged on: never tune on them. On 500..508 and 900..905 something was chosen or looked at before.
pub const JUDGED: std::ops::Range<u64> = 7_000..7_005;

/// A scenario, a stream over it, and what must become of that.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What `--only` goes by.
    pub name: &'static str,
    /// The file in `hil-tests/scenarios`, without its ending.
    pub scenario: &'static str,
    /// How the stream comes.
    pub shape: Shape,
    /// How fast, at first.
    pub kbps: u64,
    /// It follows the encoder target, up to this.
    pub follow_kbps: Option<u64>,
    /// From in to out.
    pub latency_ms: u64,
    /// How much capacity is kept free.
    pub headroom: Headroom,
    /// How much faster the gateway's clock is.
    pub drift_ppm: i64,
    /// In virtual time.
    pub seconds: u64,
    /// What it must meet.
    pub bar: Bar,
}

/// What a case must meet.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Percent on time, of the median seed.
    pub median: f64,
    /// Percent on time, of the worst seed.
    pub worst: f64,
    /// Cost in parts of the least possible, of the worst seed.
    pub excess: f64,
    /// And what no figure of one case says.
    pub besides: Besides,
}

/// What a bar asks for besides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Besides {
    /// Nothing.
    Nothing,
    /// At most 0.01 points less on time than this case, and a 99th percentile at most 10 ms later.
    LikeWithout(&'static str),
    /// The trouble ends at this second, and what goes in 2 s later and after is on time.
    BackAfter(f64),
    /// So many percent of the critical units of the worst seed are on time.
    Critical(f64),
    /// Capacity halves at this second: the encoder is told within 200 ms, no reference is lost (where the latency is 1 s, no
    /// unit), and 10 s later the target is back at 90 % of what is left.
    Halved(f64),
}

impl Case {
    /// Reads its scenario from the folder of scenarios.
    pub fn scenario(&self, folder: &Path) -> anyhow::Result<Scenario> {
        Ok(Scenario::load(&folder.join(self.scenario).with_extension("toml"))?)
    }

    /// What to play.
    pub fn config(&self, seed: u64) -> Config {
        Config {
            seed,
            duration: Duration::from_secs(self.seconds),
            latency: Duration::from_millis(self.latency_ms),
            shape: self.shape,
            rate: Bitrate::from_kbps(self.kbps),
            follow: self.follow_kbps.map(Bitrate::from_kbps),
            headroom: self.headroom,
            clocks: Clocks { offset_us: 123_456_789, drift_ppm: self.drift_ppm },
            ..Config::default()
        }
    }
}

/// The cases whose names contain one of `only`, or all, and those that they are held against.
pub fn chosen(only: &[String]) -> Vec<&'static Case> {
    let asked = |case: &Case| only.is_empty() || only.iter().any(|part| case.name.contains(part.as_str()));
    let needed = |name| CASES.iter().any(|case| asked(case) && case.bar.besides == Besides::LikeWithout(name));
    CASES.iter().filter(|case| asked(case) || needed(case.name)).collect()
}

/// How cases are played.
#[derive(Clone, Debug)]
pub struct Setup {
    /// One run of each.
    pub seeds: std::ops::Range<u64>,
    /// Where the scenarios are.
    pub folder: PathBuf,
    /// Threads.
    pub jobs: usize,
    /// Whether bounds stand beside.
    pub bounds: bool,
    /// Parts of the engine that are on.
    pub features: Features,
}

/// Plays each case with each seed; `done` gets each case's row, in order.
pub fn play(cases: &[&'static Case], setup: &Setup, mut done: impl FnMut(&Row)) -> anyhow::Result<Vec<Row>> {
    let Setup { seeds, folder, jobs, bounds: with_bounds, features } = setup.clone();
    let scenarios = cases.iter().map(|case| case.scenario(&folder)).collect::<anyhow::Result<Vec<_>>>()?;
    let runs: Vec<(usize, u64)> =
        (0..cases.len()).flat_map(|case| seeds.clone().map(move |seed| (case, seed))).collect();
    let mut rows: Vec<Row> = vec![];
    let of_case = (seeds.end - seeds.start) as usize;
    let (mut outcomes, mut bounds): (Vec<Outcome>, Vec<Bounds>) = Default::default();
    let play = |(case, seed): &(usize, u64)| {
        let scenario = &scenarios[*case];
        let config = Config { features, ..cases[*case].config(*seed) };
        let outcome = run(scenario, &config);
        let bounds = with_bounds.then(|| Bounds::of(scenario, &config, &outcome));
        (outcome, bounds)
    };
    in_order(&runs, jobs, play, |(case, _), (outcome, bound)| {
        outcomes.push(outcome);
        bounds.extend(bound);
        if outcomes.len() == of_case {
            let row = Row::new(cases[*case], std::mem::take(&mut outcomes), std::mem::take(&mut bounds), &rows);
            done(&row);
            rows.push(row);
        }
    });
    Ok(rows)
}

/// What could have been done at best, in percent on time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// By one who knows all.
    pub oracle: f64,
    /// By one who knows all a little later.
    pub informed: f64,
}

impl Bounds {
    /// Of what went in in one run.
    pub fn of(scenario: &Scenario, config: &Config, outcome: &Outcome) -> Self {
        let [oracle, informed] = bounds::of(scenario, config, &outcome.asked.0).map(|bound| bound.percent());
        Self { oracle, informed }
    }
}

/// An instant of the scenario.
fn at(seconds: f64) -> Instant {
    Instant::from_micros((seconds * 1e6) as u64)
}
