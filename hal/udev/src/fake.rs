//! Devices that a test made up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::{Device, Devices};

/// Devices by the names of their interfaces.
#[derive(Debug, Default)]
pub struct Fake {
    devices: Mutex<HashMap<String, Device>>,
}

impl Fake {
    /// Plugs a device in, or pulls it out.
    pub fn set(&self, interface: &str, device: Option<Device>) {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        match device {
            Some(device) => devices.insert(interface.into(), device),
            None => devices.remove(interface),
        };
    }
}

impl Devices for Fake {
    fn behind(&self, interface: &str) -> Option<Device> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).get(interface).cloned()
    }
}
