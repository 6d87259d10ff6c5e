//! Devices on USB that do not answer any more: let go of and taken again, or without power for a moment.
//!
//! `authorized` at 0 has the kernel let go of a device, at 1 take it again as if it were plugged in: firmware that hangs behind a
//! good controller comes back. `disable` at 1 of a hub's port switches the port off. Whether that cuts the power depends on the
//! hub: one with *ganged* switching cuts it for all its ports or for none, and which it has does not show in sysfs. So power is
//! cut only where nobody else hangs on the hub, or where the model is known to switch each port by itself.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::{Port, Sysfs};

/// What can be done to a device from outside.
pub trait Power {
    /// Has the kernel let go of what is plugged in there, or take it again.
    ///
    /// # Errors
    /// [`PowerError`].
    fn set_authorized(&self, port: &Port, on: bool) -> Result<(), PowerError>;

    /// Switches the port on or off.
    ///
    /// # Errors
    /// [`PowerError`]; off is refused where a neighbour could lose its power, too.
    fn set_power(&self, port: &Port, on: bool) -> Result<(), PowerError>;
}

/// Why that was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PowerError {
    /// Not on USB.
    #[error("{0} is no port of USB")]
    NotUsb(Port),
    /// Neighbours hang on a hub that may cut the power of all.
    #[error("{port}: {neighbours} beside it on the hub might lose power, too")]
    Ganged {
        /// Whose power was to be cut.
        port: Port,
        /// Who else hangs there, by the kernel's names.
        neighbours: String,
    },
    /// The kernel does not let us, or has no such file.
    #[error("{port}: {reason}")]
    Refused {
        /// Which.
        port: Port,
        /// As the system says it.
        reason: String,
    },
}

impl Sysfs {
    fn usb(&self, name: &str) -> PathBuf {
        self.root().join("bus/usb/devices").join(name)
    }

    /// The hub's name as a device, of its interface, and of the port on it.
    fn hub(usb: &str) -> Option<(String, String, String)> {
        if let Some((hub, number)) = usb.rsplit_once('.') {
            return Some((hub.into(), format!("{hub}:1.0"), format!("{hub}-port{number}")));
        }
        let (bus, number) = usb.split_once('-')?;
        Some((format!("usb{bus}"), format!("{bus}-0:1.0"), format!("usb{bus}-port{number}")))
    }

    fn neighbours(&self, usb: &str, hub: &str) -> Vec<String> {
        let Ok(all) = fs::read_dir(self.root().join("bus/usb/devices")) else { return Vec::new() };
        let names = all.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let beside = |name: &String| {
            name != usb && !name.contains(':') && Self::hub(name).is_some_and(|(other, ..)| other == hub)
        };
        names.filter(beside).collect()
    }

    fn switches_each(&self, hub: &str) -> bool {
        let read = |name: &str| fs::read_to_string(self.usb(hub).join(name)).unwrap_or_default().trim().to_owned();
        let (vendor, product) = (read("idVendor"), read("idProduct"));
        EACH_BY_ITSELF.iter().any(|(maker, model)| *maker == vendor && *model == product)
    }
}

impl Power for Sysfs {
    fn set_authorized(&self, port: &Port, on: bool) -> Result<(), PowerError> {
        let usb = port.usb().ok_or_else(|| PowerError::NotUsb(port.clone()))?;
        write(&self.usb(usb).join("authorized"), if on { "1" } else { "0" }).map_err(|error| refused(port, &error))
    }

    fn set_power(&self, port: &Port, on: bool) -> Result<(), PowerError> {
        let (usb, hub) =
            port.usb().and_then(|usb| Some((usb, Self::hub(usb)?))).ok_or_else(|| PowerError::NotUsb(port.clone()))?;
        let (hub, interface, place) = hub;
        if !on && !self.switches_each(&hub) {
            let neighbours = self.neighbours(usb, &hub);
            if !neighbours.is_empty() {
                return Err(PowerError::Ganged { port: port.clone(), neighbours: neighbours.join(", ") });
            }
        }
        let path = self.usb(&interface).join(place).join("disable");
        write(&path, if on { "0" } else { "1" }).map_err(|error| refused(port, &error))
    }
}

/// Opened for writing and not made: where the file is not there, nothing is to be done.
fn write(path: &std::path::Path, value: &str) -> io::Result<()> {
    use io::Write as _;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

fn refused(port: &Port, error: &io::Error) -> PowerError {
    PowerError::Refused { port: port.clone(), reason: error.to_string() }
}

/// Hubs that switch each port by itself, as those report who have measured it; none was at hand here.
const EACH_BY_ITSELF: [(&str, &str); 4] = [("2109", "2817"), ("2109", "0817"), ("0424", "2514"), ("0424", "2517")];
