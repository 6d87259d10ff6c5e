//! What holds of any readings.

use core::time::Duration;

use bondbox_radio::bands::{Candidate, spread};
use bondbox_radio::capacity::ceiling;
use bondbox_radio::health::health;
use bondbox_radio::{Radio, Reading};
use bondbox_units::Instant;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn reading() -> impl Strategy<Value = Reading> {
    let any_value = || of(prop_oneof![4 => -150.0..30.0_f32, 1 => any::<f32>()]);
    (any_value(), any_value(), any_value()).prop_map(|(rsrp, rsrq, sinr)| Reading { rsrp, rsrq, sinr })
}

proptest! {
    #[test]
    fn a_smoothed_value_lies_among_those_that_were_read(readings in vec((0..4_000_u64, reading()), 1..60)) {
        let (mut radio, mut now) = (Radio::default(), 1_000_000);
        let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
        for (pause, reading) in readings {
            now += pause;
            radio.on_reading(Instant::from_millis(now), &reading);
            if let Some(rsrp) = reading.rsrp.filter(|rsrp| (-160.0..=-20.0).contains(rsrp)) {
                (least, most) = (least.min(rsrp), most.max(rsrp));
            }
            let smoothed = radio.reading(Instant::from_millis(now));
            if let Some(rsrp) = smoothed.rsrp {
                prop_assert!((least - 0.01..=most + 0.01).contains(&rsrp));
            }
            prop_assert!(radio.rsrp_slope(Instant::from_millis(now)).is_none_or(f32::is_finite));
            prop_assert!(health(&smoothed, None, None).is_none_or(|health| health <= 100));
        }
    }

    #[test]
    fn health_falls_with_loss_and_with_jitter(reading in reading(), a in 0.0..1.0_f32, b in 0.0..1.0_f32, ms in 0..2_000_u64) {
        let (less, more) = (a.min(b), a.max(b));
        let jitter = Duration::from_millis(ms);
        prop_assert!(health(&reading, Some(less), Some(jitter)) >= health(&reading, Some(more), Some(jitter)));
        prop_assert!(health(&reading, Some(a), Some(jitter)) >= health(&reading, Some(a), Some(jitter * 2)));
    }

    #[test]
    fn a_better_signal_carries_no_less(a in -40.0..60.0_f32, b in -40.0..60.0_f32, hz in 1_400_000..100_000_000_u32) {
        prop_assert!(ceiling(a.min(b), hz) <= ceiling(a.max(b), hz));
    }

    #[test]
    fn locks_are_apart_and_lock_nobody_out(modems in vec((vec(0..8_u8, 0..6), vec(0..8_u8, 0..4), of(-20.0..30.0_f32)), 0..6)) {
        let modem = |(mut bands, allowed, sinr): (Vec<u8>, Vec<u8>, Option<f32>)| {
            bands.sort_unstable();
            bands.dedup();
            Candidate { bands, allowed, sinr }
        };
        let modems: Vec<_> = modems.into_iter().map(modem).collect();
        let locks = spread(&modems);
        prop_assert_eq!(locks.len(), modems.len());
        let mut all: Vec<u8> = locks.iter().flatten().copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), count, "no band twice");
        for (modem, lock) in modems.iter().zip(&locks) {
            prop_assert!(lock.iter().all(|band| modem.bands.contains(band)));
            let weak = modem.sinr.is_some_and(|sinr| sinr < 0.0);
            prop_assert!(!weak || lock.is_empty());
            prop_assert!(count == 0 || modem.bands.is_empty() || weak || !lock.is_empty());
        }
    }
}
