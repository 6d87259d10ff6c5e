//! One message as one packet.

use bondbox_ipc::MAX_PACKET;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::counters::Garbage;
use super::socket::SeqPacket;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The other side closed it.
    Closed,
    /// The system did.
    Io(std::io::Error),
    /// This side did, for what it got; with what is known about it.
    Garbage(Garbage, String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the other side"),
            Self::Io(error) => error.fmt(f),
            Self::Garbage(_, detail) => f.write_str(detail),
        }
    }
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// A packet as received; reused from one to the next.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    pub(super) fn new() -> Self {
        // One byte more than a packet may have tells a full one from a cut one.
        Self(vec![0; MAX_PACKET + 1])
    }

    /// The next packet. May be dropped halfway without losing one.
    pub(super) async fn receive(&mut self, socket: &SeqPacket) -> Result<&[u8], Ended> {
        match socket.receive(&mut self.0).await? {
            0 => Err(Ended::Closed),
            length if length > MAX_PACKET => {
                Err(Ended::Garbage(Garbage::Oversized, format!("a packet of more than {MAX_PACKET} bytes")))
            }
            length => Ok(&self.0[..length]),
        }
    }
}

/// A message and what follows it.
pub(super) fn decode<T: DeserializeOwned>(packet: &[u8]) -> Result<(T, &[u8]), Ended> {
    postcard::take_from_bytes(packet)
        .map_err(|error| Ended::Garbage(Garbage::Malformed, format!("a packet of {} bytes: {error}", packet.len())))
}

/// What follows a message has to be nothing.
pub(super) fn finish(rest: &[u8]) -> Result<(), Ended> {
    match rest.len() {
        0 => Ok(()),
        length => Err(Ended::Garbage(Garbage::Malformed, format!("{length} bytes after a message"))),
    }
}

/// Sends `message` with `payload` after it.
pub(super) async fn send(socket: &SeqPacket, message: Vec<u8>, payload: &[u8]) -> Result<(), Ended> {
    let length = message.len() + payload.len();
    if length > MAX_PACKET {
        // Our own message, so not the other side's fault; it can only be a state with far too long lists.
        return Err(Ended::Io(std::io::Error::other(format!("a message has {length} bytes, at most {MAX_PACKET}"))));
    }
    Ok(socket.send(&message, payload).await?)
}

/// A message for [`send`].
pub(super) fn encode(message: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(message).expect("messages are plain data, which postcard can write")
}
