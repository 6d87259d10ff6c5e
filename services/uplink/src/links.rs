//! The links: a socket each, bound to its interface, for as long as the interface is there.
//!
//! Interfaces come and go, change their address, and stall in ways that only a new socket cures. [`Links::look`] is
//! called once a second and does what has to be done about it.

mod place;
mod turn;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bondbox_daemon::bond::udp::{Inbox, Outbox, Port};
use bondbox_daemon::bond::watch::Watch;
use bondbox_units::{Instant, LinkId};
use socket2::{Domain, Protocol, Socket, Type};

use place::leads;
pub(crate) use place::{Place, places};
use turn::Turn;

use crate::gateway::Through;

/// All links of the settings, whether their interfaces are there or not.
pub(crate) struct Links {
    all: Vec<Link>,
    inbox: Inbox,
    next_id: u8,
}

/// A link of the settings.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) name: String,
    /// Mark of its packets (RFC 2474).
    dscp: Option<u8>,
    socket: Option<Bound>,
    /// Which of the gateway's addresses it is to be bound for next, where the first did not do.
    next: Option<Turn>,
    /// Told once, until it changes.
    complaint: String,
}

struct Bound {
    port: Port,
    /// Of the interface.
    index: u32,
    /// Its own address.
    own: IpAddr,
    /// Where it sends to.
    turn: Turn,
    /// Something came since it was bound.
    answered: bool,
    /// When something last came, or when it was bound.
    heard: Instant,
    /// Something was sent since.
    asked: bool,
    /// The kernel refused to send.
    broken: bool,
}

/// What the engine has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The link can be sent over.
    Came(LinkId, String),
    /// It cannot any more.
    Went(LinkId),
    /// Where it was told the gateway is, nobody answered.
    Doubts(String),
}

/// What has to be done about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Stay,
    Bind(Turn),
    Leave,
}

impl Links {
    pub(crate) fn new() -> Self {
        Self { all: Vec::new(), inbox: Inbox::new(LARGEST), next_id: 0 }
    }

    /// Waits for this interface from now on, and marks its packets; `None` when it is waited for already or there is no more room.
    pub(crate) fn add(&mut self, name: &str, dscp: Option<u8>) -> Option<LinkId> {
        if self.all.iter().any(|link| link.name == name) || self.all.len() >= crate::settings::MAX_LINKS {
            return None;
        }
        let id = LinkId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.all.push(Link { id, name: name.into(), dscp, socket: None, next: None, complaint: String::new() });
        Some(id)
    }

    /// Forgets this interface.
    pub(crate) fn remove(&mut self, name: &str) -> Option<LinkId> {
        let place = self.all.iter().position(|link| link.name == name)?;
        Some(self.all.remove(place).id)
    }

    pub(crate) fn all(&self) -> &[Link] {
        &self.all
    }

    /// Those whose interfaces are there, by which somebody can be asked.
    pub(crate) fn there(&self, places: &BTreeMap<String, Place>) -> Vec<Through> {
        let there = self.all.iter().filter_map(|link| {
            let place = places.get(&link.name)?;
            Some(Through { link: link.name.clone(), index: place.index })
        });
        there.collect()
    }

