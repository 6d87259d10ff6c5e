//! The language of the lights, all of it.
//!
//! Red says what goes out, blue how it gets there, green that there is power. A light that blinks slowly waits for
//! something, one that blinks fast wants somebody to come. No two rows look the same, so what is seen has one meaning.
//!
//! The first and the last word of a box are said without the panel service: the kernel's timer blinks as [`Meaning::Starting`]
//! does until the service takes the lights, and `bondbox-panel --ended` leaves [`Meaning::Fault`] where that failed.

use bondbox_ipc::panel::{Answer, Lamp, Light, Lights, Meaning};

use Cell::{Dark, Fast, Lit, Rare, Slow, Tally};

/// What is shown for `meaning`; `on_air` is whether pictures reach the gateway.
pub fn of(meaning: Meaning, on_air: bool) -> Lights {
    let [air, link, power] = row(meaning);
    Lights { air: air.light(on_air), link: link.light(on_air), power: power.light(on_air) }
}

/// What is shown instead for a moment. Each differs from all meanings in at least one light, most in all.
pub fn answer(answer: Answer, instead_of: Lights) -> Lights {
    match answer {
        // The opposite: whatever is shown, all three change at once, and none is mistaken for a state.
        Answer::Heard => {
            Lights { air: negative(instead_of.air), link: negative(instead_of.link), power: negative(instead_of.power) }
        }
        Answer::Counting { left_ms, .. } => {
            let half_ms = match left_ms {
                4_000.. => 400,
                1_500.. => 200,
                _ => 80,
            };
            let light = Light::Blink { on_ms: half_ms, off_ms: half_ms };
            Lights { air: light, link: Light::Dark, power: light }
        }
        Answer::Working => Lights { air: FLICKER, link: FLICKER, power: Light::Lit },
        Answer::Done => Lights { air: Light::Dark, link: FLICKER, power: FLICKER },
        Answer::Failed => Lights { air: Light::Lit, link: Light::Dark, power: Light::Dark },
    }
}

/// This one alone, for somebody who looks whether it works. No meaning looks like it.
pub const fn alone(lamp: Lamp) -> Lights {
    let dark = Lights { air: Light::Dark, link: Light::Dark, power: Light::Dark };
    match lamp {
        Lamp::Air => Lights { air: Light::Lit, ..dark },
        Lamp::Link => Lights { link: Light::Lit, ..dark },
        Lamp::Power => Lights { power: Light::Lit, ..dark },
    }
}

/// air, link, power.
const fn row(meaning: Meaning) -> [Cell; 3] {
    match meaning {
        Meaning::PoweringOff => [Slow, Slow, Slow],
        Meaning::Fault => [Fast, Dark, Dark],
        Meaning::Identify => [Fast, Fast, Fast],
        Meaning::BatteryEmpty => [Tally, Dark, Fast],
        Meaning::NoLink => [Slow, Fast, Lit],
        Meaning::SourceLost => [Fast, Lit, Lit],
        Meaning::LowBattery => [Tally, Dark, Rare],
        Meaning::Degraded => [Lit, Slow, Lit],
        Meaning::OnAir => [Lit, Lit, Lit],
        Meaning::Updating => [Dark, Slow, Slow],
        Meaning::Starting => [Dark, Dark, Slow],
        Meaning::NotPaired => [Dark, Fast, Lit],
        Meaning::Connecting => [Dark, Slow, Lit],
        Meaning::Ready => [Dark, Lit, Lit],
    }
}

#[derive(Clone, Copy)]
enum Cell {
    Dark,
    Lit,
    /// Once a second.
    Slow,
    /// Four times a second: nobody takes it for slow, and it is still seen as blinking out of the corner of an eye.
    Fast,
    /// A flash every two seconds, as of whatever runs on cells that run low.
    Rare,
    /// Lit while pictures reach the gateway, dark while they do not: a low battery hides the air from nobody.
    Tally,
}

impl Cell {
    const fn light(self, on_air: bool) -> Light {
        match self {
            Self::Dark => Light::Dark,
            Self::Lit => Light::Lit,
            Self::Slow => Light::Blink { on_ms: 500, off_ms: 500 },
            Self::Fast => Light::Blink { on_ms: 125, off_ms: 125 },
            Self::Rare => Light::Blink { on_ms: 100, off_ms: 1_900 },
            Self::Tally => {
                if on_air {
                    Light::Lit
                } else {
                    Light::Dark
                }
            }
        }
    }
}

const fn negative(light: Light) -> Light {
    match light {
        Light::Dark | Light::Blink { .. } => Light::Lit,
        Light::Lit => Light::Dark,
    }
}

/// Faster than anything that means something.
const FLICKER: Light = Light::Blink { on_ms: 50, off_ms: 50 };

/// All meanings, most urgent first.
pub const ALL: [Meaning; 14] = [
    Meaning::PoweringOff,
    Meaning::Fault,
    Meaning::Identify,
    Meaning::BatteryEmpty,
    Meaning::NoLink,
    Meaning::SourceLost,
    Meaning::LowBattery,
    Meaning::Degraded,
    Meaning::OnAir,
    Meaning::Updating,
    Meaning::Starting,
    Meaning::NotPaired,
    Meaning::Connecting,
    Meaning::Ready,
];

#[cfg(test)]
mod tests {
    use bondbox_ipc::panel::Action;

    use super::*;

    #[test]
    fn no_two_meanings_look_the_same_on_the_air_or_off_it() {
        for (i, first) in ALL.into_iter().enumerate() {
            for second in ALL.into_iter().skip(i + 1) {
                for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
                    assert_ne!(of(first, a), of(second, b), "{first:?} {a}, {second:?} {b}");
                }
            }
        }
    }

    #[test]
    fn no_answer_looks_like_a_meaning_and_each_changes_what_is_shown() {
        let counting = [20_000, 4_000, 1_500, 0].map(|left_ms| Answer::Counting { action: Action::Stop, left_ms });
        for meaning in ALL {
            for on_air in [true, false] {
                let shown = of(meaning, on_air);
                for said in counting.into_iter().chain([Answer::Working, Answer::Done, Answer::Failed, Answer::Heard]) {
                    assert_ne!(answer(said, shown), shown, "{said:?}");
                    // Heard is a flash of 100 ms; the others stay long enough to be read.
                    if said != Answer::Heard {
                        assert!(ALL.iter().all(|other| of(*other, true) != answer(said, shown)), "{said:?}");
                        assert!(ALL.iter().all(|other| of(*other, false) != answer(said, shown)), "{said:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_light_alone_looks_like_no_meaning() {
        for lamp in [Lamp::Air, Lamp::Link, Lamp::Power] {
            for meaning in ALL {
                assert!([true, false].into_iter().all(|on_air| of(meaning, on_air) != alone(lamp)), "{meaning:?}");
            }
        }
    }

    #[test]
    fn a_box_that_starts_looks_as_the_kernel_has_it_look_until_then() {
        // drivers/leds/led-core.c: a timer that is told nothing is half a second on and half a second off.
        let kernel = Light::Blink { on_ms: 500, off_ms: 500 };
        let lights = Lights { air: Light::Dark, link: Light::Dark, power: kernel };
        assert_eq!(of(Meaning::Starting, false), lights);
    }

    #[test]
    fn red_is_lit_without_blinking_only_while_pictures_go_out() {
        for meaning in ALL.into_iter().filter(|meaning| ![Meaning::Degraded, Meaning::OnAir].contains(meaning)) {
            assert_ne!(of(meaning, false).air, Light::Lit, "{meaning:?}");
        }
    }
}
