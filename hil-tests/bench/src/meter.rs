//! What became of a stream: what was sent held against what arrived.

use std::time::Duration;

use serde::Serialize;

/// A datagram that came out as it went in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) number: u64,
    pub(crate) received_us: u64,
}

/// Everything that came out, in the order it did.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    pub(crate) intact: Vec<Arrival>,
    /// When datagrams came that nobody sent like this.
    pub(crate) altered_us: Vec<u64>,
}

/// Datagrams sent from `from_us` on and before `to_us` are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
}

/// Figures of the datagrams in a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    /// Came out, late or not, each once.
    pub(crate) delivered: u64,
    /// Came out no later than the budget and 20 ms after they were sent.
    pub(crate) on_time: u64,
    /// Came out later than that.
    pub(crate) late: u64,
    /// Never came out.
    pub(crate) lost: u64,
    /// Came out once more.
    pub(crate) duplicates: u64,
    /// Came out after one that was sent later.
    pub(crate) out_of_order: u64,
    /// Came out, but nobody sent it like this.
    pub(crate) altered: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// The longest time in which nothing came out.
    pub(crate) gap_ms: f64,
}

impl Outcome {
    /// Share of what was sent.
    pub(crate) fn on_time_percent(&self) -> f64 {
        100.0 * self.on_time as f64 / self.sent as f64
    }
}

/// Holds `arrivals` against `sent_us`, the time of sending by number.
pub(crate) fn outcome(sent_us: &[u64], arrivals: &Arrivals, window: Window, budget: Duration) -> Outcome {
    let budget_us = budget.as_micros() as u64;
    let counted = |sent_us: u64| (window.from_us..window.to_us).contains(&sent_us);
    let sent = sent_us.iter().filter(|at| counted(**at)).count() as u64;
    // What is in the window comes out a budget later. Silence up to either edge is silence, too.
    let due = Window { from_us: window.from_us + budget_us, to_us: window.to_us + budget_us };

    let mut outcome = Outcome { sent, ..Outcome::default() };
    outcome.altered = arrivals.altered_us.iter().filter(|at| **at >= window.from_us).count() as u64;
    let mut came = vec![false; sent_us.len()];
    let (mut highest, mut last_us, mut gap_us) = (0, due.from_us, 0);
    let mut delays_us = Vec::new();
    for arrival in &arrivals.intact {
        let at_us = arrival.received_us.clamp(due.from_us, due.to_us);
        gap_us = gap_us.max(at_us.saturating_sub(last_us));
        last_us = at_us;
        let Some(&sent_at_us) = sent_us.get(arrival.number as usize) else {
            outcome.altered += 1;
            continue;
        };
        let again = std::mem::replace(&mut came[arrival.number as usize], true);
        let overtaken = arrival.number < highest;
        highest = highest.max(arrival.number);
        if !counted(sent_at_us) {
            continue;
        }
        if again {
            outcome.duplicates += 1;
            continue;
        }
        outcome.out_of_order += u64::from(overtaken);
        let delay_us = arrival.received_us.saturating_sub(sent_at_us);
        let in_time = delay_us <= budget_us + ALLOWANCE.as_micros() as u64;
        *if in_time { &mut outcome.on_time } else { &mut outcome.late } += 1;
        delays_us.push(delay_us);
    }
    outcome.delivered = outcome.on_time + outcome.late;
    outcome.lost = sent - outcome.delivered;
    delays_us.sort_unstable();
    let quantile = |share: f64| {
        let rank = (delays_us.len() as f64 * share).ceil() as usize;
        delays_us.get(rank.saturating_sub(1)).map_or(f64::NAN, |delay_us| *delay_us as f64 / 1e3)
    };
    (outcome.p50_ms, outcome.p99_ms, outcome.max_ms) = (quantile(0.5), quantile(0.99), quantile(1.0));
    outcome.gap_ms = gap_us.max(due.to_us - last_us) as f64 / 1e3;
    outcome
}

