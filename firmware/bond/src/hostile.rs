//! Peers that know the keys and keep no rule: whatever frames they seal, in whatever order and at whatever time, the other
//! end goes on, holds a bounded amount, answers in proportion, and other sessions notice nothing.

mod anything;
mod elsewhere;
mod frames;
mod gateway_side;
mod hoard;
mod pairing;
mod refusals;
mod replaced;
mod strangers;
mod symbols;
mod unit_side;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};
use bondbox_wire::envelope::Envelope;
use bondbox_wire::handshake::MAX_DATAGRAM as MAX_HANDSHAKE;
use bondbox_wire::{MAX_DATAGRAM, Writer};
use bytes::Bytes;
use proptest::test_runner::{Config as ProptestConfig, RngSeed};

use crate::crypto::SessionKeys;
use crate::gateway::{GatewayConfig, GatewayEvent, Route};
use crate::handshake::{GatewayParams, Step, UnitHandshake};
use crate::receiver::Outputs;
use crate::sender::{Headroom, SenderConfig, Trust, Unit};
use crate::{Gateway, Identity, Sender};

/// The keys of a unit, of another unit and of the gateway: making new ones for each case would only cost time.
pub(crate) fn identities() -> &'static [Arc<Identity>; 3] {
    static KEYS: OnceLock<[Arc<Identity>; 3]> = OnceLock::new();
    KEYS.get_or_init(|| std::array::from_fn(|_| Arc::new(Identity::generate())))
}

pub(crate) fn gateway(now: Instant) -> Gateway {
    let [unit, other, gateway] = identities();
    let units = vec![unit.public(), other.public()];
    Gateway::new(now, GatewayConfig { identity: gateway.clone(), units, latency: None, outputs: Outputs::default() }, 1)
}

pub(crate) fn sender(now: Instant, identity: &Arc<Identity>, seed: u64) -> Sender {
    sender_of(now, config(identity), seed)
}

pub(crate) fn sender_of(now: Instant, config: SenderConfig, seed: u64) -> Sender {
    let mut sender = Sender::new(now, config, seed);
    (0..2).for_each(|link| sender.add_link(now, LinkId(link), "link"));
    sender
}

pub(crate) fn config(identity: &Arc<Identity>) -> SenderConfig {
    SenderConfig {
        identity: identity.clone(),
        gateway: Trust::Pinned(identities()[2].public()),
        stream: "cam".into(),
        latency: Duration::from_millis(200),
        return_latency: Duration::from_millis(300),
        headroom: Headroom::None,
        encoder_range: (Bitrate::from_kbps(300), Bitrate::from_kbps(4_000)),
        encoder_start: Bitrate::from_kbps(1_000),
        policy: crate::sender::Policy::EarliestArrival,
        features: crate::sender::Features::ALL,
    }
}

pub(crate) fn route(host: u8, port: u16) -> Route {
    Route { remote: SocketAddr::from(([192, 0, 2, host], port)), local: None }
}

pub(crate) fn unit(number: u32) -> Unit {
    Unit::datagram(TrackId(0), Priority::Standard, Bytes::from(number.to_be_bytes().repeat(50)))
}

/// So many cases from one seed; with `PROPTEST_CASES` so many from another each time.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    let fixed = ProptestConfig { cases, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() };
    if asked { ProptestConfig::default() } else { fixed }
}

/// A unit that keeps to the rules, on links that lose and delay nothing.
struct Honest {
    sender: Sender,
    pushed: u32,
    delivered: u32,
}

impl Honest {
    fn new(now: Instant) -> Self {
        Self { sender: sender(now, &identities()[1], 2), pushed: 0, delivered: 0 }
    }

    /// Carries what both ends have to say.
    fn exchange(&mut self, now: Instant, gateway: &mut Gateway) {
        let mut buffer = [0; MAX_DATAGRAM];
        self.sender.handle_timeout(now);
        while let Some(sent) = self.sender.poll_transmit(now, &mut buffer) {
            gateway.handle_datagram(now, route(HONEST, sent.link.0.into()), &mut buffer[..sent.len]);
        }
    }

    fn push(&mut self, now: Instant) {
        self.sender.push(now, unit(self.pushed));
        self.pushed += 1;
    }

    fn on_event(&mut self, event: &GatewayEvent) {
        if let GatewayEvent::Unit { unit: out, .. } = event
            && out.payload == unit(self.delivered).payload
        {
            self.delivered += 1;
        }
    }
}

/// Plays a handshake of the hostile unit's, and gives what the gateway has proven in it, if anything.
fn shake(now: Instant, gateway: &mut Gateway, handshake: &mut UnitHandshake) -> Option<(SessionKeys, GatewayParams)> {
    let mut buffer = [0; MAX_DATAGRAM];
    let mut session = None;
    for _ in 0..4 {
        for piece in handshake.send(now) {
            let mut datagram = [0; MAX_HANDSHAKE];
            let mut writer = Writer::new(&mut datagram);
            handshake.encode(LinkId(0), piece, &mut writer).unwrap();
            let len = writer.len();
            gateway.handle_datagram(now, route(HOSTILE, 0), &mut datagram[..len]);
        }
        while let Some((_, len)) = gateway.poll_transmit(now, &mut buffer) {
            let Ok(Envelope::Handshake(piece)) = Envelope::decode(&buffer[..len]) else { continue };
            if let Step::Proven(proven) = handshake.handle(now, LinkId(0), &piece).unwrap() {
                session = Some(*proven);
            }
        }
    }
    session
}

/// The last byte of the honest unit's address.
pub(crate) const HONEST: u8 = 1;
/// And of the hostile one's.
const HOSTILE: u8 = 66;
