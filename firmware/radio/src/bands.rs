//! Bands of their own for modems of one operator.
//!
//! Two modems on one cell share what it carries: a bond over both gains nothing. Locked to different bands they are served by
//! different carriers, mostly. That is worth a lock only where every modem of the operator keeps a choice of what it was seen to
//! get service on; a band that only one modem has heard goes to that one.

use alloc::vec::Vec;

/// A modem of one operator: the bands that it can use there, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<B> {
    /// See above. None: nothing is known, and it is left as it is.
    pub bands: Vec<B>,
}

/// Which bands each is locked to, in the order of the modems; an empty list is no lock.
///
/// Bands go round by round to whoever has fewest, the best that is still free each time. With fewer bands than modems no lock
/// helps: whoever is left over would be locked out.
pub fn spread<B: Copy + PartialEq>(modems: &[Candidate<B>]) -> Vec<Vec<B>> {
    let mut locks: Vec<Vec<B>> = modems.iter().map(|_| Vec::new()).collect();
    let mut taken: Vec<B> = Vec::new();
    loop {
        // Of those who still have a free band, the one with fewest locks; of these the one with least choice.
        let free = |modem: &Candidate<B>, taken: &[B]| modem.bands.iter().filter(|band| !taken.contains(band)).count();
        let next = (0..modems.len())
            .filter(|at| free(&modems[*at], &taken) > 0)
            .min_by_key(|at| (locks[*at].len(), free(&modems[*at], &taken)));
        let Some(at) = next else { break };
        if let Some(band) = modems[at].bands.iter().find(|band| !taken.contains(band)) {
            taken.push(*band);
            locks[at].push(*band);
        }
    }
    let left_over = modems.iter().zip(&locks).any(|(modem, lock)| !modem.bands.is_empty() && lock.is_empty());
    let alone = modems.iter().filter(|modem| !modem.bands.is_empty()).count() < 2;
    if left_over || alone {
        locks.iter_mut().for_each(Vec::clear);
    }
    locks
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn of(modems: &[&[u16]]) -> Vec<Vec<u16>> {
        spread(&modems.iter().map(|bands| Candidate { bands: bands.to_vec() }).collect::<Vec<_>>())
    }

    #[test]
    fn two_modems_share_the_bands_of_their_operator() {
        assert_eq!(of(&[&[3, 7, 20], &[3, 7, 20]]), [vec![3, 20], vec![7]]);
        // The one that hears only one band has it.
        assert_eq!(of(&[&[3, 7], &[3]]), [vec![7], vec![3]]);
    }

    #[test]
    fn nobody_is_locked_out_and_one_alone_is_not_locked() {
        assert_eq!(of(&[&[3], &[3]]), vec![vec![0; 0]; 2]);
        assert_eq!(of(&[&[3, 7]]), [vec![0; 0]]);
        assert_eq!(of(&[&[3, 7], &[]]), vec![vec![0; 0]; 2]);
    }
}
