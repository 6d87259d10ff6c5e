//! Several runs as one row: each figure's median, and how far the runs lie apart.

use serde::Serialize;

use crate::measured::Measured;

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// A figure that every run has.
pub(crate) struct Figure {
    /// With its unit.
    pub(crate) name: &'static str,
    /// As tables call it.
    pub(crate) heading: &'static str,
    /// Digits that mean something.
    pub(crate) decimals: usize,
    pub(crate) of: fn(&Measured) -> f64,
}

/// What came out.
pub(crate) const ARRIVED: &[Figure] = &[
    figure("on_time_percent", "on time %", 3, |run| run.outcome.on_time_percent()),
    figure("within_second_percent", "in 1 s %", 2, |run| {
        100.0 * run.outcome.within_second as f64 / run.outcome.sent as f64
    }),
    figure("late", "late", 0, |run| run.outcome.late as f64),
    figure("lost", "lost", 0, |run| run.outcome.lost as f64),
    figure("duplicates", "twice", 0, |run| run.outcome.duplicates as f64),
    figure("out_of_order", "disorder", 0, |run| run.outcome.out_of_order as f64),
    figure("altered", "altered", 0, |run| run.outcome.altered as f64),
    figure("p50_ms", "p50 ms", 1, |run| run.outcome.p50_ms),
    figure("p99_ms", "p99 ms", 1, |run| run.outcome.p99_ms),
    figure("max_ms", "max ms", 1, |run| run.outcome.max_ms),
    figure("gap_ms", "gap ms", 1, |run| run.outcome.gap_ms),
    figure("pictures_undecodable_percent", "no picture %", 2, |run| {
        run.outcome.pictures.map_or(f64::NAN, |counted| 100.0 * counted.undecodable as f64 / counted.sent as f64)
    }),
    figure("damage_ms", "damage ms", 0, |run| run.outcome.pictures.map_or(f64::NAN, |counted| counted.damage_ms)),
];

/// What it took.
pub(crate) const TAKEN: &[Figure] = &[
    figure("unit_processor_s_per_gb", "unit s/GB", 2, |run| run.processor_per_gb(run.unit)),
    figure("gateway_processor_s_per_gb", "gateway s/GB", 2, |run| run.processor_per_gb(run.gateway)),
    figure("processor_s_per_gb", "sum s/GB", 2, |run| {
        run.processor_per_gb(run.unit) + run.processor_per_gb(run.gateway)
    }),
    figure("unit_calls", "unit calls", 2, |run| run.unit.calls_per_datagram.unwrap_or(f64::NAN)),
    figure("gateway_calls", "gateway calls", 2, |run| run.gateway.calls_per_datagram.unwrap_or(f64::NAN)),
    figure("cost", "wire cost", 4, Measured::cost),
    figure("return_percent", "return %", 2, |run| 100.0 * run.return_share()),
    figure("unit_peak_rss_mib", "unit MiB", 1, |run| run.unit.peak_rss_kib as f64 / 1024.0),
    figure("gateway_peak_rss_mib", "gateway MiB", 1, |run| run.gateway.peak_rss_kib as f64 / 1024.0),
    figure("harness_worst_ms", "harness ms", 1, |run| run.harness.worst_ms()),
];

/// The figure over `runs`, of which there is at least one.
pub(crate) fn spread(figure: &Figure, runs: &[Measured]) -> Spread {
    let mut values: Vec<f64> = runs.iter().map(figure.of).collect();
    values.sort_by(f64::total_cmp);
    Spread { median: median(&values), least: values[0], most: values[values.len() - 1] }
}

/// Of the runs, each link's median share, in percent.
pub(crate) fn shares(runs: &[Measured]) -> Vec<f64> {
    let of_link = |place| {
        let mut values: Vec<f64> = runs.iter().map(|run| 100.0 * run.shares()[place]).collect();
        values.sort_by(f64::total_cmp);
        median(&values)
    };
    (0..runs[0].links.len()).map(of_link).collect()
}

fn median(ascending: &[f64]) -> f64 {
    let middle = ascending.len() / 2;
    if ascending.len() % 2 == 1 { ascending[middle] } else { (ascending[middle - 1] + ascending[middle]) / 2.0 }
}

const fn figure(name: &'static str, heading: &'static str, decimals: usize, of: fn(&Measured) -> f64) -> Figure {
    Figure { name, heading, decimals, of }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::measured::{EndUse, Harness, LinkLoad};
    use crate::meter::Outcome;

    /// A run that brought so many of a thousand datagrams over two links.
    pub(crate) fn brought(on_time: u64) -> Measured {
        let link = |name: &str, up_bytes| LinkLoad { name: name.into(), up_bytes, down_bytes: up_bytes / 100 };
        Measured {
            seed: 1,
            outcome: Outcome {
                sent: 1_000,
                delivered: on_time,
                on_time,
                within_second: on_time,
                lost: 1_000 - on_time,
                ..Outcome::default()
            },
            media_bytes: on_time * 1_000,
            unit: EndUse { processor_s: 0.002, peak_rss_kib: 2_048, calls_per_datagram: Some(1.5) },
            gateway: EndUse { processor_s: 0.001, peak_rss_kib: 1_024, calls_per_datagram: None },
            links: vec![link("a", 300_000), link("b", 900_000)],
            harness: Harness { source_worst_us: 400, emulator_worst_us: 1_500, emulator_p99_us: 50 },
        }
    }

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_around_it() {
        let runs = [brought(900), brought(1_000), brought(990)];
        assert_eq!(spread(&ARRIVED[0], &runs), Spread { median: 99.0, least: 90.0, most: 100.0 });
        assert_eq!(spread(&ARRIVED[0], &runs[..2]), Spread { median: 95.0, least: 90.0, most: 100.0 });
    }

    #[test]
    fn figures_are_those_of_the_run() {
        let run = [brought(1_000)];
        let median = |name| {
            let figure = ARRIVED.iter().chain(TAKEN).find(|figure| figure.name == name).unwrap();
            spread(figure, &run).median
        };
        assert_eq!(median("unit_calls"), 1.5);
        assert!(median("gateway_calls").is_nan() && median("damage_ms").is_nan());
        assert_eq!(median("cost"), 1.2);
        assert_eq!(median("return_percent"), 1.0);
        assert_eq!(median("unit_processor_s_per_gb"), 2.0);
        assert_eq!(median("processor_s_per_gb"), 3.0);
        assert_eq!(median("gateway_peak_rss_mib"), 1.0);
        assert_eq!(median("harness_worst_ms"), 1.5);
        assert_eq!(shares(&run), [25.0, 75.0]);
    }
}
