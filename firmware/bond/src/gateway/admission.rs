//! Who may begin a handshake, and how much is said to those who have proven nothing.
//!
//! Each handshake has a place, and keeps it for three seconds whatever becomes of it: so there is a greatest rate at which
//! strangers can make us compute, and a greatest room that they can make us keep. While the places for everyone are taken,
//! a cookie is asked for and nothing is kept; who brings it back is where they seem to be, and finds a place among those of
//! their own network.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::Writer;
use bondbox_wire::handshake::{Handshake, MAX_COOKIE, MAX_DATAGRAM};

use super::Route;
use crate::crypto::Cookies;
use crate::handshake::GatewayHandshake;

/// Handshakes of the last three seconds.
pub(super) struct Admission {
    cookies: Cookies,
    begun: BTreeMap<[u8; 8], Begun>,
    /// Places without a proven address that are taken.
    unproven: usize,
}

/// A handshake and its place.
struct Begun {
    /// Not there once it is over.
    handshake: Option<Box<GatewayHandshake>>,
    session_index: u32,
    started: Instant,
    /// Where it came from, when a cookie has proven that.
    network: Option<Network>,
    /// Bytes that may still be sent on each way: never more than thrice what came.
    allowance: HashMap<Route, usize>,
}

/// Addresses that one subscriber can be expected to have.
type Network = Ipv6Addr;

/// What to do with a datagram of a handshake.
pub(super) enum Admit {
    /// It belongs to one that is under way.
    Going,
    /// It begins one.
    Begin(Place),
    /// Send this back.
    Ask([u8; MAX_COOKIE]),
    /// There is no room.
    Full,
    /// It belongs to one that is over.
    Over,
}

/// The right to begin a handshake.
pub(super) struct Place {
    network: Option<Network>,
}

impl Admission {
    pub(super) fn new(now: Instant) -> Self {
        Self { cookies: Cookies::new(now), begun: BTreeMap::new(), unproven: 0 }
    }

    pub(super) fn admit(&mut self, now: Instant, route: Route, piece: &Handshake<'_>) -> Admit {
        if let Some(begun) = self.begun.get(&piece.id) {
            return if begun.handshake.is_some() { Admit::Going } else { Admit::Over };
        }
        if piece.acknowledged > 0 {
            return Admit::Over;
        }
        if self.unproven >= MAX_UNPROVEN {
            self.expire(now);
        }
        if self.unproven < MAX_UNPROVEN {
            return Admit::Begin(Place { network: None });
        }
        if !self.cookies.holds(now, route.remote, piece.id, piece.cookie) {
            return Admit::Ask(self.cookies.bake(now, route.remote, piece.id));
        }
        let network = network(route.remote.ip());
        let proven = self.begun.values().filter_map(|begun| begun.network);
        let (of_all, of_network) = proven.fold((0, 0), |(all, own), n| (all + 1, own + usize::from(n == network)));
        let room = of_all < MAX_PROVEN && of_network < MAX_OF_NETWORK;
        if room { Admit::Begin(Place { network: Some(network) }) } else { Admit::Full }
    }

    pub(super) fn begin(
        &mut self,
        now: Instant,
        id: [u8; 8],
        place: Place,
        handshake: GatewayHandshake,
        session_index: u32,
    ) {
        self.unproven += usize::from(place.network.is_none());
        let begun = Begun {
            handshake: Some(Box::new(handshake)),
            session_index,
            started: now,
            network: place.network,
            allowance: HashMap::new(),
        };
        self.begun.insert(id, begun);
    }

    /// A handshake under way, and the index that its session will have.
    pub(super) fn get(&mut self, id: [u8; 8]) -> Option<(&mut GatewayHandshake, u32)> {
        let begun = self.begun.get_mut(&id)?;
        Some((begun.handshake.as_mut()?, begun.session_index))
    }

    /// It came to its end, good or bad.
    pub(super) fn end(&mut self, id: [u8; 8]) {
        if let Some(begun) = self.begun.get_mut(&id) {
            begun.handshake = None;
        }
    }

    /// What answers a datagram of `len` bytes that came by `route`; and whether there was more to say than may be said.
    pub(super) fn answer(&mut self, id: [u8; 8], route: Route, len: usize) -> (Vec<Vec<u8>>, bool) {
        let Some(begun) = self.begun.get_mut(&id) else { return (vec![], false) };
        if !begun.allowance.contains_key(&route) && begun.allowance.len() >= MAX_ROUTES {
            return (vec![], true);
        }
        let allowance = begun.allowance.entry(route).or_default();
        *allowance += AMPLIFICATION * len;
        let Some(handshake) = &begun.handshake else { return (vec![], false) };
        let mut answers = vec![];
        for piece in handshake.answer() {
            let mut buffer = [0; MAX_DATAGRAM];
            let mut writer = Writer::new(&mut buffer);
            if handshake.encode(piece, &mut writer).is_err() {
                break;
            }
            if writer.len() > *allowance {
                return (answers, true);
            }
            *allowance -= writer.len();
            answers.push(writer.written().to_vec());
        }
        (answers, false)
    }

    /// Frees the places of handshakes that began three seconds ago.
    pub(super) fn expire(&mut self, now: Instant) {
        self.begun.retain(|_, begun| now - begun.started < HALF_OPEN_FOR);
        self.unproven = self.begun.values().filter(|begun| begun.network.is_none()).count();
    }

    /// Places that are taken.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.begun.len()
    }

    /// The most bytes that one of them holds of what came.
    #[cfg(test)]
    pub(super) fn most_held(&self) -> usize {
        let held = self.begun.values().filter_map(|begun| Some(begun.handshake.as_ref()?.held()));
        held.max().unwrap_or(0)
    }
}

/// "Say this again": no longer than any first piece of a handshake.
pub(super) fn ask(id: [u8; 8], cookie: &[u8; MAX_COOKIE]) -> Vec<u8> {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    let question = Handshake { id, cookie, offset: 0, total: 0, acknowledged: 0, bytes: &[] };
    question.encode(&mut writer).expect("46 bytes fit");
    writer.written().to_vec()
}

/// A whole IPv4 address, which many may share; of IPv6 the /64 that one host may number as it likes.
fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => v6,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64),
    }
}

/// As long as a unit tries before it begins anew.
const HALF_OPEN_FOR: Duration = Duration::from_secs(3);
/// Places for everyone.
const MAX_UNPROVEN: usize = 64;
/// Places for those who brought a cookie back: with the others some hundred handshakes a second, 3 % of a processor.
const MAX_PROVEN: usize = 256;
/// Of these for one network: a carrier's NAT may have a few units behind one address.
const MAX_OF_NETWORK: usize = 16;
/// Ways over which one handshake is answered.
const MAX_ROUTES: usize = 16;
/// Until the unit has proven itself, no more bytes go out than this times what came (RFC 9000 §8.1).
const AMPLIFICATION: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_what_one_subscriber_has() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("::ffff:192.0.2.1"), of("::ffff:192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:9::8"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
    }
}
