//! Where a path's unit is: the address that is answered, and how one that shows up elsewhere proves that it is there.
//!
//! A NAT may move a unit at any time, and everything it is not told meanwhile is lost: so the source of the newest packet is
//! answered at once. But whoever sees a unit's packets can send copies of them from elsewhere, faster than the unit's own
//! (RFC 9000 §9.3.3). So, until it is clear who is who:
//!
//! - both addresses are asked by PINGs with tokens of their own that nobody can guess;
//! - the new one gets no more than thrice the bytes that came from it;
//! - the old one is told everything too, as long as packets come from there: also such that a copy has overtaken;
//! - a PING that is answered proves that the unit gets what is sent to that address, whichever way the answer came: that,
//!   too, may have been overtaken by a copy.
//!
//! The old address answers: it stays, and the other is heard no more for a while. Only the new one answers: it takes over,
//! when the old one has fallen silent or a second has passed. Neither does: the one that talks is kept, the old one first.
//!
//! A path begins at an address that has proven nothing, and is treated so until it answers its first PING.

use std::time::Duration;

use bondbox_units::Instant;
use heapless::Vec;

use crate::crypto::Tokens;
use crate::gateway::Route;

/// Where the unit of a path is, and may be.
pub(super) struct Ways {
    path: u32,
    home: Route,
    /// When home last answered a PING.
    proven_at: Option<Instant>,
    /// Bytes that may be sent home until then.
    credit: usize,
    /// When a packet last came from home.
    heard: Instant,
    away: Option<Away>,
    /// An address that was found out to copy, and until when it is not heard.
    barred: Option<(Route, Instant)>,
    ping_at: Option<Instant>,
    /// Counts what home was asked about, so that no answer serves twice.
    round: u64,
    /// Where the last authentic packet came from.
    source: Route,
}

/// Another address that packets of the path come from.
struct Away {
    route: Route,
    since: Instant,
    heard: Instant,
    /// The packet that came from there first.
    first: u64,
    credit: usize,
    proven: bool,
    /// Packets after the first one came from home.
    home_talks: bool,
}

/// Addresses to send something to.
pub(super) type Targets = Vec<Route, 2>;

impl Ways {
    pub(super) fn new(now: Instant, path: u32, route: Route) -> Self {
        Self {
            path,
            home: route,
            proven_at: None,
            credit: 0,
            heard: now,
            away: None,
            barred: None,
            ping_at: Some(now),
            round: 0,
            source: route,
        }
    }

    /// Takes note of an authentic packet, `newest` when none with a higher number came before.
    pub(super) fn on_packet(&mut self, now: Instant, route: Route, pn: u64, newest: bool, size: usize) {
        self.source = route;
        if !self.on_known(now, route, pn, size) && newest && !self.is_barred(now, route) {
            self.go_away(now, route, pn, size);
        }
    }

    /// Whether it matters that a packet that was seen before came once more, from `route`.
    pub(super) fn wants_copy(&self, now: Instant, route: Route) -> bool {
        match &self.away {
            Some(away) => route == self.home || route == away.route,
            None if route == self.home => self.barred.is_some(),
            // Whoever was first when the path began, or has not proven itself for long, may be the copier.
            None => self.proven_at.is_none_or(|at| now - at >= PROOF_LASTS) && !self.is_barred(now, route),
        }
    }

    /// An authentic packet came once more: one of the two ways is a copier's.
    pub(super) fn on_copy(&mut self, now: Instant, route: Route, pn: u64, size: usize) {
        if !self.on_known(now, route, pn, size) {
            self.go_away(now, route, pn, size);
        }
    }

    /// Takes note of a packet from one of our two addresses; `false` when it came from another.
    fn on_known(&mut self, now: Instant, route: Route, pn: u64, size: usize) -> bool {
        if route == self.home {
            self.on_home(now, pn);
            if self.proven_at.is_none() {
                self.credit += AMPLIFICATION * size;
                self.ping_at.get_or_insert(now);
            }
            return true;
        }
        let Some(away) = self.away.as_mut().filter(|away| away.route == route) else { return false };
        away.credit += AMPLIFICATION * size;
        away.heard = now;
        self.ping_at.get_or_insert(now);
        true
    }

    fn on_home(&mut self, now: Instant, pn: u64) {
        match &mut self.away {
            // What had left before is on its way still, and proves nothing.
            Some(away) if pn < away.first => {}
            Some(away) => {
                away.home_talks = true;
                self.heard = now;
            }
            None => self.heard = now,
        }
    }

