//! By how much a path's delay differs from packet to packet.
//!
//! RFC 3550 6.4.1: the difference of two packets' delays, smoothed over 16. Nothing decides by it; people see it.

use std::time::Duration;

/// Of one path.
#[derive(Debug, Default)]
pub(crate) struct Jitter {
    /// Of the last packet, in microseconds.
    last: Option<i64>,
    micros: f64,
}

impl Jitter {
    /// Takes in the delay of the next packet that arrived.
    pub(crate) fn on_sample(&mut self, delay: i64) {
        if let Some(last) = self.last.replace(delay) {
            self.micros += (last.abs_diff(delay) as f64 - self.micros) / 16.0;
        }
    }

    /// The mean difference.
    pub(crate) fn size(&self) -> Duration {
        Duration::from_micros(self.micros as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(delays: impl Iterator<Item = i64>) -> u128 {
        let mut jitter = Jitter::default();
        delays.for_each(|delay| jitter.on_sample(delay));
        jitter.size().as_millis()
    }

    #[test]
    fn it_is_the_mean_step_from_packet_to_packet() {
        assert_eq!(after((0..200).map(|_| 1_000_000)), 0);
        assert_eq!(after((0..200).map(|packet| 1_000_000 + packet % 2 * 20_500)), 20);
        assert_eq!(after((0..200).map(|packet| packet * 500)), 0, "a queue that fills by half a ms a packet");
    }
}
