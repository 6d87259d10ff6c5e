//! Solves for packets that did not arrive, symbol by symbol.
//!
//! The equations are kept in reduced form: each has one unknown of its own, which no other names. So a new one meets each of
//! them once, and one that names nothing but its own unknown is its solution.
//!
//! What a peer can make us do is bounded: packets and equations kept by number, work by a credit that only packets earn
//! (`hostile::symbols` counts it).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bondbox_gf256::{inverse, mul, mul_add, scale};
use bondbox_units::Instant;
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::{MAX_SOURCES, Repair, coefficient};

use super::LENGTH;
use crate::ordered::Ordered;

/// A packet: its path, and its number there.
type Key = (u32, u64);

/// What coded repair did in one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodingCounters {
    /// Symbols that came.
    pub symbols: u64,
    /// Of these, symbols whose packets had all arrived.
    pub idle: u64,
    /// Packets worked out.
    pub recovered: u64,
    /// Symbols that named packets that are not kept any more, contradicted others, or came when the credit was used up.
    pub refused: u64,
}

/// Keeps what arrived and works out what did not.
#[derive(Debug, Default)]
pub(crate) struct CodingReceiver {
    /// When a symbol came last: without any nothing is kept.
    heard: Option<Instant>,
    known: BTreeMap<u32, Ordered<Vec<u8>>>,
    /// The known, oldest first.
    order: VecDeque<Key>,
    /// On each path, the number before which a packet that is not known may have arrived all the same.
    floors: BTreeMap<u32, u64>,
    /// Packets that equations name.
    unknown: heapless::Vec<Option<Unknown>, MAX_UNKNOWN>,
    rows: Vec<Row>,
    /// Multiplications of a packet that may still be done.
    credit: u32,
    recovered: VecDeque<Vec<u8>>,
    /// Buffers for the next packets.
    spare: Vec<Vec<u8>>,
    pub(crate) counters: CodingCounters,
}

#[derive(Clone, Copy, Debug)]
struct Unknown {
    key: Key,
    /// When it was first named.
    since: Instant,
}

/// An equation: the sum of the unknowns, each times its factor, is `bytes`.
#[derive(Debug)]
struct Row {
    /// The unknown that no other row names; its factor is one.
    own: usize,
    factors: [u8; MAX_UNKNOWN],
    /// Followed by zeros without end.
    bytes: Vec<u8>,
}

impl CodingReceiver {
    /// Takes note of a packet that arrived.
    pub(crate) fn on_source(&mut self, now: Instant, path: u32, pn: u64, plain: &[u8]) {
        let Some(heard) = self.heard else { return };
        if now - heard > QUIET {
            // Counters are all that outlives the last symbol.
            *self = Self { counters: self.counters, ..Self::default() };
            return;
        }
        self.credit = (self.credit + CREDIT_OF_PACKET).min(MAX_CREDIT);
        self.floors.entry(path).or_insert(pn);
        if self.floors.len() > MAX_PATHS {
            self.floors.pop_first();
        }
        let key = (path, pn);
        if self.known(key).is_some() {
            return;
        }
        if let Some(index) = self.index(key) {
            self.substitute(index, plain);
            self.take_solved();
        }
        self.keep(key, plain);
    }

    /// Takes in a symbol.
    pub(crate) fn on_repair(&mut self, now: Instant, repair: &Repair<'_>) {
        self.heard = Some(now);
        self.counters.symbols += 1;
        let Some(missing) = self.missing(repair) else {
            self.counters.refused += 1;
            return;
        };
        if missing.is_empty() {
            self.counters.idle += 1;
            return;
        }
        if missing.len() > MAX_UNKNOWN || !self.pay(repair.sources().count() + self.rows.len()) {
            self.counters.refused += 1;
            return;
        }
        let mut row = Row { own: 0, factors: [0; MAX_UNKNOWN], bytes: self.buffer() };
        row.bytes.extend_from_slice(repair.bytes);
        for key in missing {
            let index = self.index(key).unwrap_or_else(|| self.name(now, key));
            row.factors[index] = coefficient(repair.id, key.0, key.1);
        }
        for (path, pn) in repair.sources() {
            if let Some(plain) = self.known((path, pn)) {
                add_plain(&mut row.bytes, plain, coefficient(repair.id, path, pn));
            }
        }
        self.insert(row);
        self.take_solved();
    }

    /// The plaintext of a packet that was worked out; [`CodingReceiver::recycle`] takes its buffer back.
    pub(crate) fn poll(&mut self) -> Option<Vec<u8>> {
        self.recovered.pop_front()
    }

