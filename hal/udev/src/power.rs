//! Devices on USB that do not answer any more: let go of and taken again, or without power for a moment.
//!
//! `authorized` at 0 has the kernel let go of a device, at 1 take it again as if it were plugged in: firmware that hangs behind a
//! good controller comes back. `disable` at 1 of a hub's port switches the port off, and of its twin on the other bus of the cable
//! ([`Place`]), without which it keeps its power. Whether that cuts the power depends on the hub: one with *ganged* switching cuts
//! it for all its ports or for none, and which it has does not show in sysfs. So power is cut only where nobody else hangs on the
//! hub or its twin, or where the hub is known to switch each port by itself ([`crate::SwitchingHub`]).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::place::Place;
use crate::switching::switches_each;
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
    /// There is nothing (any more) that could be switched.
    #[error("{0}: nothing is there that could be switched")]
    Absent(Port),
    /// The kernel does not let us.
    #[error("{port}: {reason}")]
    Refused {
        /// Which.
        port: Port,
        /// As the system says it.
        reason: String,
    },
}

impl Sysfs {
    fn devices(&self) -> PathBuf {
        self.root().join("bus/usb/devices")
    }

    /// Who else might lose its power with the port.
    fn endangered(&self, places: &[Place]) -> Vec<String> {
        let devices = self.devices();
        if places.iter().any(|place| switches_each(&devices, &place.hub, self.switching_hubs())) {
            return Vec::new();
        }
        let mut all: Vec<String> = places.iter().flat_map(|place| place.neighbours(&devices)).collect();
        all.sort_unstable();
        all
    }
}

impl Power for Sysfs {
    fn set_authorized(&self, port: &Port, on: bool) -> Result<(), PowerError> {
        let usb = port.usb().ok_or_else(|| PowerError::NotUsb(port.clone()))?;
        write(&self.devices().join(usb).join("authorized"), if on { "1" } else { "0" })
            .map_err(|error| refused(port, &error))
    }

    fn set_power(&self, port: &Port, on: bool) -> Result<(), PowerError> {
        let devices = self.devices();
        let own = port.usb().and_then(Place::of).ok_or_else(|| PowerError::NotUsb(port.clone()))?;
        let twin = own.twin(&devices);
        let places: Vec<Place> = [Some(own), twin].into_iter().flatten().collect();
        if !on {
            let neighbours = self.endangered(&places);
            if !neighbours.is_empty() {
                return Err(PowerError::Ganged { port: port.clone(), neighbours: neighbours.join(", ") });
            }
        }
        let switch = |place: &Place, on: bool| write(&place.switch(&devices), if on { "0" } else { "1" });
        // Of two, one that is off alone cuts nothing, and one that stays off keeps out what comes back.
        let done: Vec<io::Result<()>> = places.iter().map(|place| switch(place, on)).collect();
        let failed = done.into_iter().find_map(Result::err);
        if failed.is_some() && !on {
            for place in &places {
                // What is told is why the port is not off.
                let _ = switch(place, true);
            }
        }
        failed.map_or(Ok(()), |error| Err(refused(port, &error)))
    }
}

/// Opened for writing and not made: where the file is not there, nothing is to be done.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use io::Write as _;
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

fn refused(port: &Port, error: &io::Error) -> PowerError {
    match error.kind() {
        // The kernel says ENODEV of what goes while it is being switched.
        io::ErrorKind::NotFound => PowerError::Absent(port.clone()),
        _ if error.raw_os_error() == Some(ENODEV) => PowerError::Absent(port.clone()),
        _ => PowerError::Refused { port: port.clone(), reason: error.to_string() },
    }
}

const ENODEV: i32 = 19;
