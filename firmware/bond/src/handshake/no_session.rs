//! Why there is no session, as far as a unit can know.

use bondbox_wire::handshake::VERSION;

/// What came of trying to open a session. Two of these are the gateway's own word, which nobody else can say:
/// [`UnknownUnit`](Self::UnknownUnit) and [`UsedCode`](Self::UsedCode) come sealed with the keys of a handshake in which it has
/// proven itself. [`OtherKey`](Self::OtherKey) and [`UnknownCode`](Self::UnknownCode) are true of whoever answered, and that may
/// be somebody on the way. The others are what is left to be guessed where nothing authentic comes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// Nobody has proven in time to be the gateway.
    #[error("no gateway answers")]
    NoAnswer,
    /// The gateway has proven itself, and then let no link in: of an older build, which refuses without a word, or over links that
    /// carry nothing more.
    #[error("the gateway answers, and lets no link in")]
    NotLetIn,
    /// The gateway says so: this unit was never paired with it, or was revoked.
    #[error("the gateway does not know this unit, or knows it no more")]
    UnknownUnit,
    /// The gateway says so: the code let nobody in any more when it was shown.
    #[error("the pairing code lets nobody in any more")]
    UsedCode,
    /// Somebody else answered.
    #[error("the gateway's key is not the pinned one")]
    OtherKey,
    /// Somebody answered who shows no knowledge of the code.
    #[error("the gateway does not know the pairing code, or knows it no more")]
    UnknownCode,
    /// Somebody answered in another version of the protocol.
    #[error("what answers speaks version {0} of the protocol, this unit {ours}", ours = VERSION)]
    OtherVersion(u8),
    /// Bytes that are no handshake of ours.
    #[error("{0}")]
    Garbage(String),
}

impl From<rustls::Error> for NoSession {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(_) => Self::OtherKey,
            other => Self::Garbage(other.to_string()),
        }
    }
}
