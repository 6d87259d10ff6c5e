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

/// A table in Markdown: a line for each part over all cases, then one for each case where it surely matters.
pub fn ablate(cases: &[&'static Case], features: &[Feature], setup: &Setup) -> anyhow::Result<String> {
    let all = play(cases, setup, |_| {})?;
    let mut table =
        String::from("| part | case | on time, points (95 %) | cost, % of the least (95 %) |\n|---|---|---|---|\n");
    for feature in features {
        let name = feature.name();
        let without = play(cases, &Setup { features: setup.features.without(*feature), ..setup.clone() }, |_| {})?;
        let pairs = |of: fn(&Outcome) -> f64, case: Option<usize>| {
            let rows = all.iter().zip(&without).enumerate().filter(|(index, _)| case.is_none_or(|case| case == *index));
            let runs = rows.flat_map(|(_, (with, without))| with.outcomes.iter().zip(&without.outcomes));
            Difference::of(&runs.map(|(with, without)| (of(with), of(without))).collect::<Vec<_>>())
        };
        let line = |case: &str, on_time: Difference, cost: Difference| {
            let sure = |difference: Difference| if difference.is_sure() { "**" } else { "" };
            format!(
                "| {name} | {case} | {s}{:+.3}{s} ± {:.3} | {t}{:+.2}{t} ± {:.2} |\n",
                on_time.mean,
                on_time.margin,
                cost.mean,
                cost.margin,
                s = sure(on_time),
                t = sure(cost)
            )
        };
        let of = |case| (pairs(Outcome::on_time_percent, case), pairs(|outcome| 100.0 * outcome.excess(), case));
        let (on_time, cost) = of(None);
        table += &line("all", on_time, cost);
        for (index, case) in cases.iter().enumerate() {
            let (on_time, cost) = of(Some(index));
            if on_time.is_sure() || (cost.is_sure() && cost.mean.abs() >= WORTH_SAYING) {
                table += &line(&format!("{} @{}", case.name, case.latency_ms), on_time, cost);
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
