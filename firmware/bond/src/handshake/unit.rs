//! The unit's side.

use std::time::Duration;

use bondbox_units::Instant;
use bondbox_wire::handshake::{Handshake, MAX_TOTAL};
use bondbox_wire::{Full, Writer};
use rustls::quic::{ClientConnection, KeyChange};

use super::params::{GatewayParams, UnitParams};
use super::stream::{Incoming, Outgoing};
use crate::crypto::{Identity, PublicKey, SessionKeys, client};

/// A handshake under way.
pub(crate) struct UnitHandshake {
    id: [u8; 8],
    tls: ClientConnection,
    outgoing: Outgoing,
    incoming: Incoming,
    cookie: Vec<u8>,
    next_send: Instant,
    interval: Duration,
}

impl UnitHandshake {
    pub(crate) fn new(now: Instant, id: [u8; 8], identity: &Identity, gateway: PublicKey, params: &UnitParams) -> Self {
        let mut tls = client(identity, gateway, params.encode());
        let mut outgoing = Outgoing::default();
        let change = tls.write_hs(&mut outgoing.bytes);
        debug_assert!(change.is_none(), "the first flight changes no keys");
        let incoming = Incoming::default();
        Self { id, tls, outgoing, incoming, cookie: vec![], next_send: now, interval: FIRST_INTERVAL }
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

    /// Writes one datagram.
    pub(crate) fn encode(&self, piece: usize, out: &mut Writer<'_>) -> Result<(), Full> {
        encode(&self.outgoing, &self.incoming, self.id, &self.cookie, piece, out)
    }

    /// Takes in a datagram; gives the session once the gateway has proven itself.
    ///
    /// # Errors
    /// When it has not: another key, or bytes that are no handshake.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        datagram: &Handshake<'_>,
    ) -> Result<Option<(SessionKeys, GatewayParams)>, rustls::Error> {
        if datagram.id != self.id {
            return Ok(None);
        }
        if !datagram.cookie.is_empty() && datagram.cookie != self.cookie {
            self.cookie = datagram.cookie.to_vec();
            self.next_send = now;
        }
        let news = self.outgoing.on_acknowledged(datagram.acknowledged);
        if news {
            self.interval = FIRST_INTERVAL;
        }
        self.incoming.on_piece(datagram, MAX_TOTAL as usize);
        let mut keys = None;
        while let Some(message) = self.incoming.next_message() {
            self.tls.read_hs(message)?;
            while let Some(change) = self.tls.write_hs(&mut self.outgoing.bytes) {
                if let KeyChange::OneRtt { keys: one_rtt, next } = change {
                    keys = Some(SessionKeys::new(one_rtt, next));
                }
            }
        }
        let Some(keys) = keys else { return Ok(None) };
        let params = self.tls.quic_transport_parameters().and_then(GatewayParams::decode);
        let params = params.ok_or_else(|| rustls::Error::General("the gateway named no session".into()))?;
        self.next_send = now;
        self.interval = FIRST_INTERVAL;
        Ok(Some((keys, params)))
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
