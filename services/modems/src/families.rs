//! Which addresses a modem's bearer is asked for.
//!
//! Both families first: a network that has only one mostly gives that one (3GPP TS 24.301 6.5.1.3, causes 50 and 51). Some networks,
//! SIMs and modems refuse the call instead; then IPv4 is asked for, and then IPv6. Whatever is taken is asked for first from then
//! on, so that not each reconnect pays for a refusal.

use std::time::Duration;

use bondbox_modem::IpFamily;
use bondbox_units::Instant;

/// What is known of one modem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Families {
    /// What the operator said.
    said: Option<IpFamily>,
    /// The SIM that the rest was learnt of.
    iccid: String,
    /// What was taken where both were refused, and when that was learnt.
    taken: Option<(IpFamily, Instant)>,
    /// Since a call was last taken, or all families were through.
    refused: Vec<IpFamily>,
}

impl Families {
    /// This SIM is in it, and the operator said so. What was learnt of another says nothing of it.
    pub fn look(&mut self, iccid: &str, said: Option<IpFamily>) {
        self.said = said;
        if !iccid.is_empty() && self.iccid != iccid {
            *self = Self { said, iccid: iccid.to_owned(), ..Self::default() };
        }
    }

    /// What to ask for now.
    pub fn next(&self, now: Instant) -> IpFamily {
        let taken = self.taken.filter(|(_, learnt)| now.since(*learnt) < REMEMBERED).map(|(family, _)| family);
        let mut all = taken.into_iter().chain(ORDER);
        self.said.or_else(|| all.find(|family| !self.refused.contains(family))).unwrap_or(IpFamily::Ipv4v6)
    }

    /// A call for it was taken.
    pub fn on_taken(&mut self, now: Instant, family: IpFamily) {
        self.refused.clear();
        let fresh = self.taken.filter(|(before, learnt)| *before == family && now.since(*learnt) < REMEMBERED);
        self.taken = (family != IpFamily::Ipv4v6).then(|| fresh.unwrap_or((family, now)));
    }

    /// A call for it was refused. Says whether there is another to be asked for at once.
    pub fn on_refused(&mut self, family: IpFamily) -> bool {
        if self.said.is_none() && !self.refused.contains(&family) {
            self.refused.push(family);
        }
        let more = self.said.is_none() && self.refused.len() < ORDER.len();
        if !more {
            self.refused.clear();
        }
        more
    }
}

const ORDER: [IpFamily; 3] = [IpFamily::Ipv4v6, IpFamily::Ipv4, IpFamily::Ipv6];
/// A cell that had no room for a call of both may have some tomorrow.
const REMEMBERED: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn both_are_asked_for_then_ipv4_then_ipv6_and_from_the_start() {
        let mut families = Families::default();
        for _ in 0..2 {
            for (family, more) in ORDER.into_iter().zip([true, true, false]) {
                assert_eq!(families.next(at(0)), family);
                assert_eq!(families.on_refused(family), more);
            }
        }
    }

    #[test]
    fn what_was_taken_is_asked_for_first_until_the_next_day_and_of_no_other_sim() {
        let mut families = Families::default();
        families.look("8949", None);
        families.on_refused(IpFamily::Ipv4v6);
        families.on_taken(at(0), IpFamily::Ipv4);
        // A call that is taken later teaches nothing new.
        families.on_taken(at(50_000), families.next(at(50_000)));
        assert_eq!([families.next(at(86_399)), families.next(at(86_400))], [IpFamily::Ipv4, IpFamily::Ipv4v6]);
        // It is not asked for twice in a round.
        assert!(families.on_refused(IpFamily::Ipv4));
        assert_eq!(families.next(at(1)), IpFamily::Ipv4v6);
        families.on_taken(at(2), IpFamily::Ipv4v6);
        assert_eq!(families.next(at(3)), IpFamily::Ipv4v6);
        families.on_taken(at(4), IpFamily::Ipv6);
        // A SIM that does not tell its number is the same one.
        families.look("", None);
        assert_eq!(families.next(at(5)), IpFamily::Ipv6);
        families.look("8950", None);
        assert_eq!(families.next(at(5)), IpFamily::Ipv4v6);
    }

    #[test]
    fn what_the_operator_says_is_asked_for_and_nothing_else() {
        let mut families = Families::default();
        families.look("8949", Some(IpFamily::Ipv6));
        assert!(!families.on_refused(IpFamily::Ipv6));
        assert_eq!(families.next(at(0)), IpFamily::Ipv6);
        families.look("8949", None);
        assert_eq!(families.next(at(0)), IpFamily::Ipv4v6);
    }
}
