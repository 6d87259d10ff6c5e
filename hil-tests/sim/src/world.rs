//! A unit, a gateway and the links between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use bondbox_bond::gateway::{GatewayConfig, GatewayEvent, Route};
use bondbox_bond::sender::{SenderConfig, SenderEvent, Unit};
use bondbox_bond::{Gateway, Identity, Sender};
use bondbox_linksim::model::{Event, LinkConfig, Network};
use bondbox_linksim::{Scenario, Way};
use bondbox_units::{Instant, LinkId};
use bondbox_wire::MAX_DATAGRAM;

/// How the gateway's clock differs from the unit's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Clocks {
    /// Ahead by this much at the start, in microseconds.
    pub offset_us: i64,
    /// Faster by this many parts per million.
    pub drift_ppm: i64,
}

/// What went over one link, with IP and UDP headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// Datagrams from the unit.
    pub up_packets: u64,
    /// Bytes from the unit.
    pub up_bytes: u64,
    /// Bytes to the unit.
    pub down_bytes: u64,
    /// Datagrams from the unit that arrived.
    pub up_arrived: u64,
}

/// Both ends and the network between them, at one instant of virtual time.
pub struct World {
    /// The unit's end.
    pub sender: Sender,
    /// The gateway's end.
    pub gateway: Gateway,
    /// The links.
    pub network: Network<Vec<u8>>,
    /// What went over each link.
    pub wire: Vec<Wire>,
    clocks: Clocks,
    now: Instant,
    gateway_config: GatewayConfig,
    seed: u64,
    /// Of IP and UDP around a datagram, by link.
    headers: Vec<usize>,
    recording: Option<Vec<Vec<u8>>>,
}

/// The keys of all worlds: making new ones would only cost time.
pub(crate) fn identities() -> &'static [Arc<Identity>; 2] {
    static KEYS: OnceLock<[Arc<Identity>; 2]> = OnceLock::new();
    KEYS.get_or_init(|| std::array::from_fn(|_| Arc::new(Identity::generate())))
}

