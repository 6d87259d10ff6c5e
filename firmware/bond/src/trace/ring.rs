//! Records in blocks of a fixed size, the oldest block the next to go.

use bondbox_units::Instant;

use super::event::{MAX_BODY, TraceEvent};

/// A ring of blocks.
#[derive(Debug)]
pub(super) struct Ring {
    /// Zeroed memory that the system gives when it is touched.
    bytes: Vec<u8>,
    /// Of each block: when it began, and how much of it is used.
    blocks: Vec<Block>,
    /// The block that is written.
    newest: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    begun: Instant,
    used: usize,
}

impl Ring {
    pub(super) fn new(bytes: usize) -> Self {
        let blocks = (bytes / BLOCK).max(2);
        Self { bytes: vec![0; blocks * BLOCK], blocks: vec![Block::default(); blocks], newest: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, now: Instant, event: &TraceEvent) {
        let mut block = self.blocks[self.newest];
        // Times travel as 32 bits: a block spans less than half of what those tell apart.
        if block.used + MAX_RECORD > BLOCK || now - block.begun > MAX_SPAN {
            block = self.turn(now);
        }
        let from = self.newest * BLOCK + block.used;
        let Some(record) = self.bytes.get_mut(from..from + MAX_RECORD) else { return };
        let (head, body) = record.split_at_mut(HEAD);
        let (kind, len) = event.encode(body);
        head[0] = kind;
        head[1] = len as u8;
        head[2..].copy_from_slice(&(now.as_micros() as u32).to_be_bytes());
        self.blocks[self.newest].used += HEAD + len;
    }

    #[cold]
    fn turn(&mut self, now: Instant) -> Block {
        if self.blocks[self.newest].used > 0 {
            self.newest = (self.newest + 1) % self.blocks.len();
        }
        self.blocks[self.newest] = Block { begun: now, used: 0 };
        self.blocks[self.newest]
    }

    /// The records of each block that has some, oldest first, and when the block began.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (Instant, &[u8])> {
        let order = (1..=self.blocks.len()).map(|i| (self.newest + i) % self.blocks.len());
        order.filter_map(|i| {
            let block = self.blocks[i];
            (block.used > 0).then(|| (block.begun, &self.bytes[i * BLOCK..][..block.used]))
        })
    }

    pub(super) fn events(&self) -> impl Iterator<Item = (Instant, TraceEvent)> + '_ {
        self.blocks().flat_map(|(begun, records)| Records::new(begun, records))
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.used).sum()
    }

    /// Whether something was forgotten, and then since when all is there.
    pub(super) fn forgot(&self) -> Option<Instant> {
        let full = self.blocks.iter().all(|block| block.used > 0);
        full.then(|| self.blocks[(self.newest + 1) % self.blocks.len()].begun)
    }
}

/// Reads the records of a block; what it does not know is left out, what is cut ends it.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    last: Instant,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) const fn new(begun: Instant, records: &'a [u8]) -> Self {
        Self { last: begun, rest: records }
    }
}

impl Iterator for Records<'_> {
    type Item = (Instant, TraceEvent);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (head, rest) = self.rest.split_first_chunk::<HEAD>()?;
            let [kind, len, at @ ..] = *head;
            let (body, rest) = rest.split_at_checked(usize::from(len))?;
            self.rest = rest;
            let at = bondbox_wire::expand(u32::from_be_bytes(at).into(), u32::BITS, self.last.as_micros());
            self.last = Instant::from_micros(at);
            if let Some(event) = TraceEvent::decode(kind, body) {
                return Some((self.last, event));
            }
        }
    }
}

/// Kind, length, time.
const HEAD: usize = 6;
const MAX_RECORD: usize = HEAD + MAX_BODY;
const BLOCK: usize = 16 << 10;
const MAX_SPAN: std::time::Duration = std::time::Duration::from_secs(1_800);

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pn: u32) -> TraceEvent {
        TraceEvent::Sent { path: 1, pn, size: 1_200 }
    }

    #[test]
    fn the_newest_stay_and_the_oldest_go_in_order() {
        let mut ring = Ring::new(64 << 10);
        for pn in 0..20_000 {
            ring.push(Instant::from_millis(pn.into()), &sent(pn));
        }
        let kept: Vec<_> = ring.events().collect();
        let first = 20_000 - kept.len() as u32;
        assert!(kept.len() > 2_000, "{}", kept.len());
        assert!((first..).zip(&kept).all(|(pn, kept)| *kept == (Instant::from_millis(pn.into()), sent(pn))));
        assert_eq!(ring.forgot(), Some(kept[0].0));
    }

    #[test]
    fn time_is_told_across_hours_of_silence() {
        let mut ring = Ring::new(64 << 10);
        let times = [0, 1, 3_600_000, 3_600_001, 7 * 24 * 3_600_000].map(Instant::from_millis);
        times.iter().for_each(|at| ring.push(*at, &sent(1)));
        assert_eq!(ring.events().map(|(at, _)| at).collect::<Vec<_>>(), times);
        assert_eq!(ring.forgot(), None);
    }
}
