//! What each part of the engine is worth: every run with it and without it, on the same network.

use bondbox_bond::sender::Feature;

use super::{Case, Setup, play};
use crate::Outcome;

/// A mean difference of paired runs, and how far off it may be with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// With less without.
    pub mean: f64,
    /// Half the width of the interval (Student 1908).
    pub margin: f64,
}

impl Difference {
    /// Of values that belong together.
    pub fn of(pairs: &[(f64, f64)]) -> Self {
        let n = pairs.len() as f64;
        let mean = pairs.iter().map(|(with, without)| with - without).sum::<f64>() / n.max(1.0);
        let squares: f64 = pairs.iter().map(|(with, without)| (with - without - mean).powi(2)).sum();
        let margin = match pairs.len() {
            0 | 1 => f64::INFINITY,
            pairs => quantile(pairs - 1) * (squares / (n - 1.0) / n).sqrt(),
        };
        Self { mean, margin }
    }

    /// Whether zero lies outside.
    pub fn is_sure(&self) -> bool {
        self.mean.abs() > self.margin
    }
}

/// Of Student's distribution at 97.5 %.
fn quantile(freedom: usize) -> f64 {
    const T: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];
    T.get(freedom - 1).copied().unwrap_or(1.96)
}

/// What runs are compared by: its name and unit, how many decimals tell something, and which difference is worth a line.
type Measure = (&'static str, usize, f64, fn(&Outcome) -> f64);

const MEASURES: [Measure; 4] = [
    ("on time, points", 3, 0.0, Outcome::on_time_percent),
    ("can be shown, points", 3, 0.0, Outcome::shown_percent),
    ("critical, points", 3, 0.0, Outcome::critical_percent),
    ("cost, % of the least", 2, WORTH_SAYING, |outcome| 100.0 * outcome.excess()),
];

/// A table in Markdown: a line for each part over all cases, then one for each case where it surely matters.
pub fn ablate(cases: &[&'static Case], features: &[Feature], setup: &Setup) -> anyhow::Result<String> {
    let all = play(cases, setup, |_| {})?;
    let heads = MEASURES.map(|(name, ..)| format!(" {name} (95 %) |"));
    let mut table = format!("| part | case |{}\n|---|---|{}\n", heads.concat(), "---|".repeat(heads.len()));
    for feature in features {
        let name = feature.name();
        let without = play(cases, &Setup { features: setup.features.without(*feature), ..setup.clone() }, |_| {})?;
        let differences = |case: Option<usize>| {
            let rows = all.iter().zip(&without).enumerate().filter(|(index, _)| case.is_none_or(|case| case == *index));
            let runs: Vec<_> =
                rows.flat_map(|(_, (with, without))| with.outcomes.iter().zip(&without.outcomes)).collect();
            MEASURES.map(|(.., of)| {
                Difference::of(&runs.iter().map(|(with, without)| (of(with), of(without))).collect::<Vec<_>>())
            })
        };
        let mut line = |case: &str, differences: [Difference; 4]| {
            let cells = MEASURES.iter().zip(differences).map(|((_, digits, ..), difference)| {
                let sure = if difference.is_sure() { "**" } else { "" };
                let Difference { mean, margin } = difference;
                format!(" {sure}{mean:+.digits$}{sure} ± {margin:.digits$} |")
            });
            table += &format!("| {name} | {case} |{}\n", cells.collect::<String>());
        };
        line("all", differences(None));
        for (index, case) in cases.iter().enumerate() {
            let of_case = differences(Some(index));
            let says = |(difference, (_, _, worth, _)): (&Difference, &Measure)| {
                difference.is_sure() && difference.mean.abs() >= *worth
            };
            if of_case.iter().zip(&MEASURES).any(says) {
                line(&format!("{} @{}", case.name, case.latency_ms), of_case);
            }
        }
    }
    Ok(table)
}

/// Percent of cost below which a line would say nothing.
const WORTH_SAYING: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_sure_when_pairs_agree() {
        let steady = Difference::of(&[(3.0, 1.0), (13.0, 11.1), (7.0, 4.9), (5.0, 3.0)]);
        assert!((steady.mean - 2.0).abs() < 1e-9 && steady.is_sure(), "{steady:?}");
        // 0.0816 / 2 × 3.182
        assert!((steady.margin - 0.1299).abs() < 1e-3, "{steady:?}");
        assert!(!Difference::of(&[(1.0, 0.0), (0.0, 1.0), (2.0, 1.0)]).is_sure());
        assert!(!Difference::of(&[(1.0, 0.0)]).is_sure());
    }
}
