//! What the gateway's names were last said to stand for, and by whom.

use std::net::{IpAddr, SocketAddr};

use super::Endpoint;

/// Answers, the newest first.
#[derive(Debug, Default)]
pub(super) struct Book {
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    name: String,
    /// Whose name servers said so; the system's, where it is no link's.
    link: Option<String>,
    addresses: Vec<IpAddr>,
}

impl Book {
    /// Whether that is other than what was known. What a link was told before is forgotten; the same addresses in another
    /// order, as name servers give them each time, are no news.
    pub(super) fn learn(&mut self, name: &str, link: Option<&str>, addresses: &[IpAddr]) -> bool {
        let same = |answer: &Answer| answer.name == name && answer.link.as_deref() == link;
        let old = self.answers.iter().position(same).map(|place| self.answers.remove(place));
        let all_in = |some: &[IpAddr], others: &[IpAddr]| some.iter().all(|address| others.contains(address));
        let known = old.filter(|old| all_in(&old.addresses, addresses) && all_in(addresses, &old.addresses));
        let changed = known.is_none();
        let link = link.map(str::to_owned);
        let new = || Answer { name: name.into(), link, addresses: addresses.to_vec() };
        self.answers.insert(0, known.unwrap_or_else(new));
        self.answers.truncate(MOST_ANSWERS);
        changed
    }

    /// Where a link may find the gateway, the most likely first: as its own name servers say, then as others were told. A
    /// link whose name servers are dead or lie, as those of a login page do, finds it by what another has learned.
    pub(super) fn addresses(&self, endpoints: &[Endpoint], link: &str) -> Vec<SocketAddr> {
        let mut all = Vec::new();
        for endpoint in endpoints {
            match endpoint {
                Endpoint::Address(address) => all.push(*address),
                Endpoint::Name(name, port) => {
                    let of_name = || self.answers.iter().filter(|answer| answer.name == *name);
                    let own = of_name().filter(|answer| answer.link.as_deref() == Some(link));
                    let others = of_name().filter(|answer| answer.link.as_deref() != Some(link));
                    let addresses = own.chain(others).flat_map(|answer| &answer.addresses);
                    all.extend(addresses.map(|address| SocketAddr::new(*address, *port)));
                }
            }
        }
        let mut once = Vec::new();
        for address in all {
            if !once.contains(&address) && once.len() < MOST_ADDRESSES {
                once.push(address);
            }
        }
        once
    }
}

/// More addresses than these are not tried: each takes seconds where it does not answer.
const MOST_ADDRESSES: usize = 8;
/// Of a few names by all links of a unit, those that have left included.
const MOST_ANSWERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addresses: &str) -> Vec<IpAddr> {
        addresses.split_whitespace().map(|address| address.parse().unwrap()).collect()
    }

    fn known(book: &Book, endpoints: &str, link: &str) -> Vec<String> {
        let endpoints = super::super::list(endpoints).unwrap();
        book.addresses(&endpoints, link).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_link_goes_by_its_own_answer_and_then_by_what_others_learned_last() {
        let mut book = Book::default();
        assert_eq!(known(&book, "a.b:1", "wwan0"), [""; 0]);
        assert!(book.learn("a.b", Some("wwan0"), &list("10.0.0.1")));
        assert!(book.learn("a.b", Some("wwan1"), &list("64:ff9b::1 10.0.0.1")));
        assert!(book.learn("a.b", None, &list("10.0.0.9")));
        assert!(book.learn("c.d", Some("wwan0"), &list("10.0.0.4")));
        assert_eq!(known(&book, "a.b:1", "wwan0"), ["10.0.0.1:1", "10.0.0.9:1", "[64:ff9b::1]:1"]);
        assert_eq!(known(&book, "a.b:1", "wwan1"), ["[64:ff9b::1]:1", "10.0.0.1:1", "10.0.0.9:1"]);
        assert_eq!(known(&book, "a.b:1", "dead0"), ["10.0.0.9:1", "[64:ff9b::1]:1", "10.0.0.1:1"]);
    }

    #[test]
    fn a_new_answer_of_a_link_replaces_its_old_one() {
        let mut book = Book::default();
        assert!(book.learn("a.b", Some("wwan0"), &list("10.0.0.1")));
        assert!(!book.learn("a.b", Some("wwan0"), &list("10.0.0.1")));
        assert!(book.learn("a.b", Some("wwan0"), &list("10.0.0.2 fd00::2")));
        assert!(!book.learn("a.b", Some("wwan0"), &list("fd00::2 10.0.0.2")));
        assert_eq!(known(&book, "a.b:1", "wwan0"), ["10.0.0.2:1", "[fd00::2]:1"]);
        assert!(book.learn("a.b", Some("wwan0"), &list("fd00::2")));
        assert_eq!(known(&book, "a.b:1", "wwan0"), ["[fd00::2]:1"]);
    }

    #[test]
    fn the_order_of_the_settings_holds_and_no_list_grows_without_end() {
        let mut book = Book::default();
        book.learn("a.b", None, &list("10.0.0.2"));
        assert_eq!(known(&book, "10.0.0.1:5, a.b:1, 10.0.0.3:6", "x"), ["10.0.0.1:5", "10.0.0.2:1", "10.0.0.3:6"]);
        for link in 0..200 {
            book.learn("a.b", Some(&link.to_string()), &list(&format!("10.0.1.{link}")));
        }
        assert_eq!(book.answers.len(), MOST_ANSWERS);
        assert_eq!(known(&book, "a.b:1", "x").len(), MOST_ADDRESSES);
    }
}
