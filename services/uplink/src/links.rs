//! The links: a socket each, bound to its interface, for as long as the interface is there.
//!
//! Interfaces come and go, change their address, and stall in ways that only a new socket cures. [`Links::look`] is
//! called once a second and does what has to be done about it.

mod place;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use bondbox_daemon::bond::udp::{Inbox, Outbox, Port};
use bondbox_daemon::bond::watch::Watch;
use bondbox_units::{Instant, LinkId};
use socket2::{Domain, Protocol, Socket, Type};

use place::{Place, places};

/// All links of the settings, whether their interfaces are there or not.
pub(crate) struct Links {
    /// Its addresses, the one to be preferred first.
    gateway: Vec<SocketAddr>,
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
    /// The gateway is tried at [`BESIDE`]: at its own port it did not answer on this link.
    beside: bool,
    /// Told once, until it changes.
    complaint: String,
}

struct Bound {
    port: Port,
    place: Place,
    /// Where it sends to.
    to: SocketAddr,
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
}

/// What has to be done about a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Stay,
    Bind(Place),
    Leave,
}

impl Links {
    pub(crate) fn new(gateway: Vec<SocketAddr>) -> Self {
        Self { gateway, all: Vec::new(), inbox: Inbox::new(LARGEST), next_id: 0 }
    }

    /// The gateway is here from now on; the next look sees to it.
    pub(crate) fn set_gateway(&mut self, addresses: Vec<SocketAddr>) {
        self.gateway = addresses;
    }

