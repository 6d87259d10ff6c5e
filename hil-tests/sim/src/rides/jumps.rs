//! A link jumps between states, each with a radio and a capacity; of two, radio tells the contrary.
//!
//! Nothing leads up to a jump: a rate of change foretells nothing here, while the state itself says much. How long a state
//! lasts is exponential, as in the Markov models that are fitted to measured cellular links (Konrad et al., "A Markov-based
//! channel model algorithm for wireless networks", 2003). The figures are plausible ones; no recording was at hand.

use bondbox_units::Bitrate;

use super::{Moment, normal, unit};
use crate::random::Draw;

struct State {
    kbps: f64,
    rsrp: f64,
    rsrq: f64,
    sinr: f64,
    seconds: f64,
    /// Chances of what comes next, in the order of [`STATES`].
    next: [f64; 6],
}

const fn state(kbps: f64, [rsrp, rsrq, sinr]: [f64; 3], seconds: f64, next: [f64; 6]) -> State {
    State { kbps, rsrp, rsrq, sinr, seconds, next }
}

const STATES: [State; 6] = [
    // Good.
    state(6_000.0, [-85.0, -9.0, 18.0], 12.0, [0.0, 0.5, 0.1, 0.2, 0.1, 0.1]),
    // Fair.
    state(3_000.0, [-98.0, -12.0, 8.0], 8.0, [0.45, 0.0, 0.3, 0.1, 0.05, 0.1]),
    // Poor.
    state(800.0, [-110.0, -15.0, 0.0], 4.0, [0.1, 0.5, 0.0, 0.0, 0.1, 0.3]),
    // Crowded: a good radio in a cell that has nothing left.
    state(1_000.0, [-85.0, -12.0, 12.0], 5.0, [0.6, 0.3, 0.0, 0.0, 0.0, 0.1]),
    // Masked: a poor radio whose data goes over a second carrier, that nobody tells of.
    state(4_000.0, [-110.0, -15.0, 1.0], 5.0, [0.3, 0.6, 0.1, 0.0, 0.0, 0.0]),
    // Dead.
    state(0.0, [-118.0, -18.0, -5.0], 1.5, [0.3, 0.4, 0.3, 0.0, 0.0, 0.0]),
];

/// So many moments of one link.
pub(super) fn draw(draw: &mut Draw, moments: usize) -> Vec<Moment> {
    let mut now = draw.within(0, 2) as usize;
    let mut all = Vec::with_capacity(moments);
    while all.len() < moments {
        let State { kbps, rsrp, rsrq, sinr, seconds, next } = &STATES[now];
        let steps = (-(1.0 - unit(draw)).ln() * seconds * 10.0).ceil() as usize;
        // No two visits are the same.
        let level = kbps * (0.3 * normal(draw)).exp();
        let (rsrp, rsrq, sinr) = (rsrp + 3.0 * normal(draw), rsrq + 1.5 * normal(draw), sinr + 2.0 * normal(draw));
        for _ in 0..steps.min(moments - all.len()) {
            let kbps = level * (0.2 * normal(draw)).exp();
            all.push(Moment { rsrp, rsrq, sinr, up: Bitrate::from_kbps(kbps as u64) });
        }
        now = choose(unit(draw), next);
    }
    all
}

fn choose(at: f64, chances: &[f64]) -> usize {
    let mut sum = 0.0;
    let chosen = chances.iter().position(|chance| {
        sum += chance;
        at < sum
    });
    chosen.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_whole_and_each_state_is_left() {
        for (index, state) in STATES.iter().enumerate() {
            assert!((state.next.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{index}");
            assert_eq!(state.next[index], 0.0);
        }
        assert_eq!([0.0, 0.49, 0.5, 0.999].map(|at| choose(at, &[0.5, 0.0, 0.5])), [0, 0, 2, 2]);
    }
}
