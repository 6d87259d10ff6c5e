//! What each part of the engine is worth: every run with it and without it, on the same network.

use bondbox_bond::sender::Feature;

use super::{Case, Row, Setup, play};
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

/// What runs are compared by: its name and unit, how many decimals tell something, and whether less of it is better.
type Measure = (&'static str, usize, bool, fn(&Outcome) -> f64);

const MEASURES: [Measure; 4] = [
    ("on time, points", 3, false, Outcome::on_time_percent),
    ("can be shown, points", 3, false, Outcome::shown_percent),
    ("critical, points", 3, false, Outcome::critical_percent),
    ("cost, % of the least", 2, true, |outcome| 100.0 * outcome.excess()),
];
/// Of [`MEASURES`]: on time, and cost.
const OVERALL: [usize; 2] = [0, 3];

/// What a part changes, in the order of [`MEASURES`].
type Worth = [Difference; MEASURES.len()];

/// Two tables in Markdown: a line for each part, with the case where it surely gains and that where it surely harms most; and a line
/// for each case where one surely matters.
pub fn ablate(cases: &[&'static Case], features: &[Feature], setup: &Setup) -> anyhow::Result<String> {
    let all = play(cases, setup, |_| {})?;
    let heads = |of: &[Measure]| of.iter().map(|(name, ..)| format!(" {name} |")).collect::<String>();
    let overall = OVERALL.map(|index| MEASURES[index]);
    let mut parts =
        format!("| part |{} shown by | harms most |\n|---|{}---|---|\n", heads(&overall), "---|".repeat(overall.len()));
    let mut each = format!("| part | case |{}\n|---|---|{}\n", heads(&MEASURES), "---|".repeat(MEASURES.len()));
    for feature in features {
        let name = feature.name();
        let without = play(cases, &Setup { features: setup.features.without(*feature), ..setup.clone() }, |_| {})?;
        let pairs = || all.iter().zip(&without);
        let whole = worth(&pairs().flat_map(|(with, without)| outcomes(with, without)).collect::<Vec<_>>());
        let by_case: Vec<(String, Worth)> = pairs()
            .map(|(with, without)| {
                let case = with.case;
                (format!("{} @{}", case.name, case.latency_ms), worth(&outcomes(with, without).collect::<Vec<_>>()))
            })
            .collect();
        let cells = OVERALL.map(|index| format!(" {} |", cell(&MEASURES[index], whole[index])));
        let [gain, harm] = [1.0, -1.0].map(|sign| most(&by_case, sign).unwrap_or_else(|| "nothing".to_owned()));
        parts += &format!("| {name} |{} {gain} | {harm} |\n", cells.concat());
        for (case, worth) in by_case.iter().filter(|(_, worth)| MEASURES.iter().zip(worth).any(|(of, it)| says(of, it)))
        {
            let cells = MEASURES.iter().zip(worth).map(|(of, it)| format!(" {} |", cell(of, *it)));
            each += &format!("| {name} | {case} |{}\n", cells.collect::<String>());
        }
    }
    Ok(format!("{parts}\n{each}"))
}

fn outcomes<'a>(with: &'a Row, without: &'a Row) -> impl Iterator<Item = (&'a Outcome, &'a Outcome)> {
    with.outcomes.iter().zip(&without.outcomes)
}

fn worth(runs: &[(&Outcome, &Outcome)]) -> Worth {
    MEASURES
        .map(|(.., of)| Difference::of(&runs.iter().map(|(with, without)| (of(with), of(without))).collect::<Vec<_>>()))
}

/// Whether a difference is sure, and worth a line.
fn says((_, _, is_cost, _): &Measure, difference: &Difference) -> bool {
    difference.is_sure() && (!is_cost || difference.mean.abs() >= WORTH_SAYING)
}

/// The case with the largest sure difference for the better, or with a `sign` of -1 for the worse, and what it is.
fn most(by_case: &[(String, Worth)], sign: f64) -> Option<String> {
    let better = |(.., is_cost, _): &Measure, mean: f64| if *is_cost { -mean } else { mean };
    let found = by_case.iter().flat_map(|(case, worth)| MEASURES.iter().zip(worth).map(move |(of, it)| (case, of, it)));
    let found = found.filter(|(_, of, it)| says(of, it) && sign * better(of, it.mean) > 0.0);
    let (case, of, it) = found.max_by(|a, b| a.2.mean.abs().total_cmp(&b.2.mean.abs()))?;
    let name = of.0.split(',').next().unwrap_or_default();
    Some(format!("`{case}`: {name} {}", cell(of, *it)))
}

fn cell((_, digits, ..): &Measure, Difference { mean, margin }: Difference) -> String {
    let sure = if (Difference { mean, margin }).is_sure() { "**" } else { "" };
    format!("{sure}{mean:+.digits$}{sure} ± {margin:.digits$}")
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
