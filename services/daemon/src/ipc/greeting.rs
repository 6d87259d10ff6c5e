//! The hello, each way.

use std::time::Duration;

use bondbox_ipc::{Hello, Protocol};

use super::counters::Garbage;
use super::packet::{self, Buffer, Ended};
use super::socket::SeqPacket;

/// Says hello and returns the other side's.
///
/// Ours goes first and without waiting, so that both sides learn of a mismatch.
pub(super) async fn greet<P: Protocol>(socket: &SeqPacket, buffer: &mut Buffer) -> Result<Hello, Ended> {
    let ours = Hello::of::<P>(env!("CARGO_PKG_VERSION"));
    packet::send(socket, packet::encode(&ours), &[]).await?;
    let packet = match tokio::time::timeout(HELLO_TIMEOUT, buffer.receive(socket)).await {
        Ok(packet) => packet?,
        Err(_) => {
            let detail = format!("no hello within {} ms", HELLO_TIMEOUT.as_millis());
            return Err(Ended::Garbage(Garbage::NoHello, detail));
        }
    };
    let bad = |detail: String| Ended::Garbage(Garbage::BadHello, detail);
    let (theirs, rest) =
        packet::decode(packet).map_err(|ended| bad(format!("the first message is no hello: {ended}")))?;
    packet::finish(rest).map_err(|ended| bad(format!("the first message is no hello: {ended}")))?;
    ours.accept(theirs).map_err(|mismatch| Ended::Garbage(Garbage::Mismatch, mismatch.to_string()))
}

/// A service that is alive answers in milliseconds.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);
