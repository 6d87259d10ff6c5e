//! Datagrams that carry the TLS handshake.

use crate::envelope::{EnvelopeError, HANDSHAKE};
use crate::{Full, Reader, Writer};

/// The version that this build speaks.
pub const VERSION: u8 = 1;

/// TLS bytes of one direction at most.
pub const MAX_TOTAL: u64 = 8 * 1024;

/// Largest handshake datagram: bearers exist that carry 1,000 bytes of IP and lose the rest without a word.
pub const MAX_DATAGRAM: usize = crate::MIN_DATAGRAM;

/// Longest cookie.
pub const MAX_COOKIE: usize = 32;

/// A piece of one direction's TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// Chosen by the unit, the same in all datagrams of one handshake, both ways.
    pub id: [u8; 8],
    /// From the gateway: "repeat this on the way that it came, so that I know your address", and nothing else is said.
    /// From the unit: repeated. Empty otherwise.
    pub cookie: &'a [u8],
    /// Where `bytes` begin in the stream.
    pub offset: u64,
    /// The stream's length as far as the sender knows.
    pub total: u64,
    /// The peer's bytes that arrived without a gap.
    pub acknowledged: u64,
    /// The piece.
    pub bytes: &'a [u8],
}

impl<'a> Handshake<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, EnvelopeError> {
        let version = reader.u8()?;
        if version != VERSION {
            return Err(EnvelopeError::Version(version));
        }
        let id = reader.array()?;
        let cookie_len = usize::from(reader.u8()?);
        let cookie = reader.bytes(cookie_len)?;
        let (offset, total, acknowledged) = (reader.varint()?, reader.varint()?, reader.varint()?);
        let bytes = reader.rest();
        let end = offset.saturating_add(bytes.len() as u64);
        if cookie_len > MAX_COOKIE || end > total || total > MAX_TOTAL || acknowledged > MAX_TOTAL {
            return Err(EnvelopeError::Handshake);
        }
        Ok(Self { id, cookie, offset, total, acknowledged, bytes })
    }

    /// Writes the whole datagram.
    ///
    /// # Errors
    /// [`Full`] when the buffer ends first.
    pub fn encode(&self, out: &mut Writer<'_>) -> Result<(), Full> {
        out.u8(HANDSHAKE)?;
        out.u8(VERSION)?;
        out.bytes(&self.id)?;
        out.u8(self.cookie.len() as u8)?;
        out.bytes(self.cookie)?;
        out.varint(self.offset)?;
        out.varint(self.total)?;
        out.varint(self.acknowledged)?;
        out.bytes(self.bytes)
    }
}

/// Writes what answers a handshake of another version: which one is spoken here, and nothing else.
///
/// # Errors
/// [`Full`] when the buffer ends first.
pub fn encode_version(out: &mut Writer<'_>) -> Result<(), Full> {
    out.u8(HANDSHAKE)?;
    out.u8(VERSION)
}

/// Bytes of a handshake datagram that are not TLS at most.
pub const MAX_OVERHEAD: usize = 2 + 8 + 1 + MAX_COOKIE + 3 * 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;

    #[test]
    fn a_version_from_the_future_is_named() {
        let mut datagram = [0; 40];
        datagram[..2].copy_from_slice(&[HANDSHAKE, 9]);
        assert_eq!(Envelope::decode(&datagram).unwrap_err(), EnvelopeError::Version(9));
    }

    #[test]
    fn offsets_that_contradict_each_other_are_refused() {
        let decode = |offset, total| {
            let mut buffer = [0; 100];
            let mut writer = Writer::new(&mut buffer);
            let piece = Handshake { id: [1; 8], cookie: &[2; 4], offset, total, acknowledged: 3, bytes: &[4; 10] };
            piece.encode(&mut writer).unwrap();
            let len = writer.len();
            Envelope::decode(&buffer[..len]).map(|_| ())
        };
        assert_eq!(decode(100, 110), Ok(()));
        assert_eq!(decode(100, 109), Err(EnvelopeError::Handshake));
        assert_eq!(decode(MAX_TOTAL - 9, MAX_TOTAL + 1), Err(EnvelopeError::Handshake));
    }
}
