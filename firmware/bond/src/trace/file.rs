//! A trace as bytes, and back.

use bondbox_units::{Instant, LinkId};
use bondbox_wire::{Reader, Truncated};

use super::event::TraceEvent;
use super::ring::Records;
use super::{MAX_PATHS, Side, Trace, TracedPath};

/// A trace that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Which end made it.
    pub side: Side,
    /// Since when everything is there.
    pub start: Instant,
    /// Paths that events speak of.
    pub paths: Vec<TracedPath>,
    /// In their order.
    pub events: Vec<(Instant, TraceEvent)>,
}

/// Why bytes are no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTrace {
    /// It begins with something else.
    #[error("it is no trace of a bond")]
    Magic,
    /// Another build wrote it in a way that this one does not know.
    #[error("its version is {0}, must be {VERSION}")]
    Version(u8),
    /// It ends too soon, or one of its lengths is wrong.
    #[error("it is damaged")]
    Damaged,
}

pub(super) fn save(trace: &Trace) -> Vec<u8> {
    let mut out = Vec::with_capacity(trace.len() + 4_096);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.push(match trace.side {
        Side::Unit => 0,
        Side::Gateway => 1,
    });
    let start = trace.ring.forgot().unwrap_or(trace.start);
    out.extend_from_slice(&start.as_micros().to_be_bytes());
    out.extend_from_slice(&(trace.paths.len() as u32).to_be_bytes());
    for path in &trace.paths {
        out.extend_from_slice(&path.session.to_be_bytes());
        out.extend_from_slice(&path.path.to_be_bytes());
        out.push(path.link.0);
        let name = &path.name[..path.name.floor_char_boundary(u8::MAX.into())];
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
    }
    for (begun, records) in trace.ring.blocks() {
        out.extend_from_slice(&begun.as_micros().to_be_bytes());
        out.extend_from_slice(&(records.len() as u32).to_be_bytes());
        out.extend_from_slice(records);
    }
    out
}

impl Recording {
    /// Reads a file that [`Trace::save`] made.
    ///
    /// # Errors
    /// [`BadTrace`] when it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, BadTrace> {
        let bytes = bytes.strip_prefix(MAGIC).ok_or(BadTrace::Magic)?;
        let mut reader = Reader::new(bytes);
        match reader.u8() {
            Ok(VERSION) => {}
            Ok(version) => return Err(BadTrace::Version(version)),
            Err(Truncated) => return Err(BadTrace::Damaged),
        }
        Self::body(&mut reader).map_err(|Truncated| BadTrace::Damaged)
    }

    fn body(reader: &mut Reader<'_>) -> Result<Self, Truncated> {
        let side = if reader.u8()? == 0 { Side::Unit } else { Side::Gateway };
        let start = instant(reader)?;
        let count = reader.u32()? as usize;
        if count > MAX_PATHS {
            return Err(Truncated);
        }
        let mut paths = Vec::with_capacity(count);
        for _ in 0..count {
            let (session, path, link) = (reader.u32()?, reader.u32()?, LinkId(reader.u8()?));
            let len = usize::from(reader.u8()?);
            let name = String::from_utf8_lossy(reader.bytes(len)?).into_owned();
            paths.push(TracedPath { session, path, link, name });
        }
        let mut events = Vec::new();
        while !reader.is_empty() {
            let begun = instant(reader)?;
            let len = reader.u32()? as usize;
            events.extend(Records::new(begun, reader.bytes(len)?));
        }
        Ok(Self { side, start, paths, events })
    }
}

fn instant(reader: &mut Reader<'_>) -> Result<Instant, Truncated> {
    reader.array().map(u64::from_be_bytes).map(Instant::from_micros)
}

const MAGIC: &[u8] = b"bondbox-trace";
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::event::tests::each;
    use super::*;

    fn trace() -> Trace {
        let mut trace = Trace::new(Instant::from_millis(5), Side::Gateway, 64 << 10);
        let path = TracedPath { session: 77, path: 1, link: LinkId(3), name: "wwan0".into() };
        trace.open_path(Instant::from_millis(6), path);
        for (ms, event) in (7..).zip(each([1, 200, 30_000, 1 << 40], (1, 2, 3, 4), -7)) {
            trace.record(Instant::from_millis(ms), &event);
        }
        trace
    }

    #[test]
    fn a_trace_reads_back() {
        let trace = trace();
        let read = Recording::read(&trace.save()).unwrap();
        assert_eq!((read.side, read.start), (Side::Gateway, Instant::from_millis(5)));
        assert_eq!(read.paths, Vec::from(trace.paths.clone()));
        assert_eq!(read.events, trace.events().collect::<Vec<_>>());
        assert_eq!(read.events.len(), 1 + each([0; 4], (0, 0, 0, 0), 0).len());
    }

    #[test]
    fn what_is_none_is_refused_by_reason() {
        let good = trace().save();
        assert_eq!(Recording::read(b"bondbox"), Err(BadTrace::Magic));
        assert_eq!(Recording::read(&good[..good.len() - 1]), Err(BadTrace::Damaged));
        let mut newer = good;
        newer[MAGIC.len()] = 9;
        assert_eq!(Recording::read(&newer), Err(BadTrace::Version(9)));
    }

    /// Units lag gateways by months: this is what the first build wrote.
    #[test]
    fn the_first_version_is_read_for_ever() {
        let golden = include_bytes!("golden/first.trace");
        assert_eq!(Recording::read(golden).unwrap(), Recording::read(&trace().save()).unwrap());
        assert_eq!(trace().save(), golden, "what is written has changed: raise the version or add at the end");
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), to: u8, cut in any::<prop::sample::Index>()) {
            let mut bytes = trace().save();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = Recording::read(&bytes);
            let _ = Recording::read(&bytes[..cut.index(bytes.len())]);
        }
    }
}
