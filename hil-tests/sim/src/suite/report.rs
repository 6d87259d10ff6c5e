//! What became of a case, in one line.

use std::time::Duration;

use super::{Besides, Bounds, Case, at};
use crate::Outcome;

/// A case and its outcomes, one a seed.
#[derive(Clone, Debug)]
pub struct Row {
    /// The case.
    pub case: &'static Case,
    /// In the order of the seeds.
    pub outcomes: Vec<Outcome>,
    /// In the same order, where they were asked for.
    pub bounds: Vec<Bounds>,
    /// What of its bar does not hold.
    pub missed: Vec<String>,
}

impl Row {
    pub(super) fn new(case: &'static Case, outcomes: Vec<Outcome>, bounds: Vec<Bounds>, before: &[Self]) -> Self {
        let mut row = Self { case, outcomes, bounds, missed: vec![] };
        row.judge(before);
        row
    }

    /// Of the column names over the lines that [`Row`]s print.
    pub const HEAD: &'static str =
        "case                         median   worst  undec.  damage     p99  excess  return";

    /// Percent on time: median seed.
    pub fn median(&self) -> f64 {
        self.sorted(Outcome::on_time_percent)[(self.outcomes.len() - 1) / 2]
    }

    /// Percent on time: worst seed.
    pub fn worst(&self) -> f64 {
        self.sorted(Outcome::on_time_percent)[0]
    }

    /// 99th percentile of the delay: worst seed.
    pub fn p99(&self) -> Duration {
        self.most(|outcome| outcome.delay[1])
    }

    fn sorted(&self, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.outcomes.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn most<T: Ord + Default>(&self, of: impl Fn(&Outcome) -> T) -> T {
        self.outcomes.iter().map(of).max().unwrap_or_default()
    }

    fn highest(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        self.outcomes.iter().map(of).fold(0.0, f64::max)
    }

    fn judge(&mut self, before: &[Self]) {
        let bar = self.case.bar;
        let mut missed = vec![];
        let mut least = |what: &str, is: f64, bar: f64| {
            if is < bar {
                missed.push(format!("{what} {is:.3} < {bar}"));
            }
        };
        least("median", self.median(), bar.median);
        least("worst", self.worst(), bar.worst);
        if let Besides::Critical(bar) = bar.besides {
            let worst = self.outcomes.iter().map(Outcome::critical_percent).fold(100.0, f64::min);
            least("critical", worst, bar);
        }
        let mut most = |what: &str, is: f64, bar: f64| {
            if is > bar {
                missed.push(format!("{what} {is:.4} > {bar}"));
            }
        };
        most("excess", self.highest(Outcome::excess), bar.excess);
        most("return", self.highest(Outcome::return_share), RETURN);
        most("wrong", self.highest(|outcome| outcome.wrong as f64), 0.0);
        match bar.besides {
            Besides::Nothing | Besides::Critical(_) => {}
            Besides::LikeWithout(name) => {
                if let Some(other) = before.iter().find(|row| row.case.name == name) {
                    most("on time, points below without", other.median() - self.median(), 0.01);
                    most(
                        "p99, ms above without",
                        self.p99().as_secs_f64() * 1e3 - other.p99().as_secs_f64() * 1e3,
                        10.0,
                    );
                }
            }
            Besides::BackAfter(end) => {
                let last =
                    self.highest(|outcome| outcome.missed.last().map_or(0.0, |last| last.as_micros() as f64 / 1e6));
                most("s of damage after the end", last - end, 2.0);
            }
            Besides::Halved(when) => {
                most("told after ms", self.highest(|outcome| told_after(outcome, when)), 200.0);
                most("references lost", self.highest(|outcome| outcome.references_missed as f64), 0.0);
                most("seconds to 90 %", self.highest(|outcome| back_after(outcome, when)), 10.0);
                if self.case.latency_ms >= 1_000 {
                    most("lost", self.highest(|outcome| (outcome.units - outcome.on_time) as f64), 0.0);
                }
            }
        }
        self.missed = missed;
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = format!("{} @{}", self.case.name, self.case.latency_ms);
        write!(
            f,
            "{:<27} {:>7.3} {:>7.3} {:>7} {:>7} {:>7} {:>7.4} {:>7.4}  ",
            name,
            self.median(),
            self.worst(),
            self.most(|outcome| outcome.undecodable),
            self.most(|outcome| outcome.longest_damage).as_millis(),
            self.p99().as_millis(),
            self.highest(Outcome::excess),
            self.highest(Outcome::return_share),
        )?;
        if !self.bounds.is_empty() {
            let worst = |of: fn(&Bounds) -> f64| self.bounds.iter().map(of).fold(100.0, f64::min);
            write!(f, "{:>7.3} {:>7.3}  ", worst(|bounds| bounds.oracle), worst(|bounds| bounds.informed))?;
        }
        match self.missed.as_slice() {
            [] => write!(f, "holds"),
            missed => write!(f, "MISSED: {}", missed.join("; ")),
        }
    }
}

/// Milliseconds from `when` to the first lower target.
fn told_after(outcome: &Outcome, when: f64) -> f64 {
    let mut before = None;
    for (told, rate) in &outcome.targets {
        if *told >= at(when) && before.is_some_and(|before| *rate < before) {
            return (*told - at(when)).as_secs_f64() * 1e3;
        }
        before = Some(*rate);
    }
    f64::INFINITY
}

/// Seconds from `when` until the target is at 90 % of the highest that it reaches until the end, and stays there.
fn back_after(outcome: &Outcome, when: f64) -> f64 {
    let later: Vec<_> = outcome.targets.iter().filter(|(told, _)| *told >= at(when)).collect();
    let least =
        later.iter().rev().take_while(|(told, _)| *told >= at(when + 10.0)).map(|(_, rate)| rate.as_bps()).max();
    let least = least.unwrap_or(0) as f64 * 0.9;
    let last_below = later.iter().rposition(|(_, rate)| (rate.as_bps() as f64) < least);
    last_below.and_then(|index| later.get(index + 1)).map_or(0.0, |(told, _)| (*told - at(when)).as_secs_f64())
}

/// Bytes to the unit per byte from it.
const RETURN: f64 = 0.03;
