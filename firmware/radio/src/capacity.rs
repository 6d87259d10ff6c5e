//! What a signal carries at most.
//!
//! Networks choose modulation and code rate by the channel quality that a modem reports; 3GPP TS 36.213 table 7.2.3-1 gives the
//! bits per symbol of each of the 15 steps. The SINR at which a step is reached at a tenth of block errors is not in the
//! standard: it is taken from link simulations as published by Kawser et al., "Downlink SNR to CQI mapping for different
//! multiple antenna techniques in LTE", IJIEE 2 (2012), single antenna. It is a ceiling: what neighbours of the cell take is
//! not in it, and nobody is told that a link carries that much.

use bondbox_units::Bitrate;

/// The most that such a SINR carries in so many hertz; `None` where the network would send nothing at all.
pub fn ceiling(sinr_db: f32, bandwidth_hz: u32) -> Option<Bitrate> {
    let (_, efficiency) = STEPS.iter().rev().find(|(sinr, _)| sinr_db >= *sinr)?;
    // Of each millisecond and each 180 kHz 168 symbols, less a fifth for control and reference signals.
    let symbols_per_second_and_hz = 168.0 * 0.8 / 0.001 / 180_000.0;
    Some(Bitrate::from_bps((f64::from(bandwidth_hz) * 0.9 * symbols_per_second_and_hz * f64::from(*efficiency)) as u64))
}

/// SINR in dB, and bits per symbol from there on.
const STEPS: [(f32, f32); 15] = [
    (-6.7, 0.1523),
    (-4.7, 0.2344),
    (-2.3, 0.3770),
    (0.2, 0.6016),
    (2.4, 0.8770),
    (4.3, 1.1758),
    (5.9, 1.4766),
    (8.1, 1.9141),
    (10.3, 2.4063),
    (11.7, 2.7305),
    (14.1, 3.3223),
    (16.3, 3.9023),
    (18.7, 4.5234),
    (21.0, 5.1152),
    (22.7, 5.5547),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_of_20_mhz_carries_what_its_steps_say() {
        let mbps = |sinr| ceiling(sinr, 20_000_000).map(|rate| rate.as_bps() / 1_000_000);
        // 18 MHz × 0.747 × 5.5547.
        assert_eq!(mbps(30.0), Some(74));
        assert_eq!(mbps(0.2), Some(8));
        assert_eq!(mbps(-6.7), Some(2));
        assert_eq!(mbps(-8.0), None);
    }

    #[test]
    fn steps_rise() {
        assert!(STEPS.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
    }
}
