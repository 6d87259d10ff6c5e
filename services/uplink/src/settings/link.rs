//! One link as set: `NAME[,cap_kbps=N][,cost=0..7][,backup][,dscp=0..63]`.

use std::str::FromStr;

use bondbox_bond::sender::LinkUse;
use bondbox_units::Bitrate;

use super::{MAX_LINK_NAME, is_link_name};

/// An interface, and what it may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSetting {
    /// As Linux calls it.
    pub name: String,
    /// What the engine makes of it.
    pub usage: LinkUse,
    /// Mark of its packets (RFC 2474), for networks that look at it.
    pub dscp: Option<u8>,
}

/// Why it is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// No interface has such a name.
    #[error("an interface's name of 1 to {MAX_LINK_NAME} bytes first")]
    Name,
    /// Not one of those above.
    #[error("cap_kbps=, cost=, backup or dscp= after its name, and not {0:?}")]
    Word(String),
    /// Out of range.
    #[error("{key} of {range}, and not {value:?}")]
    Value {
        /// Which.
        key: &'static str,
        /// What it may be.
        range: &'static str,
        /// What it is.
        value: String,
    },
}

impl FromStr for LinkSetting {
    type Err = BadLink;

    fn from_str(text: &str) -> Result<Self, BadLink> {
        let mut words = text.split(',').map(str::trim);
        let name = words.next().filter(|name| is_link_name(name)).ok_or(BadLink::Name)?.to_owned();
        let mut link = Self { name, usage: LinkUse::default(), dscp: None };
        for word in words {
            match word.split_once('=') {
                None if word == "backup" => link.usage.backup = true,
                Some(("cap_kbps", value)) => {
                    link.usage.cap =
                        Some(Bitrate::from_kbps(within("cap_kbps", value, 100, 1_000_000, "100 to 1000000")?));
                }
                Some(("cost", value)) => link.usage.cost = within("cost", value, 0, 7, "0 to 7")? as u8,
                Some(("dscp", value)) => link.dscp = Some(within("dscp", value, 0, 63, "0 to 63")? as u8),
                _ => return Err(BadLink::Word(word.to_owned())),
            }
        }
        Ok(link)
    }
}

fn within(key: &'static str, value: &str, least: u64, most: u64, range: &'static str) -> Result<u64, BadLink> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| BadLink::Value { key, range, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_a_name_and_what_it_may_be_used_for() {
        let link: LinkSetting = "wwan1, cap_kbps=3000,cost=2,backup,dscp=46".parse().unwrap();
        let usage = LinkUse { cap: Some(Bitrate::from_kbps(3_000)), cost: 2, backup: true };
        assert_eq!(link, LinkSetting { name: "wwan1".into(), usage, dscp: Some(46) });
        let plain: LinkSetting = "eth0".parse().unwrap();
        assert_eq!((plain.usage, plain.dscp), (LinkUse::default(), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |text: &str| text.parse::<LinkSetting>().unwrap_err().to_string();
        assert_eq!(refused(",backup"), "an interface's name of 1 to 15 bytes first");
        assert_eq!(refused("a,cost=9"), "cost of 0 to 7, and not \"9\"");
        assert_eq!(refused("a,dscp=x"), "dscp of 0 to 63, and not \"x\"");
        assert_eq!(refused("a,price=1"), "cap_kbps=, cost=, backup or dscp= after its name, and not \"price=1\"");
    }
}