    fn go_away(&mut self, now: Instant, route: Route, pn: u64, size: usize) {
        let credit = AMPLIFICATION * size;
        if let Some(away) = &mut self.away {
            // Another one still: what home is asked, and since when, does not begin anew with each.
            (away.route, away.heard, away.credit, away.proven) = (route, now, credit, false);
            return;
        }
        let first = pn;
        self.away = Some(Away { route, since: now, heard: now, first, credit, proven: false, home_talks: false });
        self.round += 1;
        self.ping_at = Some(now);
    }

    /// The unit answered a PING.
    pub(super) fn on_pong(&mut self, now: Instant, tokens: &Tokens, token: u64) {
        if token == self.home_token(tokens) {
            (self.proven_at, self.heard) = (Some(now), now);
            if let Some(away) = self.away.take() {
                self.barred = Some((away.route, now + BARRED_FOR));
            }
            self.ping_at = None;
            return;
        }
        let source = self.source;
        let at_away = self.away.as_ref().is_some_and(|away| token == self.away_token(tokens, away.route));
        if !at_away {
            // Another may have pushed it out of its place meanwhile: it has proven itself all the same.
            if source == self.home || token != self.away_token(tokens, source) {
                return;
            }
            self.go_away(now, source, u64::MAX, 0);
        }
        if let Some(away) = &mut self.away {
            away.proven = true;
            // Home may answer yet: an answer that was relayed comes back sooner.
            if now - self.heard >= HOME_QUIET {
                self.move_away(now);
            }
        }
    }

    fn move_away(&mut self, now: Instant) {
        if let Some(away) = self.away.take() {
            (self.home, self.proven_at, self.heard) = (away.route, Some(now), now);
            self.round += 1;
            self.ping_at = None;
        }
    }

    /// PINGs that are due, each with its token; also decides what has waited for a second.
    pub(super) fn pings(&mut self, now: Instant, tokens: &Tokens) -> Vec<(Route, u64), 2> {
        let mut pings = Vec::new();
        if self.ping_at.is_none_or(|at| now < at) {
            return pings;
        }
        self.decide(now);
        let home = (self.home, self.home_token(tokens));
        self.ping_at = match &self.away {
            Some(away) => {
                let _ = pings.push(home);
                let _ = pings.push((away.route, self.away_token(tokens, away.route)));
                Some(now + PING_INTERVAL)
            }
            // One that fell silent is asked again when it talks again.
            None if self.proven_at.is_none() && now - self.heard < UNDECIDED_FOR => {
                let _ = pings.push(home);
                Some(now + PING_INTERVAL)
            }
            None => None,
        };
        pings
    }

    fn decide(&mut self, now: Instant) {
        let Some(away) = &mut self.away else { return };
        let old = now - away.since >= UNDECIDED_FOR;
        if away.proven && (old || now - self.heard >= HOME_QUIET) {
            return self.move_away(now);
        }
        if !old || away.proven {
            return;
        }
        if away.home_talks {
            self.barred = Some((away.route, now + BARRED_FOR));
            self.away = None;
            return;
        }
        // Nobody is where we knew it: this one is all we have.
        away.since = now;
        if now - away.heard >= UNDECIDED_FOR {
            self.ping_at = None;
        }
    }

    /// When to ask for [`Ways::pings`] at the latest.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.ping_at
    }

    /// Bytes that the next datagram may have.
    pub(super) fn room(&self, now: Instant) -> usize {
        let home = if self.proven_at.is_some() { usize::MAX } else { self.credit };
        let away = match &self.away {
            Some(away) if away.proven => usize::MAX,
            Some(away) => away.credit,
            None => 0,
        };
        if self.tells_home(now) { home.max(away) } else { away }
    }

    /// Where a datagram of `len` bytes goes.
    pub(super) fn targets(&mut self, now: Instant, len: usize) -> Targets {
        let mut targets = Vec::new();
        let away = self.away.as_ref().map(|away| away.route);
        let home = self.tells_home(now).then_some(self.home);
        for route in away.into_iter().chain(home) {
            if self.spend(route, len) {
                let _ = targets.push(route);
            }
        }
        targets
    }

    fn tells_home(&self, now: Instant) -> bool {
        self.away.is_none() || now - self.heard < HOME_QUIET
    }

    /// Whether `len` bytes may be sent to one of our two addresses; they are counted.
    pub(super) fn spend(&mut self, route: Route, len: usize) -> bool {
        let credit = match &mut self.away {
            Some(away) if away.route == route && !away.proven => &mut away.credit,
            _ if route == self.home && self.proven_at.is_none() => &mut self.credit,
            _ => return true,
        };
        let enough = *credit >= len;
        *credit -= if enough { len } else { 0 };
        enough
    }

    /// Found out to copy, and home still talks.
    fn is_barred(&self, now: Instant, route: Route) -> bool {
        let quiet = now - self.heard >= HOME_QUIET;
        self.barred.is_some_and(|(barred, until)| barred == route && now < until && !quiet)
    }

    fn home_token(&self, tokens: &Tokens) -> u64 {
        tokens.token(self.path, self.home.remote, self.round + 1)
    }

    fn away_token(&self, tokens: &Tokens, route: Route) -> u64 {
        tokens.token(self.path, route.remote, 0)
    }
}

