//! Where a device is plugged in.

use std::fmt;
use std::path::{Component, Path};

/// A place in the box: `usb1-1.2` behind hubs, `pci0000:01:00.0` on a board's bus, `1f00100000.ethernet` for what is soldered
/// on, and an interface's own name where no device is behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(String);

impl Port {
    /// Of a device, or an interface, by its path below `/sys/devices`.
    ///
    /// The deepest USB device counts, and not the interface of it that a driver took: a modem has several.
    pub fn of(path: &Path) -> Self {
        let parts: Vec<&str> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        // What an interface is called is no place.
        let net = parts.iter().position(|part| *part == "net").unwrap_or(parts.len());
        let (device, name) = (&parts[..net], parts.last().copied().unwrap_or_default());
        if let Some(usb) = device.iter().rev().find(|part| is_usb(part)) {
            return Self(format!("usb{usb}"));
        }
        if let Some(pci) = device.iter().rev().find(|part| is_pci(part)) {
            return Self(format!("pci{pci}"));
        }
        match device.last() {
            Some(last) if !device.contains(&"virtual") => Self((*last).to_owned()),
            _ => Self(name.to_owned()),
        }
    }

    /// As an operator or a file spells it.
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The kernel's name of the USB device in it: `1-1.2`.
    pub fn usb(&self) -> Option<&str> {
        self.0.strip_prefix("usb").filter(|usb| is_usb(usb))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `1-1.2`, and neither the bus `usb1` nor the interface `1-1.2:1.0`.
pub(crate) fn is_usb(part: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    part.split_once('-').is_some_and(|(bus, ports)| digits(bus) && ports.split('.').all(digits))
}

/// `0000:01:00.0`
fn is_pci(part: &str) -> bool {
    let hex = |text: &str, len: usize| text.len() == len && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fields: Vec<&str> = part.split(':').collect();
    matches!(fields[..], [domain, bus, place] if hex(domain, 4) && hex(bus, 2)
        && place.split_once('.').is_some_and(|(device, function)| hex(device, 2) && hex(function, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(path: &str) -> String {
        Port::of(Path::new(path)).to_string()
    }

    #[test]
    fn a_port_is_the_deepest_usb_device_however_its_interface_is_called() {
        let hub = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.2";
        assert_eq!(port(&format!("{hub}/1-1.2:1.0/net/usb0")), "usb1-1.2");
        assert_eq!(port(&format!("{hub}/1-1.2:1.4/net/wwan0")), "usb1-1.2");
        assert_eq!(port(hub), "usb1-1.2");
        assert_eq!(port("/sys/devices/platform/axi/1000480000.usb/usb2/2-1/2-1:1.0/net/eth1"), "usb2-1");
    }

    #[test]
    fn what_is_soldered_on_is_known_by_its_bus() {
        assert_eq!(port("/sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.0/net/eth0"), "pci0000:01:00.0");
        let pi = "/sys/devices/platform/axi/1000120000.pcie/1f00000000.rp1/1f00100000.ethernet/net/eth0";
        assert_eq!(port(pi), "1f00100000.ethernet");
        assert_eq!(port("/sys/devices/virtual/net/veth0"), "veth0");
        assert_eq!(port(""), "");
    }

    #[test]
    fn the_name_of_a_port_leads_to_its_device() {
        assert_eq!(Port::named("usb1-1.2").usb(), Some("1-1.2"));
        assert_eq!(
            [Port::named("usb1").usb(), Port::named("pci0000:01:00.0").usb(), Port::named("usbx").usb()],
            [None; 3]
        );
    }
}
