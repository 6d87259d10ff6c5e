//! MPEG transport streams (ISO/IEC 13818-1): [`Reader`] takes one apart, [`Classifier`] only looks, [`Writer`] makes one.

mod classifier;
mod clock;
mod continuity;
mod crc;
mod elementary;
mod packet;
mod packetize;
mod pes;
mod programme;
mod reader;
mod section;
mod sync;
mod tables;
mod timeline;
mod writer;

pub use classifier::Classifier;
pub use clock::Ticks;
pub use programme::{Programme, Stream, StreamKind};
pub use reader::{Counters, Event, Reader, Unit};
pub use writer::{Track, TracksError, WriteError, WriteUnit, Writer};

/// Bytes of a transport packet.
pub const PACKET_LEN: usize = 188;
