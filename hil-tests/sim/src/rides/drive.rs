//! A car passes cells. Radio and capacity follow from where it is.
//!
//! Each modem has an operator of its own, with sites along the road. Path loss, shadows, and what a modem sends with are those of
//! 3GPP TR 36.814 A.2.1.1 and TR 36.942 4.5.2 (2 GHz, carriers of 10 MHz); the throughput over SINR is TR 36.942 A.2's, uplink.
//! A modem changes to a cell that is stronger by 3 dB for 300 ms (TS 36.331 5.5.4.4, event A3). What the modem is given of
//! its cell wanders without regard to radio, and is another in each cell: that is what no radio tells.

use bondbox_units::Bitrate;

use super::{Moment, between, normal, unit};
use crate::random::Draw;

/// Of each link, so many moments.
pub(super) fn draw(draw: &mut Draw, links: usize, moments: usize) -> Vec<Vec<Moment>> {
    let metres_a_step = between(draw, 30.0, 110.0) / 3.6 * 0.1;
    (0..links).map(|_| one(draw, moments, metres_a_step)).collect()
}

struct Site {
    along: f64,
    aside: f64,
    shadow: f64,
}

fn one(draw: &mut Draw, moments: usize, metres_a_step: f64) -> Vec<Moment> {
    let mut sites = sites(draw, moments as f64 * metres_a_step);
    let mut common = normal(draw);
    // Gudmundson 1991: correlated by e^(-distance / 50 m).
    let stays = (-metres_a_step / 50.0).exp();
    let moves = (1.0 - stays * stays).sqrt();
    let mut share = normal(draw);
    let (mut serving, mut stronger_for, mut dark) = (None, 0, 0_u64);
    let mut all = Vec::with_capacity(moments);
    for step in 0..moments {
        let at = step as f64 * metres_a_step;
        common = common * stays + moves * normal(draw);
        share = share * SHARE_STAYS + (1.0 - SHARE_STAYS * SHARE_STAYS).sqrt() * normal(draw);
        for site in &mut sites {
            site.shadow = site.shadow * stays + moves * normal(draw);
        }
        let powers: Vec<f64> = sites.iter().map(|site| site.power(at, common)).collect();
        let best = strongest(&powers);
        let mut now = *serving.get_or_insert(best);
        stronger_for = if powers[best] > powers[now] + HYSTERESIS { stronger_for + 1 } else { 0 };
        if stronger_for >= TIME_TO_TRIGGER && dark == 0 {
            (now, stronger_for, share) = (best, 0, normal(draw));
            dark = if unit(draw) < FAILS { draw.within(10, 31) } else { 1 };
        }
        serving = Some(now);
        all.push(moment(&powers, now, dark > 0, share));
        dark = dark.saturating_sub(1);
    }
    all
}

/// From before where the car starts to behind where it ends.
fn sites(draw: &mut Draw, length: f64) -> Vec<Site> {
    let (mut sites, mut along) = (vec![], -1_500.0);
    while along < length + 1_500.0 {
        sites.push(Site { along, aside: between(draw, 50.0, 300.0), shadow: normal(draw) });
        along += between(draw, 500.0, 1_500.0);
    }
    sites
}

impl Site {
    /// RSRP in dBm, within a car.
    fn power(&self, at: f64, common: f64) -> f64 {
        let metres = (at - self.along).hypot(self.aside);
        let path_loss = 128.1 + 37.6 * (metres / 1_000.0).log10() + 9.0;
        // Half of the shadow's variance is the same for all sites.
        REFERENCE + 15.0 - path_loss + 8.0 * (0.5_f64.sqrt() * (common + self.shadow))
    }
}

fn strongest(powers: &[f64]) -> usize {
    (0..powers.len()).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0)
}

fn moment(powers: &[f64], serving: usize, dark: bool, share: f64) -> Moment {
    let milliwatts = |dbm: f64| 10_f64.powf(dbm / 10.0);
    let others: f64 =
        powers.iter().enumerate().filter(|(index, _)| *index != serving).map(|(_, dbm)| milliwatts(*dbm)).sum();
    let rsrp = powers[serving];
    let sinr = milliwatts(rsrp) / (NEIGHBOURS_LOAD * others + milliwatts(NOISE));
    // TS 36.214 5.1.3: twelve subcarriers of the block, of which our own cell fills a part.
    let rsrq = -10.0 * (12.0 * (OWN_LOAD + 1.0 / sinr)).log10();
    // The way up is as long as the way down, and heard by another receiver.
    let up_sinr = milliwatts(rsrp - REFERENCE + MODEM - UP_NOISE);
    let efficiency = (0.4 * (1.0 + up_sinr).log2()).min(2.0);
    let share = (0.33 * (0.4 * share).exp()).min(0.8);
    let bps = if dark { 0.0 } else { (9e6 * efficiency * share).max(100_000.0) };
    Moment { rsrp, rsrq, sinr: (10.0 * sinr.log10()).min(30.0), up: Bitrate::from_bps(bps as u64) }
}

/// dBm of a subcarrier: 46 dBm over 600.
const REFERENCE: f64 = 18.2;
/// dBm that a modem sends with.
const MODEM: f64 = 23.0;
/// dBm of a subcarrier, receiver's noise of 9 dB.
const NOISE: f64 = -123.2;
/// dBm of 9 MHz at the site: noise of 5 dB, and 6 dB over it from modems of its neighbours.
const UP_NOISE: f64 = -93.5;
/// How much of a cell is in use.
const OWN_LOAD: f64 = 0.5;
/// How much of its neighbours is.
const NEIGHBOURS_LOAD: f64 = 0.5;
/// dB.
const HYSTERESIS: f64 = 3.0;
/// Steps.
const TIME_TO_TRIGGER: u32 = 3;
/// Of all changes; the modem then looks for a cell anew, for 1 to 3 s. The others take 100 ms.
const FAILS: f64 = 0.15;
/// e^(-100 ms / 10 s).
const SHARE_STAYS: f64 = 0.990;
