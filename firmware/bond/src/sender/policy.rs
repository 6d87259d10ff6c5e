//! How the operator wants links to be used.

use std::time::Duration;

use bondbox_units::{Bitrate, Instant};

use super::schedule::Candidate;

/// Which link takes a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The one over which it arrives first.
    #[default]
    EarliestArrival,
    /// As above, and a copy goes over another link: twice the data, for what must not be lost.
    Redundant,
    /// The first link that would bring it in time, in the order of their numbers.
    MainBackup,
    /// Each in its turn. A baseline for measurements.
    RoundRobin,
    /// By turns too, but the more often the shorter its round trip. A baseline for measurements.
    WeightedRtt,
}

/// How one link may be used. The default is without limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkUse {
    /// It never carries more, whatever it could.
    pub cap: Option<Bitrate>,
    /// How dear its data is, 0 to 7: for each step a packet may arrive 40 ms later over a cheaper link, and the link is
    /// proven anew half as often.
    pub cost: u8,
    /// It carries media only when the others would be late, or are not there.
    pub backup: bool,
}

impl LinkUse {
    /// What its cost is worth in time.
    pub(crate) fn penalty(self) -> Duration {
        COST_STEP * self.cost.min(MAX_COST).into()
    }

    /// How much rarer it is proven than a link that costs nothing.
    pub(crate) fn rarer(self) -> u32 {
        1 << (self.cost.min(MAX_COST) + 2 * u8::from(self.backup))
    }
}

impl Policy {
    /// What `link` is worth for a packet that arrives over it at `arrival`, is due at `deadline`, and may go over any of
    /// `links`; the least is taken.
    pub(crate) fn rank(self, link: &Candidate, arrival: Instant, deadline: Instant) -> (bool, u64) {
        let late = arrival > deadline;
        // Backup comes after all others that are in time, dear after cheap.
        let spare = link.usage.backup && !late;
        let rank = match self {
            Self::EarliestArrival | Self::Redundant => (arrival + link.usage.penalty()).as_micros(),
            Self::MainBackup if late => u64::from(u8::MAX) + arrival.as_micros(),
            Self::MainBackup => u64::from(link.link.0),
            Self::RoundRobin => link.sent,
            Self::WeightedRtt => link.sent.saturating_mul(link.round_trip.as_millis() as u64 + 1),
        };
        let last = match self {
            Self::EarliestArrival | Self::Redundant => spare || late,
            Self::MainBackup => spare,
            // They know nothing of time.
            Self::RoundRobin | Self::WeightedRtt => false,
        };
        (last, rank)
    }
}

/// What an operator would wait to save a cent.
const COST_STEP: Duration = Duration::from_millis(40);
const MAX_COST: u8 = 7;

#[cfg(test)]
mod tests {
    use bondbox_units::LinkId;

    use super::*;

    fn link(id: u8, usage: LinkUse) -> Candidate {
        Candidate { usage, ..Candidate::idle(LinkId(id)) }
    }

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    fn order(policy: Policy, of: &[(Candidate, u64)]) -> Vec<u8> {
        let mut of: Vec<_> = of.iter().map(|(link, at)| (policy.rank(link, ms(*at), ms(600)), link.link.0)).collect();
        of.sort_unstable();
        of.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn a_dear_link_is_taken_when_the_cheap_one_is_much_slower_and_backup_when_all_others_are_late() {
        let dear = LinkUse { cost: 2, ..LinkUse::default() };
        let backup = LinkUse { backup: true, ..LinkUse::default() };
        let links = |cheap_ms, dear_ms| {
            [(link(0, LinkUse::default()), cheap_ms), (link(1, dear), dear_ms), (link(2, backup), 30)]
        };
        assert_eq!(order(Policy::EarliestArrival, &links(100, 50)), [0, 1, 2]);
        assert_eq!(order(Policy::EarliestArrival, &links(200, 50)), [1, 0, 2]);
        assert_eq!(order(Policy::EarliestArrival, &links(700, 800))[0], 2);
    }

    #[test]
    fn the_main_link_is_left_only_when_it_would_be_late() {
        let links = |main_ms| [(link(0, LinkUse::default()), main_ms), (link(1, LinkUse::default()), 50)];
        assert_eq!(order(Policy::MainBackup, &links(500)), [0, 1]);
        assert_eq!(order(Policy::MainBackup, &links(700)), [1, 0]);
    }

    #[test]
    fn what_a_link_costs_makes_it_rarer() {
        assert_eq!(LinkUse::default().rarer(), 1);
        assert_eq!(LinkUse { cost: 9, backup: true, cap: None }.rarer(), 512);
    }
}