    /// A buffer that has served.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Bytes held, buffers that wait for use included.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let rows = self.rows.iter().map(|row| &row.bytes);
        self.known
            .values()
            .flat_map(Ordered::values)
            .chain(rows)
            .chain(&self.recovered)
            .chain(&self.spare)
            .map(Vec::capacity)
            .sum()
    }

    /// Multiplications that may still be done.
    #[cfg(test)]
    pub(crate) const fn credit(&self) -> u32 {
        self.credit
    }

    /// The packets of a symbol that are not there; `None` when one of them may have been and was forgotten, or when looking
    /// for them exceeds the credit.
    fn missing(&mut self, repair: &Repair<'_>) -> Option<heapless::Vec<Key, MAX_SOURCES>> {
        let sources = repair.sources().count();
        if !self.pay(sources.div_ceil(LOOK_UPS)) {
            return None;
        }
        let absent = repair.sources().filter(|key| self.known(*key).is_none());
        let mut missing: heapless::Vec<_, MAX_SOURCES> = absent.take(MAX_SOURCES).collect();
        missing.sort_unstable();
        let mut before = None;
        missing.retain(|key| before.replace(*key) != Some(*key));
        let may_be_forgotten = |key: &Key| self.floors.get(&key.0).is_some_and(|floor| key.1 < *floor);
        (!missing.iter().any(may_be_forgotten)).then_some(missing)
    }

    fn pay(&mut self, multiplications: usize) -> bool {
        let left = self.credit.checked_sub(multiplications as u32);
        self.credit = left.unwrap_or(self.credit);
        left.is_some()
    }

    fn known(&self, (path, pn): Key) -> Option<&Vec<u8>> {
        self.known.get(&path)?.get(pn)
    }

    fn index(&self, key: Key) -> Option<usize> {
        self.unknown.iter().position(|unknown| unknown.is_some_and(|unknown| unknown.key == key))
    }

    /// Gives a packet a place among the unknowns; when there is none left, the one named longest ago is given up.
    fn name(&mut self, now: Instant, key: Key) -> usize {
        let named = Some(Unknown { key, since: now });
        let free = self.unknown.iter().position(Option::is_none);
        if free.is_none() && self.unknown.push(named).is_ok() {
            return self.unknown.len() - 1;
        }
        let index = free.unwrap_or_else(|| {
            let since = |index: &usize| self.unknown[*index].map(|unknown| (unknown.since, unknown.key));
            let oldest = (0..MAX_UNKNOWN).min_by_key(since).expect("there are places");
            self.give_up(oldest);
            oldest
        });
        self.unknown[index] = named;
        index
    }

    /// Nobody will need this unknown any more: one equation is used up to free the others from it.
    fn give_up(&mut self, index: usize) {
        let Some(at) = self.rows.iter().position(|row| row.factors[index] != 0) else { return };
        let mut used = self.rows.swap_remove(at);
        if let Some(factor) = inverse(used.factors[index]) {
            used.scale(factor);
        }
        for row in &mut self.rows {
            row.subtract(&used, row.factors[index]);
        }
        self.recycle(used.bytes);
    }

    /// An unknown arrived after all.
    fn substitute(&mut self, index: usize, plain: &[u8]) {
        self.unknown[index] = None;
        for row in &mut self.rows {
            let factor = std::mem::take(&mut row.factors[index]);
            if factor != 0 {
                add_plain(&mut row.bytes, plain, factor);
            }
        }
        if let Some(at) = self.rows.iter().position(|row| row.own == index) {
            let row = self.rows.swap_remove(at);
            self.insert(row);
        }
    }

    /// Adds an equation to those there are, unless it follows from them.
    fn insert(&mut self, mut new: Row) {
        for row in &self.rows {
            new.subtract(row, new.factors[row.own]);
        }
        let Some(own) = new.factors.iter().position(|factor| *factor != 0) else {
            // Of a sender that keeps to the rules, what is left is zero; and of another it says nothing about any packet.
            self.counters.refused += u64::from(new.bytes.iter().any(|byte| *byte != 0));
            self.recycle(new.bytes);
            return;
        };
        new.own = own;
        if let Some(factor) = inverse(new.factors[own]) {
            new.scale(factor);
        }
        for row in &mut self.rows {
            row.subtract(&new, row.factors[own]);
        }
        self.rows.push(new);
    }

    /// Takes out the equations that name one unknown only.
    fn take_solved(&mut self) {
        while let Some(at) = self.rows.iter().position(Row::is_solved) {
            let row = self.rows.swap_remove(at);
            let Some(Unknown { key, .. }) = self.unknown[row.own].take() else { continue };
            let mut bytes = row.bytes;
            if !unwrap(&mut bytes) {
                self.counters.refused += 1;
                self.recycle(bytes);
                continue;
            }
            self.counters.recovered += 1;
            self.keep(key, &bytes);
            if self.recovered.len() >= MAX_UNKNOWN {
                self.recovered.pop_front();
            }
            self.recovered.push_back(bytes);
        }
    }

    fn keep(&mut self, key: Key, plain: &[u8]) {
        while self.order.len() >= MAX_KNOWN {
            let Some(oldest) = self.order.pop_front() else { break };
            let floor = self.floors.entry(oldest.0).or_default();
            *floor = (*floor).max(oldest.1.saturating_add(1));
            if let Some(path) = self.known.get_mut(&oldest.0) {
                let buffer = path.remove(oldest.1);
                if path.first().is_none() {
                    self.known.remove(&oldest.0);
                }
                buffer.into_iter().for_each(|buffer| self.recycle(buffer));
            }
        }
        let mut buffer = self.buffer();
        buffer.extend_from_slice(plain);
        let kept = self.known.entry(key.0).or_default().get_or_insert_with(key.1, || buffer);
        debug_assert!(kept.is_some(), "so few are never far from both ends");
        self.order.push_back(key);
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(LENGTH + MAX_DATAGRAM))
    }
}

