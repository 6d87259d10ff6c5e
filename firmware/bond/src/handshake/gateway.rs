//! The gateway's side.

use bondbox_wire::handshake::Handshake;
use bondbox_wire::{Full, Writer};
use rustls::quic::{KeyChange, ServerConnection};

use super::params::{GatewayParams, UnitParams};
use super::refusal;
use super::stream::{Incoming, Outgoing};
use super::unit::encode;
use crate::crypto::{GatewayTls, PairingSecret, PublicKey, SessionKeys, Standing};

/// A handshake under way: half open until [`GatewayHandshake::handle`] gives a session.
pub(crate) struct GatewayHandshake {
    id: [u8; 8],
    tls: ServerConnection,
    /// The codes that the unit is told we know.
    told: Vec<PairingSecret>,
    outgoing: Outgoing,
    incoming: Incoming,
    keys: Option<SessionKeys>,
    done: bool,
    /// It has refused, and says so to whoever can read it.
    speaks: bool,
}

/// A unit that has proven itself.
pub(crate) struct Accepted {
    pub(crate) keys: SessionKeys,
    pub(crate) unit: PublicKey,
    pub(crate) params: UnitParams,
    /// It has done so by this code.
    pub(crate) vouched: Option<PairingSecret>,
}

/// Why a handshake ended without a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeRefused {
    /// The unit's key is not among those that may open sessions.
    UnknownUnit,
    /// It knows a pairing code that lets nobody in, or no more.
    UnknownCode,
    /// Its bytes are no handshake of this protocol.
    Malformed,
}

impl GatewayHandshake {
    /// What shows that we know the codes of now is said with `params`.
    pub(crate) fn new(id: [u8; 8], tls: &GatewayTls, params: GatewayParams) -> Self {
        let (told, pairing) = tls.codes().into_iter().unzip();
        Self { told, ..Self::saying(id, tls, &GatewayParams { pairing, ..params }) }
    }

    /// One that says nothing but `params`.
    pub(crate) fn saying(id: [u8; 8], tls: &GatewayTls, params: &GatewayParams) -> Self {
        Self {
            id,
            tls: tls.accept(params.encode()),
            told: Vec::new(),
            outgoing: Outgoing::default(),
            incoming: Incoming::default(),
            keys: None,
            done: false,
            speaks: false,
        }
    }

    /// Takes in a datagram; gives the unit once it has proven itself. One that is refused is told so, where it can be.
    pub(crate) fn handle(
        &mut self,
        tls: &GatewayTls,
        datagram: &Handshake<'_>,
    ) -> Result<Option<Accepted>, HandshakeRefused> {
        self.outgoing.on_acknowledged(datagram.acknowledged);
        self.incoming.on_piece(datagram, MAX_HALF_OPEN);
        if self.done {
            return Ok(None);
        }
        let result = self.go_on(tls);
        if let Err(refused) = &result {
            self.done = true;
            let said = self.keys.as_mut().and_then(|keys| refusal::seal(keys, *refused));
            self.outgoing.bytes.extend(said.iter().flatten());
            self.speaks = said.is_some();
        }
        result
    }

    /// Whether there is something left to say to a unit that was refused.
    pub(crate) const fn speaks(&self) -> bool {
        self.speaks
    }

    fn go_on(&mut self, tls: &GatewayTls) -> Result<Option<Accepted>, HandshakeRefused> {
        while let Some(message) = self.incoming.next_message() {
            self.tls.read_hs(message).map_err(|error| match error {
                rustls::Error::InvalidCertificate(_) => HandshakeRefused::UnknownUnit,
                _ => HandshakeRefused::Malformed,
            })?;
            while let Some(change) = self.tls.write_hs(&mut self.outgoing.bytes) {
                if let KeyChange::OneRtt { keys, next } = change {
                    self.keys = Some(SessionKeys::new(keys, next));
                }
            }
        }
        // The gateway has its keys after its own flight; the unit is proven only by its Finished message.
        if self.tls.is_handshaking() {
            return Ok(None);
        }
        let unit = self.tls.peer_certificates().and_then(|certs| PublicKey::from_spki(certs.first()?));
        let params = self.tls.quic_transport_parameters().and_then(UnitParams::decode);
        let (unit, params) = unit.zip(params).ok_or(HandshakeRefused::Malformed)?;
        let vouched = match tls.standing(unit, params.pairing.as_ref(), &self.told) {
            Standing::Known => None,
            Standing::Vouched(code) => Some(code),
            Standing::WrongCode => return Err(HandshakeRefused::UnknownCode),
            Standing::Unknown => return Err(HandshakeRefused::UnknownUnit),
        };
        self.done = true;
        let keys = self.keys.take().ok_or(HandshakeRefused::Malformed)?;
        Ok(Some(Accepted { keys, unit, params, vouched }))
    }

    /// The pieces that answer a datagram.
    pub(crate) fn answer(&self) -> impl Iterator<Item = usize> + use<> {
        self.outgoing.pieces()
    }

    /// Bytes of the unit's that are kept.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> usize {
        self.incoming.held()
    }

    /// Writes one datagram.
    pub(crate) fn encode(&self, piece: usize, out: &mut Writer<'_>) -> Result<(), Full> {
        encode(&self.outgoing, &self.incoming, self.id, &[], piece, out)
    }
}

/// TLS bytes that an unproven unit may make us keep; a hybrid hello has 1.5 kB.
const MAX_HALF_OPEN: usize = 4 * 1024;
