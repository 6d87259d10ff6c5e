//! Networks nobody thought of: what must hold in all of them holds, and where it does not, that is seen.
//!
//! `bondbox-sim endure` plays more of them. A seed that failed and was mended gets a test of its own.

use bondbox_sim::invariants::{Sabotage, check, network};

fn holds(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        if let Err(reason) = check(seed, None) {
            panic!("seed {seed}: {reason}\n{}", network(seed));
        }
    }
}

macro_rules! networks {
    ($($name:ident: $seeds:expr;)*) => {
        $(#[test] fn $name() { holds($seeds); })*
    };
}

networks! {
    what_must_hold_holds_in_networks_0_to_124: 0..125;
    what_must_hold_holds_in_networks_125_to_249: 125..250;
    what_must_hold_holds_in_networks_250_to_374: 250..375;
    what_must_hold_holds_in_networks_375_to_499: 375..500;
    what_must_hold_holds_in_networks_500_to_624: 500..625;
    what_must_hold_holds_in_networks_625_to_749: 625..750;
    what_must_hold_holds_in_networks_750_to_874: 750..875;
    what_must_hold_holds_in_networks_875_to_999: 875..1_000;
    what_must_hold_holds_in_network_16532_which_failed_once: 16_532..16_533;
    what_must_hold_holds_in_network_21523_which_failed_once: 21_523..21_524;
    what_must_hold_holds_in_network_5178_where_a_tenth_is_lost_on_far_links: 5_178..5_179;
    what_must_hold_holds_in_network_8_where_more_than_a_twentieth_of_a_second_was_rescued: 8..9;
    what_must_hold_holds_in_network_37895_where_probes_of_size_silenced_a_standby_link: 37_895..37_896;
}

#[test]
fn an_engine_that_is_broken_in_any_way_is_caught() {
    let ways = [
        (Sabotage::Repeat, "came out twice"),
        (Sabotage::Swap, "came out after"),
        (Sabotage::Alter, "came out altered"),
        (Sabotage::Delay, "came out late"),
        (Sabotage::Swallow, "came out, counted"),
        (Sabotage::Stop, "not back"),
        (Sabotage::Forget, "was given other than"),
        (Sabotage::Linger, "were not said to be over"),
        (Sabotage::Chatter, "sent back"),
    ];
    for (sabotage, expected) in ways {
        for seed in 0..3 {
            let reason = check(seed, Some(sabotage)).expect_err("it was not seen");
            assert!(reason.contains(expected), "{sabotage:?}, seed {seed}: {reason}");
        }
    }
}

#[test]
fn a_stream_that_goes_over_two_links_costs_more_than_it_may() {
    for seed in [0, 2] {
        let reason = check(seed, Some(Sabotage::Lavish)).expect_err("it was not seen");
        assert!(reason.contains("of media"), "seed {seed}: {reason}");
    }
}