    /// Looks at the interfaces, binds what has to be bound, and has it watched under the link's id. `gateway` says where a
    /// link may find the gateway, the most likely first.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        places: &BTreeMap<String, Place>,
        gateway: impl Fn(&str) -> Vec<SocketAddr>,
        watch: &Watch,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for link in &mut self.all {
            let place = places.get(&link.name);
            let leads = place.map_or_else(Vec::new, |place| leads(&place.own, &gateway(&link.name)));
            match link.step(now, place, &leads) {
                Step::Stay => {}
                Step::Leave => {
                    tracing::warn!(link = link.name, "the interface is gone");
                    link.socket = None;
                    changes.push(Change::Went(link.id));
                }
                Step::Bind(turn) => {
                    // Without a place there are no leads, and nothing to be bound.
                    let Some(place) = place else { continue };
                    if link.socket.as_ref().is_some_and(|bound| bound.is_silent(now) && !bound.answered) {
                        changes.push(Change::Doubts(link.name.clone()));
                    }
                    let came = link.bind(now, place, turn, watch).unwrap_or_else(|error| {
                        link.complain(turn, &error);
                        // The kernel knows no way to this one; perhaps it does to another.
                        link.next = turn.next(&leads, true);
                        false
                    });
                    changes.extend(came.then(|| Change::Came(link.id, link.name.clone())));
                }
            }
        }
        changes
    }

    /// Hands on what came over a link, and when it did. Whether more may wait.
    pub(crate) fn receive(&mut self, now: Instant, id: LinkId, mut each: impl FnMut(Instant, &mut [u8])) -> bool {
        let Some(link) = self.all.iter_mut().find(|link| link.id == id) else { return false };
        let Some(bound) = &mut link.socket else { return false };
        let result = self.inbox.drain(&bound.port, |came, _, datagram| {
            (bound.heard, bound.asked, bound.answered) = (now, false, true);
            each(came, datagram);
        });
        result.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::ConnectionRefused {
                tracing::debug!(link = link.name, gateway = %bound.turn.to(), %error, "nothing can be received");
                bound.broken = true;
            }
            false
        })
    }

    /// Sends what is in `outbox` by the ids of links, or loses it, as links do.
    pub(crate) fn send(&mut self, now: Instant, outbox: &Outbox) {
        for Link { id, socket, name, .. } in &mut self.all {
            let number = number_of(*id);
            let Some(bound) = socket.as_mut().filter(|_| outbox.has(number)) else { continue };
            if !bound.asked {
                // Silence is counted from the first question on.
                (bound.asked, bound.heard) = (true, now);
            }
            outbox.send(number, &mut bound.port, |error| {
                if !passes(&error) && !bound.broken {
                    tracing::debug!(link = name, %error, "nothing can be sent");
                    bound.broken = true;
                }
            });
        }
    }
}

/// As a link's socket is watched, and its datagrams are addressed.
pub(crate) const fn number_of(link: LinkId) -> u64 {
    link.0 as u64
}

impl Link {
    /// Whether there is a socket.
    pub(crate) const fn is_bound(&self) -> bool {
        self.socket.is_some()
    }

    fn step(&self, now: Instant, place: Option<&Place>, leads: &[SocketAddr]) -> Step {
        let first = self.next.filter(|turn| leads.contains(&turn.address)).or_else(|| Turn::first(leads));
        match (&self.socket, place.zip(first)) {
            (None, None) => Step::Stay,
            (Some(_), None) => Step::Leave,
            (None, Some((_, first))) => Step::Bind(first),
            (Some(bound), Some((place, first))) => {
                let stands = bound.index == place.index && place.own.contains(&bound.own);
                if !stands || !leads.contains(&bound.turn.address) || self.next.is_some() {
                    Step::Bind(first)
                } else if bound.broken || bound.is_silent(now) {
                    Step::Bind(bound.turn.next(leads, bound.answered || bound.broken).unwrap_or(first))
                } else {
                    Step::Stay
                }
            }
        }
    }

    /// Whether it had no socket before. After an error it keeps the one that it has: it may work, which is better than none.
    fn bind(&mut self, now: Instant, place: &Place, turn: Turn, watch: &Watch) -> io::Result<bool> {
        let port = connect(&self.name, turn.to(), self.dscp)?;
        watch.add(&port, number_of(self.id))?;
        // The kernel chooses among several by its own rules.
        let chosen = port.local_addr()?.ip();
        let of_family = place.own.iter().find(|own| own.is_ipv4() == turn.address.is_ipv4());
        let own = *place.own.iter().find(|own| **own == chosen).or(of_family).unwrap_or(&chosen);
        self.complaint.clear();
        self.next = None;
        let fresh = self.socket.is_none();
        if fresh {
            tracing::info!(link = self.name, address = %own, gateway = %turn.to(), "the interface is there");
        } else if self.socket.as_ref().is_some_and(|bound| bound.turn.to() != turn.to()) {
            tracing::info!(link = self.name, address = %own, gateway = %turn.to(), "bound anew, for another address of the gateway");
        } else {
            tracing::debug!(link = self.name, address = %own, gateway = %turn.to(), "bound anew");
        }
        let index = place.index;
        self.socket = Some(Bound { port, index, own, turn, answered: false, heard: now, asked: false, broken: false });
        Ok(fresh)
    }

