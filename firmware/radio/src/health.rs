//! One number for people: how well a link is, from 0 to 100.
//!
//! | part | weight | 0 at | 100 at |
//! |---|---|---|---|
//! | SINR | 0.35 | -5 dB | 20 dB |
//! | RSRQ | 0.20 | -20 dB | -8 dB |
//! | loss | 0.30 | 10 % | 0 |
//! | jitter | 0.15 | 200 ms | 10 ms |
//!
//! A part that nobody knows is left out and the others count for more: a stick that tells nothing of its radio is judged by
//! what arrives. The scheduler has no use for it; it knows each part by itself.

use core::time::Duration;

use crate::Reading;

/// How well a link is; `None` when nothing is known of it.
pub fn health(reading: &Reading, loss: Option<f32>, jitter: Option<Duration>) -> Option<u8> {
    let parts = [
        (0.35, reading.sinr.map(|sinr| share(sinr, -5.0, 20.0))),
        (0.20, reading.rsrq.map(|rsrq| share(rsrq, -20.0, -8.0))),
        (0.30, loss.map(|loss| share(loss, 0.10, 0.0))),
        (0.15, jitter.map(|jitter| share(jitter.as_secs_f32(), 0.200, 0.010))),
    ];
    let known = parts.iter().filter_map(|(weight, part)| part.map(|part| (*weight, part)));
    let (weights, sum) =
        known.fold((0.0, 0.0), |(weights, sum), (weight, part)| (weights + weight, sum + weight * part));
    (weights > 0.0).then(|| (100.0_f32 * sum / weights + 0.5) as u8)
}

/// Where a value lies between the worst, 0, and the best, 1.
fn share(value: f32, worst: f32, best: f32) -> f32 {
    ((value - worst) / (best - worst)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Reading = Reading { rsrp: Some(-80.0), rsrq: Some(-8.0), sinr: Some(20.0) };

    #[test]
    fn the_best_is_100_the_worst_0_and_each_part_has_its_weight() {
        let still = Some(Duration::ZERO);
        assert_eq!(health(&GOOD, Some(0.0), still), Some(100));
        let bad = Reading { rsrp: None, rsrq: Some(-30.0), sinr: Some(-20.0) };
        assert_eq!(health(&bad, Some(1.0), Some(Duration::from_secs(1))), Some(0));
        assert_eq!(health(&GOOD, Some(0.10), still), Some(70));
        assert_eq!(health(&Reading { sinr: Some(-5.0), ..GOOD }, Some(0.0), still), Some(65));
    }

    #[test]
    fn what_nobody_knows_is_left_out() {
        assert_eq!(health(&Reading::default(), None, None), None);
        assert_eq!(health(&Reading::default(), Some(0.05), None), Some(50));
    }
}
