//! How many symbols to send, by a stated cost.
//!
//! With R symbols for each K packets, the cost of a window is R, what is sent more, plus the chance that more packets are lost
//! than R, times what is lost then, times how many packets one would send to save one ([`worth`]). Lost then are the packets,
//! and at the least one unit with all its packets. The R with the least cost is taken, zero included.
//!
//! Losses come in bursts of geometric length with mean b: their number among K + R packets is taken as 2b - 1, the burst that a lost
//! packet finds itself in, times a Poisson number that gives it the right mean. Loss is the channel's, before any repair: sized by
//! what is left after it, coding would be taken away where it works.

use bondbox_units::Priority;

/// What the links that carry the sources do to them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Channel {
    /// Share of packets lost.
    pub(crate) loss: f64,
    /// Packets lost in a row, in the mean.
    pub(crate) burst: f64,
}

/// What is coded together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    /// Packets that a symbol stands for at most.
    pub(crate) packets: usize,
    /// Packets of a unit, in the mean.
    pub(crate) unit: f64,
}

/// How much to code.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Packets that a symbol stands for at most.
    pub(crate) window: usize,
    /// Symbols a packet, by what it means to lose it.
    shares: [f64; 4],
}

impl Plan {
    /// Never more symbols a packet than `spare`, which the links have proven to carry.
    pub(crate) fn new(window: Window, channel: Channel, spare: f64) -> Self {
        let share = |code| best_share(window, channel, worth(Priority::from_code(code))).min(spare.max(0.0));
        Self { window: window.packets, shares: std::array::from_fn(|code| share(code as u8)) }
    }

    /// Symbols for one packet.
    pub(crate) const fn share(&self, priority: Priority) -> f64 {
        self.shares[priority.code() as usize]
    }

    /// Whether anything is coded at all.
    pub(crate) fn is_off(&self) -> bool {
        self.window == 0 || self.shares.iter().all(|share| *share <= 0.0)
    }
}

/// How many packets more one would send to save one.
const fn worth(priority: Priority) -> f64 {
    match priority {
        Priority::Critical | Priority::Reference => 400.0,
        Priority::Standard => 100.0,
        // A frame that nothing refers to is shed before it is repaired.
        Priority::Disposable => 20.0,
    }
}

fn best_share(window: Window, channel: Channel, worth: f64) -> f64 {
    if window.packets == 0 || channel.loss < LEAST_LOSS {
        return 0.0;
    }
    let cost = |symbols: usize| symbols as f64 + worth * damage(window, symbols, channel);
    let best = (0..=window.packets).min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(0);
    best as f64 / window.packets as f64
}

/// Packets of a window that are lost for good or with their unit, in the mean.
fn damage(window: Window, symbols: usize, channel: Channel) -> f64 {
    let all = (window.packets + symbols) as f64;
    let burst = 2.0 * channel.burst.max(1.0) - 1.0;
    let mean = all * channel.loss.min(MAX_LOSS) / burst;
    let (mut chance, mut bursts) = ((-mean).exp(), 0.0);
    let (mut made_good, mut lost_of_these) = (0.0, 0.0);
    while bursts * burst <= symbols as f64 {
        made_good += chance;
        lost_of_these += chance * bursts * burst;
        bursts += 1.0;
        chance *= mean / bursts;
    }
    let lost_for_good = (mean * burst - lost_of_these).max(0.0) * window.packets as f64 / all;
    lost_for_good.max((1.0 - made_good).max(0.0) * window.unit.max(1.0))
}

/// Less is noise of the measurement.
const LEAST_LOSS: f64 = 0.000_5;
/// A link that loses more has other troubles.
const MAX_LOSS: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { packets: 48, unit: 1.0 };

    fn share(loss: f64, burst: f64, priority: Priority) -> f64 {
        Plan::new(WINDOW, Channel { loss, burst }, 1.0).share(priority)
    }

    #[test]
    fn more_loss_longer_bursts_larger_units_and_more_importance_take_more_symbols() {
        let standard = Priority::Standard;
        assert_eq!(share(0.0, 1.0, standard), 0.0);
        assert!((0.01..0.15).contains(&share(0.01, 1.0, standard)), "{}", share(0.01, 1.0, standard));
        assert!(share(0.05, 1.0, standard) > share(0.01, 1.0, standard));
        assert!(share(0.02, 4.0, standard) > share(0.02, 1.0, standard));
        assert!(share(0.02, 1.0, Priority::Reference) > share(0.02, 1.0, standard));
        assert!(share(0.02, 1.0, Priority::Disposable) < share(0.02, 1.0, standard));
        let frames = Plan::new(Window { unit: 24.0, ..WINDOW }, Channel { loss: 0.02, burst: 1.0 }, 1.0);
        assert!(frames.share(standard) > share(0.02, 1.0, standard));
    }

    #[test]
    fn nothing_beyond_what_is_spare() {
        let channel = Channel { loss: 0.1, burst: 1.0 };
        assert_eq!(Plan::new(WINDOW, channel, 0.03).share(Priority::Critical), 0.03);
        assert!(Plan::new(WINDOW, channel, -1.0).is_off());
    }

    #[test]
    fn without_symbols_all_that_is_lost_stays_lost_and_with_many_nearly_nothing() {
        let channel = Channel { loss: 0.02, burst: 1.0 };
        assert!((damage(WINDOW, 0, channel) - 0.96).abs() < 1e-9);
        assert!(damage(WINDOW, 6, channel) < 0.005);
        assert!((0..20).all(|r| damage(WINDOW, r + 1, channel) <= damage(WINDOW, r, channel)));
    }
}
