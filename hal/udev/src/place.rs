//! Ports as hubs have them, by the kernel's names.
//!
//! A hub of USB 3 is two to the kernel, one for each of the two busses in its cables, and so is each of its ports: what is plugged
//! in there is found on either, and has its power from both. The kernel knows which belong together (`peer`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::is_usb;

/// A port of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `1-1`, or `usb1` where it is the host's own.
    pub(crate) hub: String,
    /// Below the devices: `1-1:1.0/1-1-port2`.
    folder: PathBuf,
    /// What is plugged in there: `1-1.2`.
    pub(crate) device: String,
}

impl Place {
    /// That this device is plugged into.
    pub(crate) fn of(device: &str) -> Option<Self> {
        if let Some((hub, number)) = device.rsplit_once('.').filter(|_| is_usb(device)) {
            let folder = Path::new(&format!("{hub}:1.0")).join(format!("{hub}-port{number}"));
            return Some(Self { hub: hub.into(), folder, device: device.into() });
        }
        let (bus, number) = device.split_once('-').filter(|_| is_usb(device))?;
        let folder = Path::new(&format!("{bus}-0:1.0")).join(format!("usb{bus}-port{number}"));
        Some(Self { hub: format!("usb{bus}"), folder, device: device.into() })
    }

    /// The same one on the other bus of its cable; `devices` is where the kernel lists them.
    pub(crate) fn twin(&self, devices: &Path) -> Option<Self> {
        let peer = fs::canonicalize(devices.join(&self.folder).join("peer")).ok()?;
        let (hub, number) = peer.file_name()?.to_str()?.rsplit_once("-port")?;
        Self::of(&hub.strip_prefix("usb").map_or_else(|| format!("{hub}.{number}"), |bus| format!("{bus}-{number}")))
    }

    /// The file that switches it.
    pub(crate) fn switch(&self, devices: &Path) -> PathBuf {
        devices.join(&self.folder).join("disable")
    }

    /// What else is plugged into its hub.
    pub(crate) fn neighbours(&self, devices: &Path) -> Vec<String> {
        let Ok(all) = fs::read_dir(devices) else { return Vec::new() };
        let names = all.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let beside = |name: &String| *name != self.device && Self::of(name).is_some_and(|place| place.hub == self.hub);
        names.filter(beside).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_tells_its_hub_and_its_port_there() {
        let of = |device| Place::of(device).map(|place| (place.hub.clone(), place.switch(Path::new(""))));
        assert_eq!(of("1-1.2"), Some(("1-1".into(), "1-1:1.0/1-1-port2/disable".into())));
        assert_eq!(of("1-1.4.3"), Some(("1-1.4".into(), "1-1.4:1.0/1-1.4-port3/disable".into())));
        assert_eq!(of("2-1"), Some(("usb2".into(), "2-0:1.0/usb2-port1/disable".into())));
        assert_eq!(["usb1", "1-1:1.0", "1-", ""].map(of), [None, None, None, None]);
    }
}