impl World {
    /// A world at time zero, with all links of `scenario`.
    pub fn new(scenario: &Scenario, seed: u64, sender: SenderConfig, gateway: GatewayConfig, clocks: Clocks) -> Self {
        let now = Instant::ZERO;
        let mut sender = Sender::new(now, sender, seed);
        for (link, id) in scenario.links.iter().zip(0..) {
            sender.add_link(now, LinkId(id), &link.name);
        }
        Self {
            sender,
            gateway: Gateway::new(gateway_clock(now, clocks), gateway.clone(), seed ^ 1),
            network: Network::new(scenario, seed),
            wire: vec![Wire::default(); scenario.links.len()],
            clocks,
            now,
            gateway_config: gateway,
            seed,
            headers: scenario.links.iter().map(LinkConfig::udp_headers).collect(),
            recording: None,
        }
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The time as the gateway's clock shows it.
    pub const fn gateway_now(&self) -> Instant {
        gateway_clock(self.now, self.clocks)
    }

    /// Gives the sender a unit.
    pub fn push(&mut self, unit: Unit) {
        self.sender.push(self.now, unit);
    }

    /// The gateway dies and comes back with nothing but its settings.
    pub fn restart_gateway(&mut self) {
        self.seed = self.seed.wrapping_add(2);
        self.gateway = Gateway::new(self.gateway_now(), self.gateway_config.clone(), self.seed);
    }

    /// The traces of both ends as files, and which end's each is.
    pub fn traces(&self) -> Vec<(&'static str, Vec<u8>)> {
        let sessions = self.gateway.status(self.gateway_now());
        let gateway = sessions.last().and_then(|session| self.gateway.trace(&session.stream));
        let gateway = gateway.map(|trace| ("gateway", trace.save()));
        [("unit", self.sender.trace().save())].into_iter().chain(gateway).collect()
    }

    /// Keeps a copy of each datagram that the unit sends from now on, as one who listens on the way could.
    pub fn record(&mut self) {
        self.recording = Some(vec![]);
    }

    /// What was kept.
    pub fn take_recording(&mut self) -> Vec<Vec<u8>> {
        self.recording.take().unwrap_or_default()
    }

    /// Something happens to a link beside the scenario's timeline.
    pub fn apply(&mut self, link: usize, way: Way, event: Event) {
        self.network.apply(self.now, link, way, event);
    }

    /// Goes on to `until`, or to the next thing that happens if that is sooner; gives what happened there.
    pub fn step(&mut self, until: Instant) -> (Vec<SenderEvent>, Vec<GatewayEvent>) {
        let gateway = unit_clock(self.gateway.deadline(self.gateway_now()), self.clocks);
        let next = [self.sender.deadline(self.now), gateway, self.network.deadline().unwrap_or(until)];
        self.now = next.into_iter().min().unwrap_or(until).min(until).max(self.now);
        self.deliver();
        self.sender.handle_timeout(self.now);
        self.gateway.handle_timeout(self.gateway_now());
        self.transmit();
        let sender = std::iter::from_fn(|| self.sender.poll_event()).collect();
        (sender, std::iter::from_fn(|| self.gateway.poll_event()).collect())
    }

    fn deliver(&mut self) {
        while let Some(mut arrived) = self.network.poll(self.now) {
            match arrived.way {
                Way::Down => self.sender.handle_datagram(self.now, LinkId(arrived.link as u8), &mut arrived.packet),
                Way::Up | Way::Both => {
                    self.wire[arrived.link].up_arrived += 1;
                    let route = self.route(arrived.link);
                    let now = self.gateway_now();
                    self.gateway.handle_datagram(now, route, &mut arrived.packet);
                }
            }
        }
    }

    fn transmit(&mut self) {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(sent) = self.sender.poll_transmit(self.now, &mut buffer) {
            let link = usize::from(sent.link.0);
            let size = sent.len + self.headers[link];
            self.wire[link].up_packets += 1;
            self.wire[link].up_bytes += size as u64;
            if let Some(recording) = &mut self.recording {
                recording.push(buffer[..sent.len].to_vec());
            }
            // What the model drops, and why, is the model's to count.
            let _ = self.network.enqueue(self.now, link, Way::Up, buffer[..sent.len].to_vec(), size);
        }
        let now = self.gateway_now();
        while let Some((route, len)) = self.gateway.poll_transmit(now, &mut buffer) {
            let Some(link) = self.link_of(route) else { continue };
            let size = len + self.headers[link];
            self.wire[link].down_bytes += size as u64;
            let _ = self.network.enqueue(self.now, link, Way::Down, buffer[..len].to_vec(), size);
        }
    }

    /// Where the gateway sees a link's datagrams come from: the port changes with each rebinding of its NAT.
    fn route(&self, link: usize) -> Route {
        let port = 10_000 + self.network.links()[link].nat_rebinds() as u16;
        let address = Ipv4Addr::new(10, 0, 0, link as u8);
        Route { remote: SocketAddr::from((address, port)), local: None }
    }

    /// A datagram to a port that the NAT has given up reaches nobody.
    fn link_of(&self, route: Route) -> Option<usize> {
        (0..self.wire.len()).find(|link| self.route(*link) == route)
    }
}

const fn gateway_clock(now: Instant, clocks: Clocks) -> Instant {
    let drift = now.as_micros().cast_signed() * clocks.drift_ppm / 1_000_000;
    now.offset_micros(clocks.offset_us + drift)
}

/// The first instant of the unit's clock at which the gateway's has reached `at`.
fn unit_clock(at: Instant, clocks: Clocks) -> Instant {
    let without_offset = at.as_micros().saturating_add_signed(-clocks.offset_us);
    let scale = i128::from(1_000_000 + clocks.drift_ppm);
    let micros = (i128::from(without_offset) * 1_000_000 + scale - 1) / scale;
    Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
