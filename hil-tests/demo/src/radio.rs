//! What an emulated modem says of its radio, from what the emulator says of its link.

use bondbox_linksim::control::LinkStatus;
use bondbox_linksim::model::State;
use serde::Serialize;

/// A reading, in the words of `at_modem.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Reading {
    /// dBm.
    pub(crate) rsrp: i32,
    /// dB.
    pub(crate) rsrq: i32,
    /// 0 to 31 (TS 27.007 8.5).
    pub(crate) csq: i32,
}

/// The radio of one link: as good as its rate is beside the best that it ever had.
#[derive(Debug, Default)]
pub(crate) struct Radio {
    best_kbps: [u64; 2],
}

impl Radio {
    /// Takes in how the link does; the direction that does worse counts.
    pub(crate) fn reading(&mut self, link: &LinkStatus) -> Reading {
        let mut share: f64 = if link.state == State::Up { 1.0 } else { 0.0 };
        for (best, way) in self.best_kbps.iter_mut().zip([&link.up, &link.down]) {
            *best = way.rate_kbps.max(*best);
            share = share.min(way.rate_kbps as f64 / (*best).max(1) as f64);
        }
        reading(share)
    }
}

/// Half the rate is 10 dB less, which is roughly what an LTE cell's rate does towards its edge; nothing at all is no signal that
/// anybody could use, of a cell that is still heard.
fn reading(share: f64) -> Reading {
    let halvings = if share > 0.0 { -share.log2() } else { f64::INFINITY };
    let rsrp = (-80.0 - 10.0 * halvings).max(-125.0);
    let rsrq = (-8.0 - 2.5 * halvings).max(-19.0);
    // The whole band is some 25 dB stronger than one of its reference signals.
    let csq = ((rsrp + 25.0 + 113.0) / 2.0).clamp(0.0, 31.0);
    Reading { rsrp: rsrp.round() as i32, rsrq: rsrq.round() as i32, csq: csq.round() as i32 }
}

#[cfg(test)]
mod tests {
    use bondbox_linksim::control::{Carried, WayStatus};
    use bondbox_linksim::model::{Dropped, Tally};

    use super::*;

    fn link(up_kbps: u64, down_kbps: u64, state: State) -> LinkStatus {
        let way = |rate_kbps| WayStatus {
            rate_kbps,
            queue_ms: 0.0,
            offered: Tally::default(),
            delivered: Tally::default(),
            dropped: Dropped::default(),
            unwritable: 0,
        };
        let carried = Carried::default();
        let (up, down) = (way(up_kbps), way(down_kbps));
        LinkStatus { name: "wwan0".into(), state, nat_rebinds: 0, nat_stale: 0, swallowed: 0, carried, up, down }
    }

    #[test]
    fn the_signal_falls_with_the_rate_and_comes_back_with_it() {
        let mut radio = Radio::default();
        let good = Reading { rsrp: -80, rsrq: -8, csq: 29 };
        assert_eq!(radio.reading(&link(6_000, 20_000, State::Up)), good);
        assert_eq!(radio.reading(&link(3_000, 20_000, State::Up)), Reading { rsrp: -90, rsrq: -11, csq: 24 });
        assert_eq!(radio.reading(&link(6_000, 5_000, State::Up)), Reading { rsrp: -100, rsrq: -13, csq: 19 });
        assert_eq!(radio.reading(&link(6_000, 20_000, State::Up)), good);
        assert_eq!(radio.reading(&link(12_000, 20_000, State::Up)), good);
        assert_eq!(radio.reading(&link(6_000, 20_000, State::Up)).rsrp, -90, "the best is another now");
    }

    #[test]
    fn an_outage_a_cut_and_a_black_hole_are_the_edge_of_the_cell() {
        let edge = Reading { rsrp: -125, rsrq: -19, csq: 7 };
        let mut radio = Radio::default();
        radio.reading(&link(6_000, 20_000, State::Up));
        for ill in [link(0, 20_000, State::Up), link(6_000, 20_000, State::Cut), link(6_000, 20_000, State::Blackhole)]
        {
            assert_eq!(radio.reading(&ill), edge, "{ill:?}");
        }
        assert_eq!(Radio::default().reading(&link(0, 0, State::Up)), edge, "nothing is known of it but that");
    }
}