    /// Waits for this interface from now on, and marks its packets; `None` when it is waited for already or there is no more room.
    pub(crate) fn add(&mut self, name: &str, dscp: Option<u8>) -> Option<LinkId> {
        if self.all.iter().any(|link| link.name == name) || self.all.len() >= crate::settings::MAX_LINKS {
            return None;
        }
        let id = LinkId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.all.push(Link { id, name: name.into(), dscp, socket: None, beside: false, complaint: String::new() });
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

    /// Looks at all interfaces, binds what has to be bound, and has it watched under the link's id.
    ///
    /// # Errors
    /// When the system does not list its interfaces.
    pub(crate) fn look(&mut self, now: Instant, watch: &Watch) -> anyhow::Result<Vec<Change>> {
        let places = places(&self.gateway).context("list of interfaces")?;
        let mut changes = Vec::new();
        for link in &mut self.all {
            match link.step(now, places.get(&link.name).copied()) {
                Step::Stay => {}
                Step::Leave => {
                    tracing::warn!(link = link.name, "the interface is gone");
                    link.socket = None;
                    changes.push(Change::Went(link.id));
                }
                Step::Bind(place) => changes.extend(link.bind(now, place, watch)),
            }
        }
        Ok(changes)
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
                tracing::debug!(link = link.name, gateway = %bound.to, %error, "nothing can be received");
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

    fn step(&self, now: Instant, place: Option<Place>) -> Step {
        match (&self.socket, place) {
            (None, None) => Step::Stay,
            (Some(_), None) => Step::Leave,
            (None, Some(place)) => Step::Bind(place),
            (Some(bound), Some(place)) => {
                if bound.place != place || bound.broken || bound.is_silent(now) {
                    Step::Bind(place)
                } else {
                    Step::Stay
                }
            }
        }
    }

    fn bind(&mut self, now: Instant, place: Place, watch: &Watch) -> Option<Change> {
        // Networks that let little pass mostly let QUIC's port pass. Where neither answers they are tried by turns.
        if self.socket.as_ref().is_some_and(|bound| bound.place == place && bound.is_silent(now) && !bound.answered) {
            self.beside = !self.beside;
        }
        let mut to = place.gateway;
        if self.beside {
            to.set_port(BESIDE);
        }
        let port = connect(&self.name, to, self.dscp);
        let watched = port.and_then(|port| watch.add(&port, number_of(self.id)).map(|()| port));
        let port = match watched {
            Ok(port) => port,
            Err(error) => {
                // Kept as it was: a socket that may work is better than none.
                let complaint = error.to_string();
                if self.complaint != complaint {
                    tracing::warn!(link = self.name, address = %place.address, gateway = %place.gateway, complaint, "no socket");
                    self.complaint = complaint;
                }
                return None;
            }
        };
        self.complaint.clear();
        let fresh = self.socket.is_none();
        if fresh {
            tracing::info!(link = self.name, address = %place.address, gateway = %to, "the interface is there");
        } else {
            tracing::debug!(link = self.name, address = %place.address, gateway = %to, "bound anew");
        }
        self.socket = Some(Bound { port, place, to, answered: false, heard: now, asked: false, broken: false });
        fresh.then(|| Change::Came(self.id, self.name.clone()))
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

/// The port of HTTP/3. A gateway that wants to be reached there has it redirected to its own.
const BESIDE: u16 = 443;

/// A modem that has lost its bearer behind our back swallows what an old socket sends.
const SILENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> Links {
        let mut links = Links::new(vec!["127.0.0.1:7000".parse().unwrap()]);
        links.add("lo", Some(46)).unwrap();
        links
    }

    #[test]
    fn a_link_keeps_its_id_and_no_other_gets_it() {
        let mut links = links();
        assert_eq!(links.add("lo", None), None);
        assert_eq!(links.add("wwan0", None), Some(LinkId(1)));
        assert_eq!(links.remove("wwan0"), Some(LinkId(1)));
        assert_eq!(links.remove("wwan0"), None);
        assert_eq!(links.add("wwan1", None), Some(LinkId(2)));
    }

    #[test]
    fn an_interface_that_is_there_is_bound_and_one_that_is_not_is_waited_for() {
        let (mut links, watch) = (links(), Watch::new().unwrap());
        links.add("never-there", None).unwrap();
        let changes = links.look(Instant::from_millis(1), &watch).unwrap();
        assert_eq!(changes, [Change::Came(LinkId(0), "lo".into())]);
        assert_eq!(links.all().iter().map(Link::is_bound).collect::<Vec<_>>(), [true, false]);
        assert_eq!(links.look(Instant::from_millis(1_001), &watch).unwrap(), []);
    }

    #[test]
    fn a_link_waits_for_the_gateways_address_and_follows_it() {
        let (mut links, watch) = (links(), Watch::new().unwrap());
        links.set_gateway(Vec::new());
        assert_eq!(links.look(Instant::from_millis(1), &watch).unwrap(), []);
        let moves = [("127.0.0.1:7000", 1), ("127.0.0.1:7001", 0), ("[::1]:7001", 0)];
        for (gateway, came) in moves {
            let gateway: SocketAddr = gateway.parse().unwrap();
            links.set_gateway(vec![gateway]);
            assert_eq!(links.look(Instant::from_millis(2), &watch).unwrap().len(), came, "{gateway}");
            assert_eq!(links.all[0].socket.as_ref().unwrap().place.gateway, gateway);
        }
    }

    #[test]
    fn where_the_gateway_does_not_answer_its_port_and_that_of_quic_are_tried_by_turns() {
        let (mut links, watch) = (links(), Watch::new().unwrap());
        let mut now = Instant::from_millis(1_000);
        let mut tried = vec![];
        for round in 0..6 {
            links.look(now, &watch).unwrap();
            let bound = links.all[0].socket.as_mut().unwrap();
            tried.push(bound.to.port());
            (bound.asked, bound.answered) = (true, round == 3);
            now += SILENCE;
        }
        // One that has answered is tried again where it did.
        assert_eq!(tried, [7_000, 443, 7_000, 443, 443, 7_000]);
    }

    #[test]
    fn a_link_is_bound_anew_for_a_new_address_an_error_and_silence_and_left_without_interface() {
        let (mut links, watch) = (links(), Watch::new().unwrap());
        let start = Instant::from_millis(1_000);
        links.look(start, &watch).unwrap();
        let link = &mut links.all[0];
        let here = link.socket.as_ref().unwrap().place;
        let moved = Place { address: "127.0.0.2".parse().unwrap(), ..here };
        let later = start + SILENCE;
        assert_eq!(link.step(later, Some(here)), Step::Stay);
        assert_eq!(link.step(later, Some(moved)), Step::Bind(moved));
        assert_eq!(link.step(later, Some(Place { index: 77, ..here })), Step::Bind(Place { index: 77, ..here }));
        assert_eq!(link.step(later, None), Step::Leave);
        let bound = link.socket.as_mut().unwrap();
        (bound.asked, bound.heard) = (true, start);
        assert_eq!(link.step(later, Some(here)), Step::Bind(here));
        assert_eq!(link.step(start, Some(here)), Step::Stay);
        link.socket.as_mut().unwrap().broken = true;
        assert_eq!(link.step(start, Some(here)), Step::Bind(here));
    }
}
