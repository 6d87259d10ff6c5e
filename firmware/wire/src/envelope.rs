//! What goes around the frames.

use crate::handshake::Handshake;
use crate::{Full, Reader, Truncated, Writer, expand};

/// Tag bytes behind the ciphertext.
pub const TAG_LEN: usize = 16;

/// A datagram, as far as it can be read without keys.
#[derive(Clone, Debug)]
pub enum Envelope<'a> {
    /// Frames on a known path.
    Data {
        /// Names the path at who receives it.
        index: u32,
        /// See [`Sealed`].
        sealed: Sealed,
    },
    /// Frames that open a path.
    Join {
        /// Names the session at who receives it.
        session: u32,
        /// The new path.
        path: u32,
        /// See [`Sealed`].
        sealed: Sealed,
    },
    /// A piece of a TLS handshake.
    Handshake(Handshake<'a>),
    /// "I do not know this index."
    Reset {
        /// The one that was sent there.
        index: u32,
    },
}

/// How to open the rest of a DATA or JOIN datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which of two keys.
    pub phase: bool,
    /// Low bits of the packet number.
    pub pn_low: u32,
    /// How many.
    pub pn_bits: u32,
    /// Bytes before the ciphertext: the associated data.
    pub header_len: usize,
}

impl Sealed {
    /// The packet number in full, given the one that would come next in order.
    pub const fn packet_number(&self, expected: u64) -> u64 {
        expand(self.pn_low as u64, self.pn_bits, expected)
    }
}

/// Why a datagram is not one of ours. Anyone can send such: count them by variant, log none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Ends inside a field, or has no room for a tag.
    Truncated,
    /// The first byte means nothing to this build.
    Kind(u8),
    /// A handshake of a version this build does not speak.
    Version(u8),
    /// A handshake whose offsets contradict each other or exceed the limits.
    Handshake,
}

impl From<Truncated> for EnvelopeError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl<'a> Envelope<'a> {
    /// Reads what comes before the ciphertext.
    ///
    /// # Errors
    /// [`EnvelopeError`], for any bytes that are not a datagram of this protocol.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, EnvelopeError> {
        let mut reader = Reader::new(datagram);
        let first = reader.u8()?;
        match (first & 0xf0, first & 0x08, first) {
            (DATA, 0, _) => {
                let index = reader.u32()?;
                Ok(Self::Data { index, sealed: sealed(first, datagram.len(), &mut reader)? })
            }
            (JOIN, 0, _) => {
                let (session, path) = (reader.u32()?, reader.u32()?);
                Ok(Self::Join { session, path, sealed: sealed(first, datagram.len(), &mut reader)? })
            }
            (_, _, HANDSHAKE) => Handshake::decode(&mut reader).map(Self::Handshake),
            (_, _, RESET) => Ok(Self::Reset { index: reader.u32()? }),
            _ => Err(EnvelopeError::Kind(first)),
        }
    }
}

/// Where a DATA or JOIN header says that its datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// DATA to this index.
    Path(u32),
    /// JOIN of this path to the session with this index.
    NewPath {
        /// The session's index.
        session: u32,
        /// The path's id.
        path: u32,
    },
}

/// Writes the header of a DATA or JOIN datagram; the ciphertext follows it.
///
/// # Errors
/// [`Full`] when the buffer ends first.
pub fn encode_header(
    to: Address,
    phase: bool,
    pn: u64,
    acknowledged: Option<u64>,
    out: &mut Writer<'_>,
) -> Result<(), Full> {
    let len = crate::pn_len(pn, acknowledged);
    let low = (len as u8 - 1) << 1 | u8::from(phase);
    match to {
        Address::Path(index) => {
            out.u8(DATA | low)?;
            out.u32(index)?;
        }
        Address::NewPath { session, path } => {
            out.u8(JOIN | low)?;
            out.u32(session)?;
            out.u32(path)?;
        }
    }
    out.bytes(&pn.to_be_bytes()[8 - len..])
}

/// Writes a RESET for `index`.
///
/// # Errors
/// [`Full`] when the buffer ends first.
pub fn encode_reset(index: u32, out: &mut Writer<'_>) -> Result<(), Full> {
    out.u8(RESET)?;
    out.u32(index)
}

fn sealed(first: u8, datagram_len: usize, reader: &mut Reader<'_>) -> Result<Sealed, EnvelopeError> {
    let pn_len = usize::from(first >> 1 & 3) + 1;
    let pn_low = reader.bytes(pn_len)?.iter().fold(0, |low, byte| low << 8 | u32::from(*byte));
    if reader.rest().len() < TAG_LEN {
        return Err(EnvelopeError::Truncated);
    }
    let header_len = datagram_len - reader.rest().len();
    Ok(Sealed { phase: first & 1 == 1, pn_low, pn_bits: 8 * pn_len as u32, header_len })
}

const DATA: u8 = 0x40;
const JOIN: u8 = 0x50;
pub(crate) const HANDSHAKE: u8 = 0x60;
const RESET: u8 = 0x70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_the_rest_is_sealed() {
        for (to, expected_len) in [(Address::Path(7), 6), (Address::NewPath { session: 9, path: 3 }, 10)] {
            let mut buffer = [0; 64];
            let mut writer = Writer::new(&mut buffer);
            encode_header(to, true, 300, Some(290), &mut writer).unwrap();
            let len = writer.len();
            assert_eq!(len, expected_len);
            let (Envelope::Data { sealed, .. } | Envelope::Join { sealed, .. }) =
                Envelope::decode(&buffer[..len + 16]).unwrap()
            else {
                panic!("not a sealed datagram")
            };
            assert_eq!((sealed.phase, sealed.header_len), (true, len));
            assert_eq!(sealed.packet_number(295), 300);
            assert_eq!(Envelope::decode(&buffer[..len + 15]).unwrap_err(), EnvelopeError::Truncated);
        }
    }

    #[test]
    fn an_unknown_first_byte_is_named() {
        assert_eq!(Envelope::decode(&[0x48; 40]).unwrap_err(), EnvelopeError::Kind(0x48));
        assert_eq!(Envelope::decode(&[0xff; 40]).unwrap_err(), EnvelopeError::Kind(0xff));
        assert_eq!(Envelope::decode(&[]).unwrap_err(), EnvelopeError::Truncated);
    }
}