    /// Says why it has no socket for this address, once.
    fn complain(&mut self, turn: Turn, error: &io::Error) {
        let complaint = format!("{}: {error}", turn.to());
        if self.complaint != complaint {
            tracing::warn!(link = self.name, gateway = %turn.to(), %error, "no socket");
            self.complaint = complaint;
        }
    }
}

impl Bound {
    fn is_silent(&self, now: Instant) -> bool {
        self.asked && now.since(self.heard) >= SILENCE
    }
}

fn connect(interface: &str, gateway: SocketAddr, dscp: Option<u8>) -> io::Result<Port> {
    let socket = Socket::new(Domain::for_address(gateway), Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    let any = if gateway.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    socket.bind(&SocketAddr::new(any, 0).into())?;
    if let Some(class) = dscp.map(|dscp| u32::from(dscp) << 2) {
        if gateway.is_ipv4() { socket.set_tos_v4(class) } else { socket.set_tclass_v6(class) }?;
    }
    socket.connect(&gateway.into())?;
    Port::new(socket)
}

/// Errors that say nothing against the socket: a full queue, a gateway that starts anew, a packet larger than this
/// interface takes, memory that is short for a moment.
fn passes(error: &io::Error) -> bool {
    let passing = [nix::libc::ECONNREFUSED, nix::libc::EMSGSIZE, nix::libc::ENOBUFS, nix::libc::EAGAIN];
    error.raw_os_error().is_none_or(|code| passing.contains(&code))
}

/// Largest datagram that a gateway sends, and then some.
const LARGEST: usize = 2_048;

/// A modem that has lost its bearer behind our back swallows what an old socket sends.
const SILENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    /// A link over loopback, and a gateway that is where a test says.
    struct Bench {
        links: Links,
        watch: Watch,
        gateway: Vec<SocketAddr>,
    }

    impl Bench {
        fn new() -> Self {
            let mut bench = Self { links: Links::new(), watch: Watch::new().unwrap(), gateway: vec![] };
            bench.links.add("lo", Some(46)).unwrap();
            bench.gateway_is(&["127.0.0.1:7000"]);
            bench
        }

        fn gateway_is(&mut self, addresses: &[&str]) {
            self.gateway = addresses.iter().map(|address| address.parse().unwrap()).collect();
        }

        fn look(&mut self, now: Instant) -> Vec<Change> {
            self.links.look(now, &places().unwrap(), |_| self.gateway.clone(), &self.watch)
        }

        fn bound(&mut self) -> &mut Bound {
            self.links.all[0].socket.as_mut().unwrap()
        }

        /// Where it sends to after a look.
        fn sends_to(&mut self, now: Instant) -> String {
            self.look(now);
            self.bound().turn.to().to_string()
        }
    }

    #[test]
    fn a_link_keeps_its_id_and_no_other_gets_it() {
        let mut links = Bench::new().links;
        assert_eq!(links.add("lo", None), None);
        assert_eq!(links.add("wwan0", None), Some(LinkId(1)));
        assert_eq!(links.remove("wwan0"), Some(LinkId(1)));
        assert_eq!(links.remove("wwan0"), None);
        assert_eq!(links.add("wwan1", None), Some(LinkId(2)));
    }

    #[test]
    fn an_interface_that_is_there_is_bound_and_one_that_is_not_is_waited_for() {
        let mut bench = Bench::new();
        bench.links.add("never-there", None).unwrap();
        let there = bench.links.there(&places().unwrap());
        assert_eq!(there.iter().map(|through| &through.link).collect::<Vec<_>>(), ["lo"]);
        assert_eq!(bench.look(Instant::from_millis(1)), [Change::Came(LinkId(0), "lo".into())]);
        assert_eq!(bench.links.all().iter().map(Link::is_bound).collect::<Vec<_>>(), [true, false]);
        assert_eq!(bench.look(Instant::from_millis(1_001)), []);
    }

    #[test]
    fn a_link_waits_for_the_gateways_address_and_follows_it() {
        let mut bench = Bench::new();
        bench.gateway_is(&[]);
        assert_eq!(bench.look(Instant::from_millis(1)), []);
        for (gateway, came) in [("127.0.0.1:7000", 1), ("127.0.0.1:7001", 0), ("[::1]:7001", 0)] {
            bench.gateway_is(&[gateway]);
            assert_eq!(bench.look(Instant::from_millis(2)).len(), came, "{gateway}");
            assert_eq!(bench.bound().turn.address.to_string(), gateway);
        }
    }

    #[test]
    fn where_the_gateway_does_not_answer_its_port_and_that_of_quic_are_tried_by_turns_and_its_address_is_doubted() {
        let mut bench = Bench::new();
        let mut now = Instant::from_millis(1_000);
        let (mut tried, mut doubts) = (vec![], vec![]);
        for round in 0..6 {
            doubts.push(bench.look(now).contains(&Change::Doubts("lo".into())));
            let bound = bench.bound();
            tried.push(bound.turn.to().port());
            (bound.asked, bound.answered) = (true, round == 3);
            now += SILENCE;
        }
        // One that has answered is tried again where it did.
        assert_eq!(tried, [7_000, 443, 7_000, 443, 443, 7_000]);
        assert_eq!(doubts, [false, true, true, true, false, true]);
    }

    #[test]
    fn a_link_takes_the_other_family_where_the_first_does_not_answer_or_cannot_be_reached() {
        let (six, four) = ("[::1]:7000", "127.0.0.1:7000");
        let mut bench = Bench::new();
        let mut now = Instant::from_millis(1_000);
        bench.gateway_is(&[six, four]);
        assert_eq!(bench.sends_to(now), six);
        bench.bound().asked = true;
        now += SILENCE;
        assert_eq!(bench.sends_to(now), four);
        (bench.bound().asked, bench.bound().answered) = (true, true);
        assert_eq!(bench.sends_to(now), four);
        // What answers is not left for what comes first in the list.
        bench.gateway_is(&[six, "127.0.0.1:7001", four]);
        assert_eq!(bench.sends_to(now), four);
        bench.bound().broken = true;
        assert_eq!(bench.sends_to(now), six);
        // No route leads from loopback to this one: the kernel says so at once.
        bench.gateway_is(&["[2001:db8::7]:7000", four]);
        assert_eq!(bench.sends_to(now), six);
        assert_eq!(bench.sends_to(now), four);
    }

    #[test]
    fn a_link_is_bound_anew_for_a_new_address_an_error_and_silence_and_left_without_interface() {
        let mut bench = Bench::new();
        let start = Instant::from_millis(1_000);
        bench.look(start);
        let leads = bench.gateway.clone();
        let link = &mut bench.links.all[0];
        let bound = link.socket.as_ref().unwrap();
        let (here, turn) = (Place { index: bound.index, own: vec![bound.own] }, bound.turn);
        let more = Place { own: vec!["127.0.0.2".parse().unwrap(), bound.own], ..here.clone() };
        let moved = Place { own: vec!["127.0.0.2".parse().unwrap()], ..here.clone() };
        let later = start + SILENCE;
        assert_eq!(link.step(later, Some(&here), &leads), Step::Stay);
        assert_eq!(link.step(later, Some(&more), &leads), Step::Stay);
        assert_eq!(link.step(later, Some(&moved), &leads), Step::Bind(turn));
        assert_eq!(link.step(later, Some(&Place { index: 77, ..here.clone() }), &leads), Step::Bind(turn));
        assert_eq!(link.step(later, None, &[]), Step::Leave);
        let bound = link.socket.as_mut().unwrap();
        (bound.asked, bound.answered, bound.heard) = (true, true, start);
        assert!(matches!(link.step(later, Some(&here), &leads), Step::Bind(again) if again.to() == turn.to()));
        assert_eq!(link.step(start, Some(&here), &leads), Step::Stay);
        link.socket.as_mut().unwrap().broken = true;
        assert!(matches!(link.step(start, Some(&here), &leads), Step::Bind(again) if again.to() == turn.to()));
    }
}
