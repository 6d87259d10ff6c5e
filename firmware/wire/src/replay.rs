//! Which packet numbers of one path have been seen.

/// A sliding window over packet numbers; what is older than the window counts as seen.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// One above the highest number accepted.
    next: u64,
    /// A ring of bits, one a number, for `next - BITS .. next`.
    seen: [u64; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplayWindow {
    /// Nothing seen.
    pub const fn new() -> Self {
        Self { next: 0, seen: [0; WORDS] }
    }

    /// The number that a packet in order would have next.
    pub const fn expected(&self) -> u64 {
        self.next
    }

    /// Whether `pn` is new. Ask before a packet is opened, [`ReplayWindow::accept`] after its tag held.
    pub const fn is_new(&self, pn: u64) -> bool {
        if pn >= self.next {
            return true;
        }
        self.next - pn <= BITS && self.seen[word(pn)] & bit(pn) == 0
    }

    /// Marks `pn` as seen; `false` when it was, or is too old to tell.
    pub fn accept(&mut self, pn: u64) -> bool {
        if !self.is_new(pn) {
            return false;
        }
        if pn >= self.next {
            if pn - self.next >= BITS {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.next..pn {
                    self.seen[word(skipped)] &= !bit(skipped);
                }
            }
            self.next = pn + 1;
        }
        self.seen[word(pn)] |= bit(pn);
        true
    }
}

const fn word(pn: u64) -> usize {
    (pn / 64) as usize % WORDS
}

const fn bit(pn: u64) -> u64 {
    1 << (pn % 64)
}

/// A modem that holds a second of packets while another's path is preferred reorders by this much at 20 Mbit/s.
const WORDS: usize = 64;
const BITS: u64 = 64 * WORDS as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_accepted_once_and_not_after_the_window_passed() {
        let mut window = ReplayWindow::new();
        assert!(window.accept(0));
        assert!(!window.accept(0));
        assert!(window.accept(10));
        assert!(window.accept(3));
        assert!(!window.accept(3));
        assert!(window.accept(10 + BITS));
        assert!(!window.accept(4), "slid out of the window unseen");
        assert!(window.accept(11));
    }

    #[test]
    fn the_ring_forgets_numbers_it_slid_over() {
        let mut window = ReplayWindow::new();
        for pn in 0..BITS {
            assert!(window.accept(pn));
        }
        assert!(window.accept(BITS + 5));
        assert!((BITS..BITS + 5).all(|pn| window.is_new(pn)));
    }
}
