//! The unit's side.

use std::collections::BTreeMap;
use std::time::Duration;

use bondbox_units::{Instant, LinkId};
use bondbox_wire::handshake::{Handshake, MAX_TOTAL};
use bondbox_wire::{Full, Writer};
use rustls::quic::{ClientConnection, KeyChange};

use super::NoSession;
use super::params::{GatewayParams, UnitParams};
use super::refusal;
use super::stream::{Incoming, Outgoing};
use crate::crypto::{End, Identity, PairingSecret, PublicKey, SessionKeys, client};

/// What the gateway wants repeated on a link.
#[derive(Default)]
struct Cookie {
    bytes: Vec<u8>,
    /// How many there were.
    heeded: u8,
}

/// What a datagram of the gateway's led to.
pub(crate) enum Step {
    /// Nothing to do now.
    Wait,
    /// It wants to know that we are where we seem to be: all pieces are to be sent again on this link.
    Again(Vec<usize>),
    /// It has proven itself.
    Proven(Box<(SessionKeys, GatewayParams)>),
    /// It does not let us in, says somebody: to be opened with the keys of who has proven itself.
    Refused(Vec<u8>),
}

/// Whom a handshake is meant for.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// The gateway with this key.
    Key(PublicKey),
    /// The one that knows this code.
    Code(PairingSecret),
}

/// A handshake under way.
pub(crate) struct UnitHandshake {
    id: [u8; 8],
    tls: ClientConnection,
    expected: Expected,
    outgoing: Outgoing,
    incoming: Incoming,
    /// The gateway may want one for each address that it sees us at.
    cookies: BTreeMap<LinkId, Cookie>,
    next_send: Instant,
    interval: Duration,
}

impl UnitHandshake {
    pub(crate) fn new(now: Instant, id: [u8; 8], identity: &Identity, expected: Expected, params: &UnitParams) -> Self {
        let pinned = match expected {
            Expected::Key(gateway) => Some(gateway),
            Expected::Code(_) => None,
        };
        let mut tls = client(identity, pinned, params.encode());
        let mut outgoing = Outgoing::default();
        let change = tls.write_hs(&mut outgoing.bytes);
        debug_assert!(change.is_none(), "the first flight changes no keys");
        let incoming = Incoming::default();
        let cookies = BTreeMap::new();
        Self { id, tls, expected, outgoing, incoming, cookies, next_send: now, interval: FIRST_INTERVAL }
    }

    /// When to send on all links (again).
    pub(crate) const fn deadline(&self) -> Instant {
        self.next_send
    }

    /// The pieces to send on each link when the deadline has passed.
    pub(crate) fn send(&mut self, now: Instant) -> Vec<usize> {
        self.next_send = now + self.interval;
        self.interval = self.interval.mul_f64(1.5).min(MAX_INTERVAL);
        self.outgoing.pieces().collect()
    }

    /// There is a new way to the gateway: sends on it at once.
    pub(crate) const fn hurry(&mut self, now: Instant) {
        self.next_send = now;
        self.interval = FIRST_INTERVAL;
    }

    /// Writes one datagram for `link`.
    pub(crate) fn encode(&self, link: LinkId, piece: usize, out: &mut Writer<'_>) -> Result<(), Full> {
        let cookie = self.cookies.get(&link).map_or(&[][..], |cookie| &cookie.bytes);
        encode(&self.outgoing, &self.incoming, self.id, cookie, piece, out)
    }

    /// Takes in a datagram that came over `link`.
    ///
    /// # Errors
    /// When the gateway has not proven itself: another key, or bytes that are no handshake.
    pub(crate) fn handle(&mut self, now: Instant, link: LinkId, datagram: &Handshake<'_>) -> Result<Step, NoSession> {
        if datagram.id != self.id {
            return Ok(Step::Wait);
        }
        if !datagram.cookie.is_empty() {
            return Ok(self.on_cookie(link, datagram.cookie));
        }
        let news = self.outgoing.on_acknowledged(datagram.acknowledged);
        if news {
            self.interval = FIRST_INTERVAL;
        }
        self.incoming.on_piece(datagram, MAX_TOTAL as usize);
        let mut keys = None;
        while let Some(message) = self.incoming.next_message() {
            if refusal::is_one(message) {
                return Ok(Step::Refused(message.to_vec()));
            }
            self.tls.read_hs(message)?;
            while let Some(change) = self.tls.write_hs(&mut self.outgoing.bytes) {
                if let KeyChange::OneRtt { keys: one_rtt, next } = change {
                    keys = Some(SessionKeys::new(one_rtt, next));
                }
            }
        }
        let Some(keys) = keys else { return Ok(Step::Wait) };
        let params = self.tls.quic_transport_parameters().and_then(GatewayParams::decode);
        let params = params.ok_or_else(|| rustls::Error::General("the gateway named no session".into()))?;
        // Nothing of this flight has gone out yet: who does not know the code never sees the unit's key.
        if let Expected::Code(code) = &self.expected {
            let knows = |gateway| params.pairing.iter().any(|proof| code.is_proven(End::Gateway, gateway, proof));
            if !self.gateway().is_some_and(knows) {
                return Err(NoSession::UnknownCode);
            }
        }
        self.next_send = now;
        self.interval = FIRST_INTERVAL;
        Ok(Step::Proven(Box::new((keys, params))))
    }

    /// Who has proven itself.
    pub(crate) fn gateway(&self) -> Option<PublicKey> {
        self.tls.peer_certificates().and_then(|certs| PublicKey::from_spki(certs.first()?))
    }

    /// Anyone who sees our datagrams can send cookies: each link heeds a few at once, the others go out with the next round.
    fn on_cookie(&mut self, link: LinkId, bytes: &[u8]) -> Step {
        let cookie = self.cookies.entry(link).or_default();
        if cookie.bytes == bytes {
            return Step::Wait;
        }
        cookie.bytes = bytes.to_vec();
        cookie.heeded = cookie.heeded.saturating_add(1);
        if cookie.heeded > MAX_HEEDED { Step::Wait } else { Step::Again(self.outgoing.pieces().collect()) }
    }
}

pub(super) fn encode(
    outgoing: &Outgoing,
    incoming: &Incoming,
    id: [u8; 8],
    cookie: &[u8],
    piece: usize,
    out: &mut Writer<'_>,
) -> Result<(), Full> {
    let datagram = Handshake {
        id,
        cookie,
        offset: piece as u64,
        total: outgoing.bytes.len().max(piece) as u64,
        acknowledged: incoming.contiguous(),
        bytes: outgoing.piece(piece),
    };
    datagram.encode(out)
}

/// Longer than the round trip of most links, so that a second copy is rarely wasted.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);

/// A gateway that comes back is found this soon.
const MAX_INTERVAL: Duration = Duration::from_secs(1);

/// A NAT may move a link a few times within one handshake.
const MAX_HEEDED: u8 = 4;