/// As of those who have not finished their handshake (RFC 9000 §8.1).
const AMPLIFICATION: usize = 3;
/// Who has not answered by then does not.
const UNDECIDED_FOR: Duration = Duration::from_secs(1);
/// Longer than most round trips, and five times within the time to decide.
const PING_INTERVAL: Duration = Duration::from_millis(200);
/// Asking anew costs two small packets.
const BARRED_FOR: Duration = Duration::from_secs(10);
/// A unit sends this often while it sends media, and whoever copies it falls silent with it.
const HOME_QUIET: Duration = Duration::from_millis(300);
/// One that began by copying and relays all it is asked is asked again.
const PROOF_LASTS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn route(port: u16) -> Route {
        Route { remote: std::net::SocketAddr::from(([192, 0, 2, 1], port)), local: None }
    }

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// A path whose home has answered, 20 packets old.
    fn settled(tokens: &Tokens) -> Ways {
        let mut ways = Ways::new(ms(0), 1, route(1));
        ways.on_packet(ms(0), route(1), 0, true, 100);
        let pings = ways.pings(ms(0), tokens);
        ways.on_pong(ms(50), tokens, pings[0].1);
        assert_eq!((ways.room(ms(50)), ways.deadline()), (usize::MAX, None));
        (1..20).for_each(|pn| ways.on_packet(ms(50 + pn), route(1), pn, true, 100));
        ways
    }

    #[test]
    fn a_new_path_gets_thrice_what_it_sent_until_it_answers() {
        let tokens = Tokens::new();
        let mut ways = Ways::new(ms(0), 1, route(1));
        assert!(ways.targets(ms(0), 1).is_empty());
        ways.on_packet(ms(0), route(1), 0, true, 50);
        assert_eq!(ways.room(ms(0)), 150);
        assert_eq!(ways.targets(ms(0), 100)[..], [route(1)]);
        assert!(ways.targets(ms(0), 51).is_empty());
        let pings = ways.pings(ms(0), &tokens);
        ways.on_pong(ms(10), &tokens, pings[0].1 ^ 1);
        assert!(ways.targets(ms(10), 51).is_empty(), "a guess");
        ways.on_pong(ms(10), &tokens, pings[0].1);
        assert_eq!(ways.targets(ms(10), 1_000_000)[..], [route(1)]);
    }

    #[test]
    fn a_moved_unit_is_answered_at_once_and_without_limit_when_it_has_answered() {
        let tokens = Tokens::new();
        let mut ways = settled(&tokens);
        ways.on_packet(ms(100), route(2), 20, true, 100);
        assert_eq!(ways.targets(ms(100), 10)[..], [route(2), route(1)], "who talked a moment ago is told, too");
        assert_eq!(ways.targets(ms(500), 290)[..], [route(2)]);
        assert!(ways.targets(ms(500), 1).is_empty(), "thrice what came");
        let pings = ways.pings(ms(100), &tokens);
        assert_eq!(pings.iter().map(|(route, _)| *route).collect::<std::vec::Vec<_>>(), [route(1), route(2)]);
        // One that was held back, from where the unit was.
        ways.on_packet(ms(120), route(1), 19, false, 100);
        ways.on_packet(ms(150), route(2), 21, true, 100);
        ways.on_pong(ms(150), &tokens, pings[1].1);
        assert_eq!(ways.targets(ms(550), 1_000_000)[..], [route(2)]);
        assert!(ways.pings(ms(550), &tokens).is_empty());
        assert_eq!(ways.deadline(), None);
    }

    #[test]
    fn an_answer_proves_the_address_that_was_asked_and_no_other() {
        let tokens = Tokens::new();
        let mut ways = settled(&tokens);
        ways.on_packet(ms(100), route(2), 20, true, 100);
        let pings = ways.pings(ms(100), &tokens);
        ways.on_packet(ms(500), route(3), 21, true, 100);
        ways.on_pong(ms(500), &tokens, pings[1].1);
        assert!(ways.targets(ms(500), 1_000_000).is_empty(), "the token of route 2 from route 3");
        ways.on_packet(ms(510), route(2), 22, true, 100);
        ways.on_packet(ms(520), route(3), 23, true, 100);
        ways.on_packet(ms(530), route(2), 24, true, 100);
        ways.on_packet(ms(540), route(3), 25, true, 100);
        ways.on_packet(ms(550), route(2), 26, true, 100);
        ways.on_pong(ms(550), &tokens, pings[1].1);
        assert_eq!(ways.targets(ms(550), 1_000_000)[..], [route(2)], "wherever it went in between");
    }

    #[test]
    fn a_copier_that_overtakes_every_packet_gets_its_share_for_a_round_trip_and_home_misses_nothing() {
        let tokens = Tokens::new();
        let mut ways = settled(&tokens);
        let copied = |ways: &mut Ways, at: u64, pn: u64| {
            ways.on_packet(ms(at), route(66), pn, true, 100);
            if ways.wants_copy(ms(at + 1), route(1)) {
                ways.on_copy(ms(at + 1), route(1), pn, 100);
            }
        };
        copied(&mut ways, 100, 20);
        let pings = ways.pings(ms(101), &tokens);
        copied(&mut ways, 110, 21);
        assert_eq!(ways.targets(ms(110), 100)[..], [route(66), route(1)]);
        assert_eq!(ways.targets(ms(110), 1_000)[..], [route(1)], "more than thrice what the copier sent");
        // The answer is copied like all else, and comes from there first.
        ways.on_packet(ms(150), route(66), 22, true, 100);
        ways.on_pong(ms(150), &tokens, pings[0].1);
        assert_eq!(ways.targets(ms(150), 1_000)[..], [route(1)]);
        for pn in 23..500 {
            copied(&mut ways, 10 * pn, pn);
            assert_eq!(ways.targets(ms(10 * pn), 100)[..], [route(1)], "at {pn}");
        }
    }

    #[test]
    fn an_address_that_answers_nothing_while_home_talks_is_left_after_a_second() {
        let tokens = Tokens::new();
        let mut ways = settled(&tokens);
        ways.on_packet(ms(100), route(66), 20, true, 100);
        for at in (100..1_100).step_by(100) {
            ways.on_packet(ms(at), route(1), at, true, 100);
            assert!(ways.targets(ms(at), 10).contains(&route(1)));
            ways.pings(ms(at), &tokens);
        }
        assert!(ways.pings(ms(1_100), &tokens).is_empty());
        assert_eq!(ways.targets(ms(1_100), 1_000)[..], [route(1)]);
        assert_eq!(ways.deadline(), None);
    }

    #[test]
    fn one_that_was_barred_is_heard_when_home_falls_silent() {
        let tokens = Tokens::new();
        let mut ways = settled(&tokens);
        ways.on_packet(ms(100), route(2), 20, true, 100);
        let pings = ways.pings(ms(100), &tokens);
        ways.on_pong(ms(150), &tokens, pings[0].1);
        ways.on_packet(ms(160), route(1), 21, true, 100);
        ways.on_packet(ms(300), route(2), 22, true, 100);
        assert_eq!(ways.targets(ms(300), 1)[..], [route(1)]);
        ways.on_packet(ms(800), route(2), 23, true, 100);
        assert_eq!(ways.targets(ms(800), 1)[..], [route(2)]);
    }

    #[test]
    fn a_path_that_a_copier_began_goes_to_the_unit_that_answers() {
        let tokens = Tokens::new();
        let mut ways = Ways::new(ms(0), 1, route(66));
        ways.on_packet(ms(0), route(66), 0, true, 100);
        assert!(ways.wants_copy(ms(1), route(1)));
        ways.on_copy(ms(1), route(1), 0, 100);
        assert_eq!(ways.targets(ms(1), 60)[..], [route(1), route(66)]);
        let pings = ways.pings(ms(1), &tokens);
        ways.on_packet(ms(40), route(66), 1, true, 100);
        assert!(ways.targets(ms(40), 60).contains(&route(1)));
        ways.on_packet(ms(41), route(1), 2, true, 100);
        ways.on_pong(ms(41), &tokens, pings[1].1);
        ways.pings(ms(1_001), &tokens);
        assert_eq!(ways.targets(ms(1_001), 1_000)[..], [route(1)]);
    }
}
