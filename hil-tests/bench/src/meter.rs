//! What became of a stream: what was sent held against what arrived.

use std::time::Duration;

use serde::Serialize;

use crate::source::{GROUP, PICTURE_US, Sent};

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
    /// Came out within a second, whatever the budget.
    pub(crate) within_second: u64,
    pub(crate) pictures: Option<Pictures>,
    /// By hundredths of what was sent, when so much had come out, in milliseconds; shorter where the rest never did.
    pub(crate) curve_ms: Vec<f64>,
    /// By [`STRETCH`], what share of what was sent in it came out on time.
    pub(crate) stretches: Vec<f64>,
}

/// What a viewer sees of a stream of pictures: one that misses a datagram shows damage, and so do those that follow it up
/// to the next keyframe that is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Pictures {
    pub(crate) sent: u64,
    pub(crate) undecodable: u64,
    /// The longest time in a row without a good picture.
    pub(crate) damage_ms: f64,
}

impl Outcome {
    /// Share of what was sent.
    pub(crate) fn on_time_percent(&self) -> f64 {
        100.0 * self.on_time as f64 / self.sent as f64
    }
}

/// Holds `arrivals` against what was sent.
pub(crate) fn outcome(sent: &Sent, arrivals: &Arrivals, window: Window, budget: Duration) -> Outcome {
    let sent_us = &sent.at_us[..];
    let budget_us = budget.as_micros() as u64;
    let counted = |sent_us: u64| (window.from_us..window.to_us).contains(&sent_us);
    let number_sent = sent_us.iter().filter(|at| counted(**at)).count() as u64;
    // What is in the window comes out a budget later. Silence up to either edge is silence, too.
    let due = Window { from_us: window.from_us + budget_us, to_us: window.to_us + budget_us };

    let mut outcome = Outcome { sent: number_sent, ..Outcome::default() };
    outcome.altered = arrivals.altered_us.iter().filter(|at| **at >= window.from_us).count() as u64;
    let mut came = vec![false; sent_us.len()];
    let mut in_time = vec![false; sent_us.len()];
    let (mut highest, mut last_us, mut gap_us) = (0, due.from_us, 0);
    let mut delays_us = Vec::new();
    for arrival in &arrivals.intact {
        let at_us = arrival.received_us.clamp(due.from_us, due.to_us);
        gap_us = gap_us.max(at_us.saturating_sub(last_us));
        last_us = at_us;
        let number = arrival.number as usize;
        let Some(&sent_at_us) = sent_us.get(number) else {
            outcome.altered += 1;
            continue;
        };
        let again = std::mem::replace(&mut came[number], true);
        let overtaken = arrival.number < highest;
        highest = highest.max(arrival.number);
        let delay_us = arrival.received_us.saturating_sub(sent_at_us);
        in_time[number] |= delay_us <= budget_us + ALLOWANCE.as_micros() as u64;
        if !counted(sent_at_us) {
            continue;
        }
        if again {
            outcome.duplicates += 1;
            continue;
        }
        outcome.out_of_order += u64::from(overtaken);
        *if in_time[number] { &mut outcome.on_time } else { &mut outcome.late } += 1;
        outcome.within_second += u64::from(delay_us <= 1_000_000);
        delays_us.push(delay_us);
    }
    outcome.delivered = outcome.on_time + outcome.late;
    outcome.lost = number_sent - outcome.delivered;
    delays_us.sort_unstable();
    let quantile = |share: f64| {
        let rank = (delays_us.len() as f64 * share).ceil() as usize;
        delays_us.get(rank.saturating_sub(1)).map_or(f64::NAN, |delay_us| *delay_us as f64 / 1e3)
    };
    (outcome.p50_ms, outcome.p99_ms, outcome.max_ms) = (quantile(0.5), quantile(0.99), quantile(1.0));
    outcome.gap_ms = gap_us.max(due.to_us - last_us) as f64 / 1e3;
    let rank = |hundredth: u64| (number_sent * hundredth / 100).saturating_sub(1) as usize;
    outcome.curve_ms = (1..=100).map_while(|at| Some(*delays_us.get(rank(at))? as f64 / 1e3)).collect();
    outcome.stretches = stretches(sent_us, &in_time, window);
    outcome.pictures = pictures(sent, &in_time, window);
    outcome
}

