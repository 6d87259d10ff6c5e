//! Whether a link leads anywhere, as what the bond sends over it proves.
//!
//! A stick has carrier and leases an address while its network lets nothing pass: no contract, a login page, a dead uplink of
//! its own. Only what arrives tells. While nothing arrives over any link the gateway may be at fault, and no link is accused.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_ipc::uplink::{Link, LinkState, State};
use bondbox_units::Instant;

/// What was seen of each link, by its interface.
#[derive(Debug, Default)]
pub struct Proof {
    links: BTreeMap<String, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Since when it carries nothing although others do.
    idle: Option<Instant>,
    /// Whether something sent over it was acknowledged just now.
    carries: bool,
    figures: Option<Figures>,
}

/// What the bond measures on a link that carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Share of what was sent.
    pub loss: f32,
    /// By how much the way's duration differs from packet to packet (RFC 3550 6.4.1).
    pub jitter: Duration,
}

impl Figures {
    fn of(link: &Link) -> Self {
        Self { loss: link.loss_ppm as f32 / 1e6, jitter: Duration::from_micros(link.jitter_us.into()) }
    }
}

impl Proof {
    /// Takes in what the bond says of its links.
    pub fn on_uplink(&mut self, now: Instant, state: &State) {
        let any = state.links.iter().any(|link| link.state == LinkState::Up);
        self.links.retain(|name, _| state.links.iter().any(|link| link.name == *name));
        for link in &state.links {
            let fresh = Seen { idle: None, carries: false, figures: None };
            let seen = self.links.entry(link.name.clone()).or_insert(fresh);
            // A link that joins has no figures yet; one that is silent has those of before, and all of its loss.
            let measured = matches!(link.state, LinkState::Up | LinkState::Suspect | LinkState::Silent);
            (seen.carries, seen.figures) = (link.state == LinkState::Up, measured.then(|| Figures::of(link)));
            let tried_in_vain = any && matches!(link.state, LinkState::Joining | LinkState::Silent);
            seen.idle = tried_in_vain.then(|| seen.idle.unwrap_or(now));
        }
    }

    /// The uplink is not there: nothing is known of any link.
    pub fn forget(&mut self) {
        self.links.clear();
    }

    /// Whether the link was tried for long and carried nothing, while others did.
    pub fn is_dead(&self, now: Instant, interface: &str) -> bool {
        self.silence(now, interface).is_some_and(|silence| silence >= PATIENCE)
    }

    /// For how long it was tried and nothing arrived over it, while others carry something.
    pub fn silence(&self, now: Instant, interface: &str) -> Option<Duration> {
        Some(now.since(self.links.get(interface)?.idle?))
    }

    /// Whether the bond gets data over it; `None` while nothing is known of any link.
    pub fn carries(&self, interface: &str) -> Option<bool> {
        (!self.links.is_empty()).then(|| self.links.get(interface).is_some_and(|seen| seen.carries))
    }

    /// What the bond measures on it, where it carries or did.
    pub fn figures(&self, interface: &str) -> Option<Figures> {
        self.links.get(interface)?.figures
    }
}

/// A link joins within three seconds of its address, where it leads anywhere.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use bondbox_ipc::uplink::{Counters, Link, Session};
    use bondbox_units::{Bitrate, LinkId};

    use super::*;

    fn state(links: &[(&str, LinkState)]) -> State {
        let links = links.iter().zip(0..).map(|((name, state), id)| Link {
            jitter_us: 12_000,
            loss_ppm: 30_000,
            ..Link::unmeasured(LinkId(id), name, *state)
        });
        State {
            gateway: String::new(),
            session: Session::Open,
            complaint: None,
            target: Bitrate::ZERO,
            actual: Bitrate::ZERO,
            backlog_bytes: 0,
            links: links.collect(),
            counters: Counters::default(),
        }
    }

    fn after(seconds: u64) -> Instant {
        Instant::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn a_link_that_is_tried_for_long_while_another_works_has_no_way_out() {
        let mut proof = Proof::default();
        let one_works = state(&[("usb0", LinkState::Up), ("usb1", LinkState::Joining)]);
        proof.on_uplink(after(0), &one_works);
        assert!(!proof.is_dead(after(9), "usb1"));
        proof.on_uplink(after(10), &one_works);
        assert!(proof.is_dead(after(10), "usb1") && !proof.is_dead(after(10), "usb0"));
        proof.on_uplink(after(11), &state(&[("usb0", LinkState::Up), ("usb1", LinkState::Up)]));
        assert!(!proof.is_dead(after(12), "usb1"));
    }

    #[test]
    fn a_link_is_measured_once_it_has_carried() {
        let mut proof = Proof::default();
        proof.on_uplink(after(0), &state(&[("usb0", LinkState::Up), ("usb1", LinkState::Joining)]));
        let figures = Figures { loss: 0.03, jitter: Duration::from_millis(12) };
        assert_eq!(["usb0", "usb1", "usb2"].map(|name| proof.figures(name)), [Some(figures), None, None]);
        proof.forget();
        assert_eq!(proof.figures("usb0"), None);
    }

    #[test]
    fn a_link_that_the_bond_does_not_have_carries_nothing() {
        let mut proof = Proof::default();
        let carry = |proof: &Proof| ["usb0", "usb1", "usb2"].map(|name| proof.carries(name));
        assert_eq!(carry(&proof), [None; 3]);
        proof.on_uplink(after(0), &state(&[("usb0", LinkState::Up), ("usb1", LinkState::Suspect)]));
        assert_eq!(carry(&proof), [Some(true), Some(false), Some(false)]);
        proof.forget();
        assert_eq!(carry(&proof), [None; 3]);
    }

    #[test]
    fn nobody_is_accused_while_nothing_arrives_at_all_or_nobody_tries() {
        let mut proof = Proof::default();
        for second in 0..60 {
            proof.on_uplink(after(second), &state(&[("usb0", LinkState::Silent), ("usb1", LinkState::Joining)]));
        }
        assert!(!proof.is_dead(after(60), "usb0") && !proof.is_dead(after(60), "usb1"));
        for second in 60..120 {
            proof.on_uplink(after(second), &state(&[("usb0", LinkState::Up), ("usb1", LinkState::Absent)]));
        }
        assert!(!proof.is_dead(after(120), "usb1"));
        proof.forget();
        assert!(!proof.is_dead(after(1_000), "usb0"));
    }
}