impl Row {
    fn is_solved(&self) -> bool {
        self.factors.iter().enumerate().all(|(index, factor)| index == self.own || *factor == 0)
    }

    fn scale(&mut self, factor: u8) {
        count();
        scale(&mut self.bytes, factor);
        self.factors.iter_mut().for_each(|own| *own = mul(*own, factor));
    }

    fn subtract(&mut self, other: &Self, factor: u8) {
        if factor == 0 {
            return;
        }
        count();
        if self.bytes.len() < other.bytes.len() {
            self.bytes.resize(other.bytes.len(), 0);
        }
        mul_add(&mut self.bytes, &other.bytes, factor);
        self.factors.iter_mut().zip(&other.factors).for_each(|(own, other)| *own ^= mul(*other, factor));
    }
}

/// Adds a packet's symbol to a sum.
pub(super) fn add_plain(sum: &mut Vec<u8>, plain: &[u8], factor: u8) {
    count();
    let len = LENGTH + plain.len();
    if sum.len() < len {
        sum.resize(len, 0);
    }
    mul_add(sum, &(plain.len() as u16).to_be_bytes(), factor);
    mul_add(&mut sum[LENGTH..], plain, factor);
}

/// A packet is multiplied: tests hold their number against what came.
fn count() {
    #[cfg(test)]
    MULTIPLICATIONS.set(MULTIPLICATIONS.get() + 1);
}

#[cfg(test)]
std::thread_local! {
    /// Multiplications of a packet in this thread.
    pub(crate) static MULTIPLICATIONS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// Makes a symbol the plaintext that it stands for; `false` when it can be that of none.
fn unwrap(symbol: &mut Vec<u8>) -> bool {
    let Some(length) = symbol.first_chunk::<LENGTH>() else { return false };
    let end = LENGTH + usize::from(u16::from_be_bytes(*length));
    if end == LENGTH || end > symbol.len() || symbol[end..].iter().any(|byte| *byte != 0) {
        return false;
    }
    symbol.truncate(end);
    symbol.drain(..LENGTH);
    true
}

/// What 20 Mbit/s bring in half a second: the window of a symbol, and how far links are apart. 1.5 MB.
const MAX_KNOWN: usize = 1_024;
/// Half of a window lost, or still under way on a slower link, at once is nothing that coding was meant for.
const MAX_UNKNOWN: usize = 64;
/// As many as a unit may have at a time.
const MAX_PATHS: usize = 32;
/// Buffers that wait for use.
const MAX_SPARE: usize = 64;
/// A sender that has found requests to be in time again says nothing more.
const QUIET: Duration = Duration::from_secs(10);
/// Multiplications that a packet earns: a third of the packets may be symbols for 64, and as many be lost. 2 µs with AVX2.
const CREDIT_OF_PACKET: u32 = 48;
/// A window's worth of symbols at once.
const MAX_CREDIT: u32 = 128 * CREDIT_OF_PACKET;
/// Of these in a map in the time of one multiplication.
const LOOK_UPS: usize = 4;
