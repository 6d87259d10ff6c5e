//! The stored units of one track, found by number.

use std::collections::VecDeque;

use super::store::StoredUnit;

/// Numbers count up, so a ring holds them: what is gone leaves a hole, which goes when all before it has.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// The number of `slots[0]`.
    first: u64,
    slots: VecDeque<Option<StoredUnit>>,
    len: usize,
}

impl Units {
    /// Without units so far, to be counted from here.
    #[cfg(test)]
    pub(super) fn starting_at(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Units that are there.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Numbers from the oldest unit that is there to the newest, holes included.
    pub(super) fn span(&self) -> usize {
        self.slots.len()
    }

    /// The number of the oldest unit that is there, or of the next.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// The number of the next unit.
    pub(super) fn next(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Adds a unit and gives its number.
    pub(super) fn push(&mut self, unit: StoredUnit) -> u64 {
        self.slots.push_back(Some(unit));
        self.len += 1;
        self.next() - 1
    }

    pub(super) fn get(&self, unit: u64) -> Option<&StoredUnit> {
        self.slots.get(self.place(unit)?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, unit: u64) -> Option<&mut StoredUnit> {
        let place = self.place(unit)?;
        self.slots.get_mut(place)?.as_mut()
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&StoredUnit> {
        self.slots.front()?.as_ref()
    }

    /// Takes the oldest out.
    pub(super) fn pop_front(&mut self) -> Option<StoredUnit> {
        self.remove(self.first)
    }

    pub(super) fn remove(&mut self, unit: u64) -> Option<StoredUnit> {
        let place = self.place(unit)?;
        let taken = self.slots.get_mut(place)?.take()?;
        self.len -= 1;
        self.close_up();
        Some(taken)
    }

    /// Takes out all for which `gone` holds.
    pub(super) fn take_all(&mut self, gone: impl Fn(&StoredUnit) -> bool, mut take: impl FnMut(StoredUnit)) {
        for slot in &mut self.slots {
            if let Some(unit) = slot.take_if(|unit| gone(unit)) {
                self.len -= 1;
                take(unit);
            }
        }
        self.close_up();
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u64, &mut StoredUnit)> {
        (self.first..).zip(&mut self.slots).filter_map(|(unit, slot)| Some((unit, slot.as_mut()?)))
    }

    fn place(&self, unit: u64) -> Option<usize> {
        usize::try_from(unit.checked_sub(self.first)?).ok()
    }

    fn close_up(&mut self) {
        while self.slots.pop_front_if(|oldest| oldest.is_none()).is_some() {
            self.first += 1;
        }
    }
}
