//! When to look at a gauge again.
//!
//! The kernel tells of a supply that changes, but not every driver has it do so. A gauge is looked at now and then until an event
//! was heard of it, hardly ever from then on, and now and then again once a look finds what no event told.

use core::time::Duration;

use crate::battery::Reading;

/// One gauge, and whether it tells.
#[derive(Clone, Debug)]
pub struct Looks {
    every: Duration,
    /// Further ones that are due at once: three readings decide ([`crate::battery`]), and what is new is not waited for.
    soon: u8,
    /// An event is being looked into.
    announced: bool,
    tells: bool,
    last: Option<Reading>,
}

impl Looks {
    /// A gauge of which nothing is known, looked at so often where nobody tells.
    pub fn new(every: Duration) -> Self {
        Self { every, soon: OF_THREE, announced: true, tells: false, last: None }
    }

    /// The kernel told that it has changed.
    pub fn on_event(&mut self) {
        (self.soon, self.announced, self.tells) = (OF_THREE, true, true);
    }

    /// It was looked at; `None` when it did not answer.
    pub fn on_look(&mut self, seen: Option<Reading>) {
        let told = |reading: Reading| (reading.charge_permille, reading.charging, reading.mains);
        if !self.announced && self.last.map(told) != seen.map(told) {
            (self.soon, self.tells) = (OF_THREE, false);
        }
        self.last = seen;
        self.soon = self.soon.saturating_sub(1);
        self.announced &= self.soon > 0;
    }

    /// How long to wait for an event before the next look.
    pub fn wait(&self) -> Duration {
        match (self.soon, self.tells) {
            (1.., _) => self.every.min(SOON),
            (0, true) => self.every.max(SELDOM),
            (0, false) => self.every,
        }
    }
}

/// The one that is made, and two further ones.
const OF_THREE: u8 = 3;
/// Longer than any bus slips, shorter than anybody waits. Events that come faster are looked into once.
pub const SOON: Duration = Duration::from_millis(300);
/// An event may be lost, which nobody is told.
const SELDOM: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(5);

    fn charge(permille: u16) -> Option<Reading> {
        Some(Reading { charge_permille: Some(permille), ..Reading::default() })
    }

    fn look(looks: &mut Looks, times: usize, permille: u16) {
        for _ in 0..times {
            looks.on_look(charge(permille));
        }
    }

    #[test]
    fn three_looks_are_made_at_once_and_then_one_now_and_then() {
        let mut looks = Looks::new(EVERY);
        let waits = [770; 4].map(|permille| {
            looks.on_look(charge(permille));
            looks.wait()
        });
        assert_eq!(waits, [SOON, SOON, EVERY, EVERY]);
    }

    #[test]
    fn one_that_tells_is_hardly_ever_looked_at() {
        let mut looks = Looks::new(EVERY);
        look(&mut looks, 3, 770);
        looks.on_event();
        assert_eq!(looks.wait(), SOON);
        look(&mut looks, 3, 760);
        assert_eq!(looks.wait(), SELDOM);
        look(&mut looks, 5, 760);
        assert_eq!(looks.wait(), SELDOM);
    }

    #[test]
    fn one_that_tells_of_its_charger_only_is_looked_at_as_before() {
        let mut looks = Looks::new(EVERY);
        looks.on_event();
        look(&mut looks, 3, 770);
        assert_eq!(looks.wait(), SELDOM);
        look(&mut looks, 1, 750);
        assert_eq!(looks.wait(), SOON, "three decide");
        look(&mut looks, 2, 750);
        assert_eq!(looks.wait(), EVERY);
    }

    #[test]
    fn one_that_falls_silent_was_told_by_nobody() {
        let mut looks = Looks::new(EVERY);
        looks.on_event();
        look(&mut looks, 3, 770);
        looks.on_look(None);
        looks.on_look(None);
        looks.on_look(None);
        assert_eq!(looks.wait(), EVERY);
    }
}
