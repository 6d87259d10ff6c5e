//! TLS 1.3 with pinned raw public keys (RFC 7250), as QUIC uses it (RFC 9001), inside our own handshake datagrams.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::quic::{ClientConnection, ServerConnection, Version};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    version,
};

use super::{End, Identity, PairingSecret, Proof, PublicKey};

/// Starts a unit's handshake with the gateway that has `gateway` as its key; with any where none is known yet.
pub(crate) fn client(identity: &Identity, gateway: Option<PublicKey>, params: Vec<u8>) -> ClientConnection {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider speaks TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(PinnedGateway { gateway, checker: Checker(provider()) }))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(identity.certified())));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    let name = ServerName::try_from("gateway.invalid").expect("a valid name");
    ClientConnection::new(Arc::new(config), Version::V1, name, params).expect("the suites speak QUIC")
}

/// A gateway's side of all handshakes.
pub(crate) struct GatewayTls {
    config: Arc<ServerConfig>,
    public: PublicKey,
    guests: Arc<RwLock<Guests>>,
}

/// Who may open sessions.
#[derive(Debug, Default)]
struct Guests {
    units: BTreeSet<PublicKey>,
    /// And whoever knows one of these.
    codes: Vec<PairingSecret>,
}

/// What a unit that holds its key is to a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is paired.
    Known,
    /// It knows this code.
    Vouched(PairingSecret),
    /// It says that it knows a code, and does not.
    WrongCode,
    /// None of these.
    Unknown,
}

impl GatewayTls {
    pub(crate) fn new(identity: &Identity, units: impl IntoIterator<Item = PublicKey>) -> Self {
        let guests = Arc::new(RwLock::new(Guests { units: units.into_iter().collect(), codes: Vec::new() }));
        let verifier = PinnedUnits { guests: Arc::clone(&guests), checker: Checker(provider()) };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .expect("the provider speaks TLS 1.3")
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(identity.certified())));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A session is resumed by its datagrams, not by tickets.
        config.send_tls13_tickets = 0;
        Self { config: Arc::new(config), public: identity.public(), guests }
    }

    pub(crate) fn accept(&self, params: Vec<u8>) -> ServerConnection {
        ServerConnection::new(Arc::clone(&self.config), Version::V1, params).expect("the suites speak QUIC")
    }

    /// Which units may open sessions from now on.
    pub(crate) fn set_units(&self, units: impl IntoIterator<Item = PublicKey>) {
        self.guests.write().expect("nobody panics while holding it").units = units.into_iter().collect();
    }

    /// Which codes let a unit in from now on.
    pub(crate) fn set_codes(&self, codes: Vec<PairingSecret>) {
        self.guests.write().expect("nobody panics while holding it").codes = codes;
    }

    /// The codes that let a unit in now, and for each that this gateway knows it.
    pub(crate) fn codes(&self) -> Vec<(PairingSecret, Proof)> {
        let guests = self.guests.read().expect("nobody panics while holding it");
        guests.codes.iter().map(|code| (code.clone(), code.prove(End::Gateway, self.public))).collect()
    }

    /// What a unit is that has shown its key and, with `proof`, that it knows a code; one of those that it was `told` of.
    pub(crate) fn standing(&self, unit: PublicKey, proof: Option<&Proof>, told: &[PairingSecret]) -> Standing {
        let guests = self.guests.read().expect("nobody panics while holding it");
        let vouched = proof.and_then(|proof| {
            let codes = guests.codes.iter().filter(|code| told.contains(code));
            codes.into_iter().find(|code| code.is_proven(End::Unit, unit, proof))
        });
        match vouched {
            Some(code) => Standing::Vouched(code.clone()),
            None if guests.units.contains(&unit) => Standing::Known,
            None if proof.is_some() => Standing::WrongCode,
            None => Standing::Unknown,
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Checks signatures against the raw key in the certificate's place.
#[derive(Debug)]
struct Checker(Arc<CryptoProvider>);

impl Checker {
    fn verify(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, dss, &self.0.signature_verification_algorithms)
    }
}

fn unknown_key() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

fn tls13_only<T>() -> Result<T, Error> {
    Err(Error::General("only TLS 1.3 is spoken".into()))
}

/// The half of both verifier traits that is the same: signatures by a raw Ed25519 key, in TLS 1.3 only.
macro_rules! raw_key_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            tls13_only()
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.checker.verify(message, cert, dss)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

#[derive(Debug)]
struct PinnedGateway {
    /// Where there is none yet, the handshake goes on for the sake of what the gateway says in it.
    gateway: Option<PublicKey>,
    checker: Checker,
}

impl ServerCertVerifier for PinnedGateway {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match PublicKey::from_spki(end_entity) {
            Some(key) if self.gateway.is_none_or(|pinned| key == pinned) => Ok(ServerCertVerified::assertion()),
            _ => Err(unknown_key()),
        }
    }

    raw_key_signatures!();
}

#[derive(Debug)]
struct PinnedUnits {
    guests: Arc<RwLock<Guests>>,
    checker: Checker,
}

impl ClientCertVerifier for PinnedUnits {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let guests = self.guests.read().expect("nobody panics while holding it");
        match PublicKey::from_spki(end_entity) {
            // Where a code is open, anyone may show a key: what it is worth is seen when the handshake is over.
            Some(key) if guests.units.contains(&key) || !guests.codes.is_empty() => Ok(ClientCertVerified::assertion()),
            _ => Err(unknown_key()),
        }
    }

    raw_key_signatures!();
}

const ALPN: &[u8] = b"bondbox/1";
