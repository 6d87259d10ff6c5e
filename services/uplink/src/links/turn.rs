//! Which of the gateway's addresses a link tries, and at which port, when the one before does not answer.
//!
//! ```text
//! both families:   first address → second → first at 443 → second at 443 → first → …
//! one of them:     address → the same at 443 → address → …
//! ```
//!
//! Where one has answered the link stays, whatever came before it in the list, until it falls silent: then the others are
//! tried at the port that has answered, and that one again, before the other port is.

use std::net::SocketAddr;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// As the operator or a resolver gave it.
    pub(super) address: SocketAddr,
    /// At [`BESIDE`] instead of its port.
    beside: bool,
    /// How many further addresses have their turn before the port changes.
    left: usize,
}

impl Turn {
    /// The first one; `None` where there is no address.
    pub(super) fn first(addresses: &[SocketAddr]) -> Option<Self> {
        Some(Self { address: *addresses.first()?, beside: false, left: addresses.len() - 1 })
    }

    /// After this one was silent: it had answered before, or not. `None` where there is no address any more.
    pub(super) fn next(self, addresses: &[SocketAddr], answered: bool) -> Option<Self> {
        let Some(place) = addresses.iter().position(|address| *address == self.address) else {
            return Self::first(addresses);
        };
        let address = addresses[(place + 1) % addresses.len()];
        let left = if answered { addresses.len() } else { self.left.min(addresses.len()) };
        Some(match left.checked_sub(1) {
            Some(left) => Self { address, left, ..self },
            None => Self { address, beside: !self.beside, left: addresses.len() - 1 },
        })
    }

    /// Where to send to.
    pub(super) fn to(self) -> SocketAddr {
        let mut to = self.address;
        if self.beside {
            to.set_port(BESIDE);
        }
        to
    }
}

/// The port of HTTP/3. Networks that let little pass mostly let it pass; a gateway that wants to be reached there has it
/// redirected to its own.
const BESIDE: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is tried in turn; a `!` stands behind what has answered before it fell silent.
    fn tried(addresses: &[&str], answers: &[bool]) -> Vec<String> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let mut turn = Turn::first(&addresses);
        let mut tried = vec![];
        for answered in answers {
            let now = turn.unwrap();
            tried.push(format!("{}{}", now.to(), if *answered { "!" } else { "" }));
            turn = now.next(&addresses, *answered);
        }
        tried
    }

    #[test]
    fn one_address_is_tried_at_both_ports_by_turns_and_again_where_it_has_answered() {
        let tried = tried(&["10.0.0.1:7000"], &[false, false, false, true, false, false]);
        assert_eq!(
            tried,
            ["10.0.0.1:7000", "10.0.0.1:443", "10.0.0.1:7000", "10.0.0.1:443!", "10.0.0.1:443", "10.0.0.1:7000"]
        );
    }

    #[test]
    fn where_the_first_family_does_not_answer_the_other_is_tried_before_the_other_port() {
        let tried = tried(&["[fd00::1]:7000", "10.0.0.1:7000"], &[false; 5]);
        assert_eq!(tried, ["[fd00::1]:7000", "10.0.0.1:7000", "[fd00::1]:443", "10.0.0.1:443", "[fd00::1]:7000"]);
    }

    #[test]
    fn one_that_falls_silent_gives_way_at_once_and_has_its_turn_again() {
        let both = ["[fd00::1]:7000", "10.0.0.1:7000"];
        let died = tried(&both, &[true, true, false, false]);
        assert_eq!(died, ["[fd00::1]:7000!", "10.0.0.1:7000!", "[fd00::1]:7000", "10.0.0.1:7000"]);
        let dark = tried(&both, &[true, false, false, false]);
        assert_eq!(dark, ["[fd00::1]:7000!", "10.0.0.1:7000", "[fd00::1]:7000", "10.0.0.1:443"]);
    }

    #[test]
    fn an_address_that_is_no_longer_there_is_followed_by_the_first() {
        let [old, new] = ["10.0.0.1:7000", "10.0.0.2:7000"].map(|text| text.parse::<SocketAddr>().unwrap());
        let turn = Turn::first(&[old]).unwrap();
        assert_eq!(turn.next(&[new], false), Turn::first(&[new]));
        assert_eq!((turn.next(&[], true), Turn::first(&[])), (None, None));
    }
}