fn stretches(sent_us: &[u64], in_time: &[bool], window: Window) -> Vec<f64> {
    let mut sums = vec![(0_u32, 0_u32); ((window.to_us - window.from_us) / STRETCH.as_micros() as u64) as usize];
    for (at_us, in_time) in sent_us.iter().zip(in_time) {
        let place = at_us.checked_sub(window.from_us).map(|since| since / STRETCH.as_micros() as u64);
        if let Some((all, good)) = place.and_then(|place| sums.get_mut(place as usize)) {
            (*all, *good) = (*all + 1, *good + u32::from(*in_time));
        }
    }
    sums.into_iter().map(|(all, good)| f64::from(good) / f64::from(all.max(1))).collect()
}

/// References are followed from the first keyframe of the stream on; only pictures in the window are counted.
fn pictures(sent: &Sent, in_time: &[bool], window: Window) -> Option<Pictures> {
    let mut counted = Pictures::default();
    let (mut good, mut damage) = (false, 0);
    for (picture, datagrams) in sent.pictures.windows(2).enumerate() {
        let (first, behind) = (datagrams[0] as usize, datagrams[1] as usize);
        let keyframe = (picture as u64).is_multiple_of(GROUP);
        good = (good || keyframe) && in_time[first..behind].iter().all(|in_time| *in_time);
        if !(window.from_us..window.to_us).contains(&sent.at_us[first]) {
            continue;
        }
        counted.sent += 1;
        counted.undecodable += u64::from(!good);
        damage = if good { 0 } else { damage + 1 };
        counted.damage_ms = counted.damage_ms.max((damage * PICTURE_US) as f64 / 1e3);
    }
    (counted.sent > 0).then_some(counted)
}

/// Of a plot over time: about as long as a viewer takes to see that something is wrong.
pub(crate) const STRETCH: Duration = Duration::from_millis(200);
/// The grain of timers on the way, and of the meter itself.
const ALLOWANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(100);
    const MS: u64 = 1_000;

    /// A hundred datagrams, one each millisecond from 1,000 ms on; the twenty from 1,050 ms on are counted.
    fn sent() -> Sent {
        Sent { at_us: (0..100).map(|number| (1_000 + number) * MS).collect(), ..Sent::default() }
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
            within_second: 20,
            curve_ms: vec![100.0; 100],
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

    #[test]
    fn what_comes_within_a_second_is_counted_beside_the_budget_and_the_curve_ends_with_what_came() {
        let mut arrivals: Vec<_> = punctual().into_iter().filter(|(number, _)| *number != 60).collect();
        arrivals[55].1 += 880;
        arrivals[56].1 += 920;
        let outcome = measure(arrivals);
        assert_eq!((outcome.on_time, outcome.within_second, outcome.late), (17, 18, 2));
        assert_eq!((outcome.curve_ms.len(), outcome.curve_ms[0], outcome.curve_ms[94]), (99, 100.0, 1_020.0));
    }

    #[test]
    fn damage_shows_up_to_the_next_whole_keyframe() {
        // Ten seconds of pictures of two datagrams each; a keyframe is every fiftieth.
        let at_us = (0..500).map(|number| number / 2 * PICTURE_US).collect();
        let sent = Sent { at_us, pictures: (0..250).map(|picture| picture * 2).collect(), ..Sent::default() };
        let window = Window { from_us: 0, to_us: u64::MAX };
        let with_losses = |lost: &[usize]| {
            let in_time: Vec<_> = (0..500).map(|number| !lost.contains(&number)).collect();
            let counted = pictures(&sent, &in_time, window).unwrap();
            (counted.undecodable, counted.damage_ms)
        };
        assert_eq!(with_losses(&[]), (0, 0.0));
        assert_eq!(with_losses(&[2 * 99 + 1]), (1, 40.0), "nothing follows the last before a keyframe");
        assert_eq!(with_losses(&[2 * 60]), (40, 1_600.0));
        assert_eq!(with_losses(&[2 * 50]), (50, 2_000.0), "a keyframe takes its group along");
        assert_eq!(with_losses(&[2 * 60, 2 * 100]), (90, 3_600.0));
    }

    #[test]
    fn a_stream_without_pictures_has_none_to_count() {
        assert_eq!(measure(punctual()).pictures, None);
    }

    #[test]
    fn a_stretch_shows_what_was_on_time_in_it() {
        let at_us: Vec<_> = (0..1_000).map(|number| number * MS).collect();
        let in_time: Vec<_> = (0..1_000).map(|number| !(250..300).contains(&number)).collect();
        let shares = stretches(&at_us, &in_time, Window { from_us: 0, to_us: 1_000 * MS });
        assert_eq!(shares, [1.0, 0.75, 1.0, 1.0, 1.0]);
    }
}
