//! The table of cases.

use bondbox_bond::sender::Headroom;

use super::{Bar, Besides, Case};
use crate::Shape::{self, Constant, Frames, Tables};

/// Every case, in the order of the reports.
pub const CASES: &[Case] = &[
    case("clean", "clean", Constant, 8_000, 300, ALL.costs(1.01)),
    case("clean_frames", "clean", Frames, 8_000, 300, ALL.costs(1.01)),
    case("clean_20", "clean", Constant, 20_000, 600, ALL.costs(1.01)),
    case("lossy_link", "lossy_link", Constant, 6_000, 600, ALL.costs(1.015)),
    case("three_lte", "three_lte", Constant, 8_000, 600, ALL.costs(1.015)),
    case("three_lte", "three_lte", Constant, 8_000, 400, NEARLY_ALL.costs(1.015)),
    case("three_lte_frames", "three_lte", Frames, 8_000, 600, ALL.costs(1.015)),
    case("blackhole", "three_lte_blackhole", Constant, 6_000, 600, ALL.costs(1.03)),
    case("blackhole", "three_lte_blackhole", Constant, 6_000, 400, NEARLY_ALL.costs(1.03)),
    case("blackhole_frames", "three_lte_blackhole", Frames, 6_000, 600, ALL.costs(1.03)),
    case("survive_one_frames", "three_lte_blackhole", Frames, 2_000, 600, ALL.costs(1.03))
        .following(8_000)
        .surviving_one(),
    case("four_driving", "four_driving", Constant, 6_000, 600, bar(99.9, 99.8).costs(1.05)).lasting(120),
    case("four_driving", "four_driving", Constant, 6_000, 800, bar(99.98, 99.98).costs(1.05)).lasting(120),
    case("six_driving_frames", "six_driving", Frames, 10_000, 600, bar(99.3, 99.3).costs(1.05)).lasting(120),
    case("six_driving_frames", "six_driving", Frames, 10_000, 800, bar(99.9, 99.9).costs(1.05)).lasting(120),
    case("satellite_8", "five_g_satellite", Constant, 8_000, 600, ALL.costs(1.015)),
    case("satellite_14", "five_g_satellite", Constant, 14_000, 600, ALL.costs(1.015)),
    case("high_satellite_8", "five_g_high_satellite", Constant, 8_000, 600, ALL.costs(1.015)),
    case("high_satellite_14", "five_g_high_satellite", Constant, 14_000, 600, ALL.costs(1.015)),
    case("two_good_frames", "two_good", Frames, 6_000, 600, ALL.costs(1.015)),
    case("awful_frames", "two_good_one_awful", Frames, 6_000, 600, bar(0.0, 0.0).costs(1.03).like("two_good_frames")),
    case("cut_to_a_third", "two_of_three_cut_to_a_third", Constant, 7_000, 600, ALL.costs(1.03)),
    case("cut_to_a_third", "two_of_three_cut_to_a_third", Constant, 7_000, 400, NEARLY_ALL.costs(1.03)),
    case("blackholed_in_turn", "two_of_four_blackholed", Constant, 5_000, 600, ALL.costs(1.03)),
    case("blackholed_in_turn", "two_of_four_blackholed", Constant, 5_000, 400, NEARLY_ALL.costs(1.03)),
    case("two_die", "two_of_four_die", Constant, 5_000, 600, ALL.costs(1.03)),
    case("two_die", "two_of_four_die", Constant, 5_000, 400, NEARLY_ALL.costs(1.03)),
    case("feedback_loss", "feedback_loss", Constant, 6_000, 600, ALL.costs(1.03)),
    case("feedback_loss", "feedback_loss", Constant, 6_000, 400, NEARLY_ALL.costs(1.03)),
    case("shared_cell", "shared_cell", Constant, 8_000, 600, bar(99.9, 99.8).costs(1.05)),
    case("handover_steps", "handover_steps", Constant, 8_000, 600, ALL.costs(1.015)).lasting(120),
    case("handover_steps", "handover_steps", Constant, 8_000, 400, NEARLY_ALL.costs(1.015)).lasting(120),
    case("moved_away", "moved_away", Constant, 6_500, 600, bar(99.8, 99.0).costs(1.03)),
    case("shaking", "shaking_pair", Constant, 9_000, 1_000, bar(100.0, 99.9).costs(1.03)),
    case("swinging", "swinging_pair", Constant, 9_000, 1_000, bar(100.0, 99.9).costs(1.03)),
    case("tunnel", "tunnel", Constant, 6_000, 600, bar(0.0, 0.0).back_after(22.0)),
    case("tunnel_frames", "tunnel", Frames, 6_000, 600, bar(0.0, 0.0).back_after(22.0)),
    case("too_much_frames", "two_of_three_cut_to_a_third", Frames, 11_000, 600, bar(0.0, 0.0)),
    case("stadium_frames", "stadium", Frames, 4_000, 1_000, bar(0.0, 0.0).back_after(48.0))
        .following(6_000)
        .lasting(70),
    case("step_to_half_frames", "step_to_half", Frames, 4_000, 600, bar(0.0, 0.0).halved(30.0)).following(8_000),
    case("step_to_half_frames", "step_to_half", Frames, 4_000, 1_000, ALL.halved(30.0)).following(8_000),
    case("nat_rebind", "nat_rebind", Constant, 6_000, 600, ALL.costs(1.015)),
    case("mtu_1000", "mtu_1000", Constant, 6_000, 600, ALL.costs(1.015)),
    case("far_pair", "far_pair", Constant, 6_000, 250, bar(99.8, 99.6).costs(1.25)),
    case("slow_lte", "slow_lte", Constant, 6_000, 250, bar(99.8, 99.5).costs(1.25)),
    case("slow_lte", "slow_lte", Constant, 6_000, 200, bar(99.7, 99.5).costs(1.25)),
    case("slow_lte_tables", "slow_lte", Tables, 6_000, 200, bar(99.7, 99.5).costs(1.25).critical(99.9)),
    case("slow_lte_frames", "slow_lte", Frames, 6_000, 200, bar(94.0, 93.0).costs(1.3)),
    case("one_way_satellite", "one_way_satellite", Constant, 6_000, 400, bar(99.4, 99.2).costs(1.25)),
    case("clock_fast", "three_lte", Constant, 6_000, 600, ALL.costs(1.015)).drifting(500),
    case("clock_slow", "three_lte", Constant, 6_000, 600, ALL.costs(1.015)).drifting(-500),
];