/// The grain of timers on the way, and of the meter itself.
const ALLOWANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(100);
    const MS: u64 = 1_000;

    /// A hundred datagrams, one each millisecond from 1,000 ms on; the twenty from 1,050 ms on are counted.
    fn sent() -> Vec<u64> {
        (0..100).map(|number| (1_000 + number) * MS).collect()
    }

    fn measure(arrivals: Vec<(u64, u64)>) -> Outcome {
        let intact = arrivals.into_iter().map(|(number, ms)| Arrival { number, received_us: ms * MS }).collect();
        let window = Window { from_us: 1_050 * MS, to_us: 1_070 * MS };
        outcome(&sent(), &Arrivals { intact, altered_us: vec![] }, window, BUDGET)
    }

    fn punctual() -> Vec<(u64, u64)> {
        (0..100).map(|number| (number, 1_100 + number)).collect()
    }

    #[test]
    fn a_stream_that_comes_as_it_should_has_no_fault() {
        let expected = Outcome {
            sent: 20,
            delivered: 20,
            on_time: 20,
            p50_ms: 100.0,
            p99_ms: 100.0,
            max_ms: 100.0,
            gap_ms: 1.0,
            ..Outcome::default()
        };
        assert_eq!(measure(punctual()), expected);
        assert_eq!(expected.on_time_percent(), 100.0);
    }

    #[test]
    fn late_begins_behind_budget_and_allowance() {
        let mut arrivals = punctual();
        arrivals[55].1 += 20;
        assert_eq!(measure(arrivals.clone()).late, 0);
        arrivals[55].1 += 1;
        let outcome = measure(arrivals);
        assert_eq!((outcome.late, outcome.on_time, outcome.delivered), (1, 19, 20));
        assert_eq!(outcome.max_ms, 121.0);
    }

    #[test]
    fn what_is_missing_is_lost_and_leaves_a_gap() {
        let outcome = measure(punctual().into_iter().filter(|(number, _)| !(52..62).contains(number)).collect());
        assert_eq!((outcome.lost, outcome.delivered), (10, 10));
        assert_eq!(outcome.gap_ms, 11.0);
        assert_eq!(outcome.on_time_percent(), 50.0);
    }

    #[test]
    fn a_stream_that_stops_is_one_gap_up_to_the_end() {
        assert_eq!(measure(punctual().into_iter().filter(|(number, _)| *number < 60).collect()).gap_ms, 11.0);
        let nothing = measure(vec![]);
        assert_eq!((nothing.lost, nothing.gap_ms), (20, 20.0));
        assert!(nothing.p50_ms.is_nan());
    }

    #[test]
    fn a_second_copy_is_a_duplicate_and_nothing_else() {
        let mut arrivals = punctual();
        arrivals.insert(60, (58, 1_160));
        let outcome = measure(arrivals);
        assert_eq!((outcome.duplicates, outcome.delivered, outcome.out_of_order, outcome.late), (1, 20, 0, 0));
    }

    #[test]
    fn what_is_overtaken_is_out_of_order() {
        let mut arrivals = punctual();
        arrivals.swap(60, 61);
        assert_eq!(measure(arrivals).out_of_order, 1);
    }

    #[test]
    fn what_nobody_sent_is_altered() {
        let mut arrivals = punctual();
        arrivals.push((100, 1_200));
        assert_eq!(measure(arrivals).altered, 1);
        let window = Window { from_us: 1_050 * MS, to_us: 1_070 * MS };
        let noise = Arrivals { intact: vec![], altered_us: vec![1_049 * MS, 1_050 * MS] };
        assert_eq!(outcome(&sent(), &noise, window, BUDGET).altered, 1);
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let arrivals = (0..100).map(|number| (number, 1_100 + number + number % 50)).collect();
        let outcome = measure(arrivals);
        assert_eq!((outcome.p50_ms, outcome.p99_ms, outcome.max_ms), (109.0, 119.0, 119.0));
    }
}
