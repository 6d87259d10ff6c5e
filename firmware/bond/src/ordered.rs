//! A map for keys that mostly come in order.

use std::collections::VecDeque;

/// Keeps values by number, in order, in one ring: what comes and goes asks for no memory of its own, as nodes of a tree do.
#[derive(Debug)]
pub(crate) struct Ordered<V> {
    entries: VecDeque<(u64, V)>,
}

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<V> Ordered<V> {
    /// The least number.
    pub(crate) fn first(&self) -> Option<u64> {
        self.entries.front().map(|(key, _)| *key)
    }

    /// The greatest number.
    pub(crate) fn last(&self) -> Option<u64> {
        self.entries.back().map(|(key, _)| *key)
    }

    pub(crate) fn contains(&self, key: u64) -> bool {
        self.place(key).is_ok()
    }

    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        Some(&self.entries.get(self.place(key).ok()?)?.1)
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let at = self.place(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// The value of `key`, made if it is not there; `None` where that is so far from both ends that making room for it would
    /// take long.
    pub(crate) fn get_or_insert_with(&mut self, key: u64, make: impl FnOnce() -> V) -> Option<&mut V> {
        let at = match self.place(key) {
            Ok(at) => at,
            Err(at) if at.min(self.entries.len() - at) > MAX_MOVED => return None,
            Err(at) => {
                self.entries.insert(at, (key, make()));
                at
            }
        };
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        let at = self.place(key).ok()?;
        self.entries.remove(at).map(|(_, value)| value)
    }

    /// Takes the first out, when its number is below `end`.
    pub(crate) fn pop_below(&mut self, end: u64) -> Option<(u64, V)> {
        self.entries.pop_front_if(|(key, _)| *key < end)
    }

    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Where `key` is, or would be.
    fn place(&self, key: u64) -> Result<usize, usize> {
        // The next in order is what mostly comes, and the first what mostly goes.
        match (self.entries.front(), self.entries.back()) {
            (_, Some((last, _))) if *last < key => Err(self.entries.len()),
            (Some((first, _)), _) if *first == key => Ok(0),
            _ => self.entries.binary_search_by_key(&key, |(key, _)| *key),
        }
    }
}

/// Entries that one that comes out of order may move: a second of small datagrams, and some ten microseconds.
const MAX_MOVED: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_tree(steps in prop::collection::vec((0..4_u8, 0..40_u64), 0..200)) {
            let (mut ordered, mut tree) = (Ordered::default(), BTreeMap::new());
            for (i, (step, key)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => {
                        let value = ordered.get_or_insert_with(key, || i).copied();
                        prop_assert_eq!(value, Some(*tree.entry(key).or_insert(i)));
                    }
                    2 => prop_assert_eq!(ordered.remove(key), tree.remove(&key)),
                    _ => prop_assert_eq!(ordered.pop_below(key), tree.pop_first_below(key)),
                }
                prop_assert_eq!(ordered.first(), tree.keys().next().copied());
                prop_assert_eq!(ordered.last(), tree.keys().next_back().copied());
                prop_assert_eq!((ordered.get(key), ordered.contains(key)), (tree.get(&key), tree.contains_key(&key)));
                prop_assert!(ordered.values().eq(tree.values()));
            }
        }
    }

    trait PopBelow {
        fn pop_first_below(&mut self, end: u64) -> Option<(u64, usize)>;
    }

    impl PopBelow for BTreeMap<u64, usize> {
        fn pop_first_below(&mut self, end: u64) -> Option<(u64, usize)> {
            self.first_entry().filter(|entry| *entry.key() < end).map(|entry| entry.remove_entry())
        }
    }

    #[test]
    fn one_far_from_both_ends_is_refused() {
        let mut ordered = Ordered::default();
        (0..3 * MAX_MOVED as u64).for_each(|key| *ordered.get_or_insert_with(2 * key, || 0).unwrap() += 1);
        assert_eq!(ordered.get_or_insert_with(3 * MAX_MOVED as u64 + 1, || 0), None);
        assert!(ordered.get_or_insert_with(1, || 0).is_some());
    }
}
