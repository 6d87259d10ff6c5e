//! Bands of their own for modems of one operator.
//!
//! Two modems on one cell share what it carries: a bond over both gains nothing. Locked to different bands they are served by
//! different carriers, mostly. Nobody tells which bands an operator has where the unit is; whoever carries this out sees whether
//! a modem is served with its bands, and takes them back where it is not.

use alloc::vec::Vec;

/// A modem of one operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<B> {
    /// The bands that it has. None: nothing is known, and it is left as it is.
    pub bands: Vec<B>,
    /// Those of them that it may use at present. It keeps of them what it can, so that one who is served is disturbed little.
    pub allowed: Vec<B>,
    /// SINR in dB. One that hears little needs every band it has, and takes no part.
    pub sinr: Option<f32>,
}

impl<B: Copy + PartialEq> Candidate<B> {
    fn takes_part(&self) -> bool {
        !self.bands.is_empty() && self.sinr.is_none_or(|sinr| sinr >= WEAK)
    }

    /// The band that it would have next, of those that nobody has.
    fn choice(&self, taken: &[B]) -> Option<B> {
        let free = || self.bands.iter().copied().filter(|band| !taken.contains(band));
        free().find(|band| self.allowed.contains(band)).or_else(|| free().next())
    }

    fn free(&self, taken: &[B]) -> usize {
        self.bands.iter().filter(|band| !taken.contains(band)).count()
    }
}

/// Which bands each is locked to, in the order of the modems; an empty list leaves it as it is.
///
/// Bands go round by round to whoever has fewest, and of these to the one with the least choice. With fewer bands than modems
/// no lock helps: whoever is left over would be locked out.
pub fn spread<B: Copy + PartialEq>(modems: &[Candidate<B>]) -> Vec<Vec<B>> {
    let mut locks: Vec<Vec<B>> = modems.iter().map(|_| Vec::new()).collect();
    let mut taken: Vec<B> = Vec::new();
    let parts = |at: &usize| modems[*at].takes_part();
    if (0..modems.len()).filter(parts).count() < 2 {
        return locks;
    }
    loop {
        let open = (0..modems.len()).filter(parts).filter(|at| modems[*at].free(&taken) > 0);
        let Some(at) = open.min_by_key(|at| (locks[*at].len(), modems[*at].free(&taken))) else { break };
        if let Some(band) = modems[at].choice(&taken) {
            taken.push(band);
            locks[at].push(band);
        }
    }
    if (0..modems.len()).filter(parts).any(|at| locks[at].is_empty()) {
        locks.iter_mut().for_each(Vec::clear);
    }
    locks
}

/// dB. Below, networks send with the lowest steps, and a band less may be no service at all.
const WEAK: f32 = 0.0;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn candidate(bands: &[u16]) -> Candidate<u16> {
        Candidate { bands: bands.to_vec(), allowed: bands.to_vec(), sinr: None }
    }

    fn of(modems: &[&[u16]]) -> Vec<Vec<u16>> {
        spread(&modems.iter().map(|bands| candidate(bands)).collect::<Vec<_>>())
    }

    #[test]
    fn two_modems_share_the_bands_of_their_operator() {
        assert_eq!(of(&[&[3, 7, 20], &[3, 7, 20]]), [vec![3, 20], vec![7]]);
        // The one that has only one band keeps it.
        assert_eq!(of(&[&[3, 7], &[3]]), [vec![7], vec![3]]);
    }

    #[test]
    fn nobody_is_locked_out_and_one_alone_is_not_locked() {
        assert_eq!(of(&[&[3], &[3]]), vec![vec![0; 0]; 2]);
        assert_eq!(of(&[&[3, 7]]), [vec![0; 0]]);
        assert_eq!(of(&[&[3, 7], &[]]), vec![vec![0; 0]; 2]);
    }

    #[test]
    fn a_modem_keeps_what_it_may_use_and_one_that_hears_little_keeps_all() {
        let locked = Candidate { allowed: vec![20], ..candidate(&[3, 7, 20]) };
        assert_eq!(spread(&[candidate(&[3, 7, 20]), locked.clone()]), [vec![3, 7], vec![20]]);
        let weak = Candidate { sinr: Some(-2.0), ..candidate(&[3, 7, 20]) };
        assert_eq!(spread(&[weak.clone(), locked]), vec![vec![0; 0]; 2]);
        let others = [candidate(&[3, 7]), weak, candidate(&[3, 7])];
        assert_eq!(spread(&others), [vec![3], vec![], vec![7]]);
    }
}