/// Every unit of every seed.
const ALL: Bar = bar(100.0, 100.0);
const NEARLY_ALL: Bar = bar(99.9, 99.9);

const fn bar(median: f64, worst: f64) -> Bar {
    Bar { median, worst, excess: f64::INFINITY, besides: Besides::Nothing }
}

impl Bar {
    const fn costs(self, excess: f64) -> Self {
        Self { excess, ..self }
    }

    const fn like(self, without: &'static str) -> Self {
        Self { besides: Besides::LikeWithout(without), ..self }
    }

    const fn critical(self, percent: f64) -> Self {
        Self { besides: Besides::Critical(percent), ..self }
    }

    const fn back_after(self, seconds: f64) -> Self {
        Self { besides: Besides::BackAfter(seconds), ..self }
    }

    const fn halved(self, seconds: f64) -> Self {
        Self { besides: Besides::Halved(seconds), ..self }
    }
}

const fn case(name: &'static str, scenario: &'static str, shape: Shape, kbps: u64, latency_ms: u64, bar: Bar) -> Case {
    let headroom = Headroom::None;
    Case { name, scenario, shape, kbps, follow_kbps: None, latency_ms, headroom, drift_ppm: 0, seconds: 60, bar }
}

impl Case {
    const fn lasting(self, seconds: u64) -> Self {
        Self { seconds, ..self }
    }

    const fn following(self, kbps: u64) -> Self {
        Self { follow_kbps: Some(kbps), ..self }
    }

    const fn surviving_one(self) -> Self {
        Self { headroom: Headroom::SurviveOne, ..self }
    }

    const fn drifting(self, drift_ppm: i64) -> Self {
        Self { drift_ppm, ..self }
    }
}
