//! Devices that are plugged in, and the ports they are plugged into.
//!
//! [`Sysfs`] reads what the kernel says of an interface and of the device behind it; [`Fake`] behaves like it with devices
//! that a test made up. [`Events`] are what udev tells, of whatever devices, and [`Plugs`] says when it is worth reading again. A device is known by its *port*, which stays when
//! another one is plugged in there: what an operator named is a place in the box.

mod events;
mod fake;
mod kind;
mod place;
mod plugs;
mod port;
mod power;
mod switching;
mod sysfs;

pub use events::{Events, Of};
pub use fake::Fake;
use port::is_usb;

pub use plugs::Plugs;
pub use port::Port;
pub use power::{Power, PowerError};
pub use switching::{NoHub, SwitchingHub};
pub use sysfs::Sysfs;

/// The devices of a machine.
pub trait Devices {
    /// What is behind the interface of this name; `None` when it is not there (any more).
    fn behind(&self, interface: &str) -> Option<Device>;
}

/// What is behind an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is plugged into.
    pub port: Port,
    /// What it is.
    pub kind: Kind,
    /// Its kernel driver, where it has one.
    pub driver: String,
    /// As it calls itself: "HUAWEI_MOBILE HUAWEI_MOBILE".
    pub model: String,
}

/// What a device is to those who send over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A modem whose bearer somebody has to ask for (QMI, MBIM).
    Modem,
    /// A stick that is a router by itself, which leases an address.
    Stick,
    /// A phone that shares its network over USB.
    Phone,
    /// Wi-Fi.
    Wifi,
    /// Any other Ethernet.
    Ethernet,
    /// Made of software: no way out by itself.
    Virtual,
}
