//! Parts of the sending engine that can be switched off, to measure what each is worth.
//!
//! Of the suite's cases with dead, driving and far links (`bondbox-sim ablate --only blackhole --only four_driving --only
//! six_driving --only far_pair --seeds 500..503`), with less without, bold where 95 % confidence leaves zero out:
//!
//! | part | case | on time, points | cost, % of the least |
//! |---|---|---|---|
//! | rescue | all | **+0.554** ± 0.312 | **+0.21** ± 0.13 |
//! | rescue | blackhole @400 | **+0.106** ± 0.016 | +0.01 ± 0.72 |
//! | rescue | four_driving @600 | +0.303 ± 0.396 | **+0.48** ± 0.20 |
//! | rescue | six_driving_frames @600 | **+2.087** ± 2.074 | +0.40 ± 1.16 |
//! | late-rescue | all | +0.002 ± 0.009 | +0.10 ± 0.12 |
//! | repair | all | **+3.926** ± 1.813 | **+0.90** ± 0.20 |
//! | repair | blackhole @400 | **+1.575** ± 0.139 | **+1.37** ± 0.44 |
//! | repair | blackhole_frames @600 | **+11.224** ± 1.998 | +1.55 ± 2.04 |
//! | repair | four_driving @600 | **+0.741** ± 0.250 | **+0.92** ± 0.83 |
//! | repair | six_driving_frames @600 | **+11.328** ± 0.887 | **+0.99** ± 0.16 |
//! | duplicates | all | +0.000 ± 0.000 | +0.00 ± 0.00 |
//! | shedding | all | +0.014 ± 0.026 | -0.01 ± 0.05 |
//! | probing | all | +0.005 ± 0.010 | +0.03 ± 0.08 |
//! | draining | all | +0.000 ± 0.000 | +0.00 ± 0.00 |
//! | look-ahead | all | **+11.484** ± 7.019 | **+9.82** ± 5.61 |
//! | look-ahead | blackhole @400 | **+6.358** ± 0.515 | **+6.28** ± 0.75 |
//! | look-ahead | blackhole_frames @600 | **+3.830** ± 0.455 | **+6.36** ± 0.97 |
//! | look-ahead | four_driving @600 | **+1.627** ± 1.265 | **+1.38** ± 1.11 |
//! | look-ahead | six_driving_frames @600 | **+44.696** ± 15.031 | **+38.80** ± 8.96 |
//! | look-ahead | far_pair @250 | -0.034 ± 0.180 | **-0.87** ± 0.87 |
//! | coding | all | +0.188 ± 0.215 | +1.85 ± 2.11 |
//! | coding | far_pair @250 | **+1.882** ± 0.279 | **+18.51** ± 2.07 |
//!
//! And of those where capacity falls, paths move or all is dark (`--only step_to_half --only stadium --only handover --only cut_to
//! --only satellite_14 --only tunnel`):
//!
//! | part | case | on time, points | cost, % of the least |
//! |---|---|---|---|
//! | late-rescue | all | +0.003 ± 0.005 | +0.01 ± 0.02 |
//! | duplicates | all | +0.000 ± 0.000 | +0.00 ± 0.00 |
//! | shedding | all | **-0.048** ± 0.047 | **-0.02** ± 0.02 |
//! | shedding | tunnel @600 | **-0.411** ± 0.083 | -0.04 ± 0.22 |
//! | shedding | step_to_half_frames @600 | **-0.073** ± 0.000 | **-0.11** ± 0.02 |
//! | probing | all | +0.004 ± 0.008 | +0.01 ± 0.03 |
//! | probing | handover_steps @600 | **+0.002** ± 0.000 | -0.05 ± 0.33 |
//! | probing | tunnel @600 | +0.038 ± 0.165 | **+0.22** ± 0.19 |
//! | draining | all | +0.001 ± 0.001 | -0.00 ± 0.00 |
//! | draining | moved_away @600 (`--seeds 500..508`) | **+17.887** ± 12.765 | **+17.96** ± 12.89 |
//!
//! Rescue, repair and the look-ahead carry the engine; coding wins where it acts, and draining where a path that is nearly full
//! becomes longer for good. The others show nothing in these cases.
//! Shedding takes units that would have come: it is kept for what this does not count, pictures that hang together, and owes that
//! proof. No stream of these cases has critical units, so duplicates have nothing to copy. Where one in 100 ms is (`slow_lte_tables`,
//! lossy and too short for requests, `--seeds 7000..7012`), they bring critical units +0.076 ± 0.092 points and cost **+2.21** ± 0.56 %
//! of the least: what they are for is not shown there either.

/// Which parts are on. All of them are, but in measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(u32);

/// A part that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Feature {
    /// What a silent link holds goes out on others.
    Rescue,
    /// What would be late where it is goes out on others, within a budget.
    LateRescue,
    /// What a later packet overtook goes out again.
    Repair,
    /// Critical units go over a second link too.
    Duplicates,
    /// Units are shed when first copies pile up.
    Shedding,
    /// Links are proven anew though nobody needs them.
    Probing,
    /// A queue that stands for long is drained to see whether it is one.
    Draining,
    /// The queue is dealt out ahead over links that are busy; else nothing overtakes what waits for one of them.
    LookAhead,
    /// Where a request would be too late, sums over the last packets go along.
    Coding,
}

impl Features {
    /// All parts on.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether a part is on.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & (1 << feature as u32) != 0
    }

    /// The same without one part.
    #[must_use]
    pub const fn without(self, feature: Feature) -> Self {
        Self(self.0 & !(1 << feature as u32))
    }
}

impl Default for Features {
    fn default() -> Self {
        Self::ALL
    }
}

impl Feature {
    /// All parts, by name.
    pub const ALL: [(&'static str, Self); 9] = [
        ("rescue", Self::Rescue),
        ("late-rescue", Self::LateRescue),
        ("repair", Self::Repair),
        ("duplicates", Self::Duplicates),
        ("shedding", Self::Shedding),
        ("probing", Self::Probing),
        ("draining", Self::Draining),
        ("look-ahead", Self::LookAhead),
        ("coding", Self::Coding),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, feature)| *feature == self).map_or("", |(name, _)| name)
    }

    /// The part of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, feature)| *feature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_switched_off_alone() {
        for (name, feature) in Feature::ALL {
            assert_eq!(Feature::named(name), Some(feature));
            assert_eq!(feature.name(), name);
            let less = Features::ALL.without(feature);
            let off: Vec<_> = Feature::ALL.iter().filter(|(_, other)| !less.has(*other)).collect();
            assert_eq!(off, [&(name, feature)]);
        }
    }
}
