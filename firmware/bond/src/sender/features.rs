//! Parts of the sending engine that can be switched off, to measure what each is worth.
//!
//! With less without, over those of the suite's cases where a part could matter; bold where 95 % confidence leaves zero out. *Shown by*
//! and *harms most* are the cases with the largest sure difference of what is on time or can be shown, in points, or of what it
//! costs, in % of the least; who gets more through sends more. `bondbox-sim ablate --features PART --only CASE --seeds 8000..8004`
//! (of `six_driving_frames` ..8003, of `swinging` ..8005, of `moved_away` alone ..8010, of `slow_lte_tables` ..8040):
//!
//! | part | over | on time, points | cost, % of the least | shown by | harms most |
//! |---|---|---|---|---|---|
//! | rescue | `blackhole_frames`, `feedback_loss` | **+0.097** ± 0.091 | +0.10 ± 0.16 | `blackhole_frames @600`: can be shown **+3.636** ± 0.000 | nothing |
//! | late-rescue | `blackhole_frames`, `feedback_loss` | +0.000 ± 0.000 | +0.03 ± 0.05 | nothing | nothing |
//! | repair | `blackhole_frames`, `feedback_loss` | **+4.083** ± 3.309 | **+0.81** ± 0.25 | `blackhole_frames @600`: can be shown **+88.000** ± 2.710 | `blackhole_frames @600`: cost **+1.11** ± 0.81 |
//! | duplicates | `slow_lte_tables` | +0.007 ± 0.019 | **+2.43** ± 0.34 | `slow_lte_tables @200`: critical **+0.055** ± 0.032 | `slow_lte_tables @200`: cost **+2.43** ± 0.34 |
//! | shedding | `stadium_frames`, `step_to_half_frames`, `survive_one_frames` | +0.000 ± 0.000 | +0.00 ± 0.00 | nothing | nothing |
//! | shedding | `too_much_frames`, `tunnel_frames` | **-3.364** ± 2.620 | -0.26 ± 0.27 | `too_much_frames @600`: can be shown **+8.891** ± 2.552 | `too_much_frames @600`: on time **-6.055** ± 3.013 |
//! | probing | `blackhole_frames`, `feedback_loss` | +0.000 ± 0.000 | +0.01 ± 0.05 | nothing | nothing |
//! | draining | `moved_away` | **+24.226** ± 16.751 | **+22.90** ± 16.78 | `moved_away @600`: can be shown **+24.226** ± 16.751 | `moved_away @600`: cost **+22.90** ± 16.78 |
//! | look-ahead | `blackhole_frames`, `feedback_loss` | **+30.467** ± 8.337 | **+12.24** ± 3.03 | `feedback_loss @600`: can be shown **+39.916** ± 0.800 | `feedback_loss @400`: cost **+15.69** ± 1.29 |
//! | coding | `far_pair`, `slow_lte_frames` | **+5.014** ± 2.776 | **+19.34** ± 1.42 | `slow_lte_frames @200`: on time **+8.018** ± 2.012 | `slow_lte_frames @200`: cost **+19.41** ± 2.28 |
//! | encoder | `stadium_frames`, `step_to_half_frames`, `survive_one_frames` | **+2.400** ± 2.387 | +0.79 ± 1.93 | `stadium_frames @1000`: can be shown **+21.585** ± 1.631 | `stadium_frames @1000`: cost **+6.43** ± 0.54 |
//! | headroom | `stadium_frames`, `step_to_half_frames`, `survive_one_frames` | +0.005 ± 0.010 | +0.05 ± 0.06 | nothing | nothing |
//! | clock-line | `clock_fast`, `clock_slow` | **+18.827** ± 16.834 | -0.14 ± 0.23 | `clock_slow @600`: can be shown **+37.654** ± 1.164 | nothing |
//! | mtu-search | `blackhole_frames`, `feedback_loss` | +0.000 ± 0.000 | **-2.79** ± 0.41 | `feedback_loss @600`: cost **-3.27** ± 0.11 | nothing |
//! | swings | `moved_away`, `swinging` | **+4.257** ± 3.876 | **+4.52** ± 4.14 | `swinging @1000`: can be shown **+8.514** ± 5.654 | `swinging @1000`: cost **+9.13** ± 5.84 |
//! | other-ways | `blackhole_frames`, `feedback_loss` | **+0.957** ± 0.481 | **-3.29** ± 1.87 | `blackhole_frames @600`: can be shown **+9.582** ± 4.352 | `blackhole_frames @600`: cost **+0.45** ± 0.35 |
//!
//! Rescue, repair and the look-ahead carry the engine. Coding, draining, the clocks' line, what is known of swings, the encoder loop and
//! acknowledgements over other paths win where they act, and the search for the MTU saves 3 %. Shedding takes units that would have
//! come, so that pictures hang together: of frames of a quarter more than the links carry 9 points more can be shown. Duplicates save
//! critical units where most losses are too late for a request: 0.055 ± 0.032 points of them, one in 100 ms, for 2.4 % of the cost.
//!
//! Late rescue, probing and headroom show nothing in these cases. The first owes its proof. The others are for what no case has: a link
//! that is needed after it has carried nothing for long, and little time. Of three links that are filled, one that dies costs 19 of
//! 500 frames at 250 ms, and none with headroom (`tests/parts.rs` of `bondbox-sim`, where also encoder loop, clocks' line, MTU,
//! acknowledgements over other paths and late repair each have a network that goes wrong without them). Late repair is for
//! recordings, of which the suite has none. A return track has nothing that it could be held against.

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
    /// The encoder is told to follow what the links prove; else what it starts with.
    Encoder,
    /// What the best link carries is kept free where the operator wants it so.
    Headroom,
    /// The line through the clocks follows them; else it stays as it was drawn in the first second.
    ClockLine,
    /// Larger datagrams than every path takes are tried.
    MtuSearch,
    /// How far a delay swings by itself is left out of queue and rate.
    Swings,
    /// Acknowledgements count that came over another path than theirs.
    OtherWays,
    /// What is too late for the live output goes on for those that wait longer.
    LateRepair,
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
    pub const ALL: [(&'static str, Self); 16] = [
        ("rescue", Self::Rescue),
        ("late-rescue", Self::LateRescue),
        ("repair", Self::Repair),
        ("duplicates", Self::Duplicates),
        ("shedding", Self::Shedding),
        ("probing", Self::Probing),
        ("draining", Self::Draining),
        ("look-ahead", Self::LookAhead),
        ("coding", Self::Coding),
        ("encoder", Self::Encoder),
        ("headroom", Self::Headroom),
        ("clock-line", Self::ClockLine),
        ("mtu-search", Self::MtuSearch),
        ("swings", Self::Swings),
        ("other-ways", Self::OtherWays),
        ("late-repair", Self::LateRepair),
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
