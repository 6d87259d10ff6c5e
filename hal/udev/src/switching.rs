//! Hubs that switch each of their ports by itself.
//!
//! A hub says so when it is asked (wHubCharacteristics, USB 2.0 11.23.2.1), the kernel asks it and shows the answer nowhere below
//! `/sys`: so what is known is a table, and what an operator has measured.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::is_usb;

/// A hub, as an operator names it: by its model, `2109:2817`, or by where it is, `usb1-1`, or `usb1` for a host's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchingHub(By);

#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Model(String, String),
    Place(String),
}

impl SwitchingHub {
    fn is(&self, devices: &Path, hub: &str) -> bool {
        match &self.0 {
            By::Place(place) => place == hub,
            By::Model(vendor, product) => is_model(devices, hub, vendor, product),
        }
    }
}

impl FromStr for SwitchingHub {
    type Err = NoHub;

    fn from_str(text: &str) -> Result<Self, NoHub> {
        let hex = |id: &str| id.len() == 4 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some((vendor, product)) = text.split_once(':').filter(|(vendor, product)| hex(vendor) && hex(product)) {
            return Ok(Self(By::Model(vendor.to_ascii_lowercase(), product.to_ascii_lowercase())));
        }
        let place = text.strip_prefix("usb").ok_or(NoHub)?;
        let own = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit());
        match (own, is_usb(place)) {
            (true, _) => Ok(Self(By::Place(text.to_owned()))),
            (false, true) => Ok(Self(By::Place(place.to_owned()))),
            (false, false) => Err(NoHub),
        }
    }
}

/// That names no hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a hub's model, like 2109:2817, or its port, like usb1-1")]
pub struct NoHub;

/// Whether that hub switches each port by itself, as the table or the operator says.
pub(crate) fn switches_each(devices: &Path, hub: &str, said: &[SwitchingHub]) -> bool {
    let known = |(vendor, product): &(&str, &str)| is_model(devices, hub, vendor, product);
    EACH_BY_ITSELF.iter().any(known) || said.iter().any(|said| said.is(devices, hub))
}

fn is_model(devices: &Path, hub: &str, vendor: &str, product: &str) -> bool {
    let read = |name: &str| fs::read_to_string(devices.join(hub).join(name)).unwrap_or_default().trim().to_owned();
    read("idVendor") == vendor && read("idProduct") == product
}

/// As those report who have measured them; none was at hand here.
const EACH_BY_ITSELF: [(&str, &str); 4] = [("2109", "2817"), ("2109", "0817"), ("0424", "2514"), ("0424", "2517")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_named_by_its_model_or_by_where_it_is() {
        let by = |text: &str| text.parse::<SwitchingHub>().map(|SwitchingHub(by)| by);
        assert_eq!(by("2109:08AB"), Ok(By::Model("2109".into(), "08ab".into())));
        assert_eq!(by("usb1-1.4"), Ok(By::Place("1-1.4".into())));
        assert_eq!(by("usb1"), Ok(By::Place("usb1".into())));
        for none in ["", "usb", "1-1", "2109", "2109:28177", "2109:281g", "usb1-", "usb1-1:1.0", "pci0000:01:00.0"] {
            assert_eq!(by(none), Err(NoHub), "{none}");
        }
    }
}
