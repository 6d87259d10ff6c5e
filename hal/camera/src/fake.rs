//! Cameras that a test made up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Camera, CameraError, Cameras};

/// A machine with the devices that it was given. Refuses what [`crate::V4l2`] refuses.
#[derive(Debug, Default)]
pub struct Fake {
    devices: Mutex<HashMap<PathBuf, Device>>,
}

#[derive(Debug)]
enum Device {
    Camera {
        camera: Camera,
        values: HashMap<u32, i64>,
        signal: bool,
    },
    /// A node that delivers no pictures, as a camera's second one.
    Other,
}

impl Fake {
    /// Plugs a camera in.
    pub fn plug(&self, camera: Camera) {
        let values = camera.controls.iter().map(|control| (control.id, control.default)).collect();
        self.devices().insert(camera.path.clone(), Device::Camera { camera, values, signal: true });
    }

    /// Makes a node that is no camera.
    pub fn plug_other(&self, path: &Path) {
        self.devices().insert(path.into(), Device::Other);
    }

    /// Plugs the cable of a camera's input in, or pulls it.
    pub fn set_signal(&self, path: &Path, there: bool) {
        if let Some(Device::Camera { signal, .. }) = self.devices().get_mut(path) {
            *signal = there;
        }
    }

    /// Pulls a device out.
    pub fn unplug(&self, path: &Path) {
        self.devices().remove(path);
    }

    fn devices(&self) -> MutexGuard<'_, HashMap<PathBuf, Device>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cameras for Fake {
    fn list(&self) -> Vec<Camera> {
        let devices = self.devices();
        let mut cameras: Vec<Camera> = devices
            .values()
            .filter_map(|device| match device {
                Device::Camera { camera, .. } => Some(camera.clone()),
                Device::Other => None,
            })
            .collect();
        cameras.sort_by(|a, b| a.path.cmp(&b.path));
        cameras
    }

    fn describe(&self, path: &Path) -> Result<Camera, CameraError> {
        match self.devices().get(path) {
            Some(Device::Camera { camera, .. }) => Ok(camera.clone()),
            Some(Device::Other) => Err(CameraError::NoCamera(path.into())),
            None => Err(CameraError::Absent(path.into())),
        }
    }

    fn signal(&self, path: &Path) -> Result<(), CameraError> {
        self.describe(path)?;
        match self.devices().get(path) {
            Some(Device::Camera { signal: false, .. }) => Err(CameraError::NoSignal(path.into())),
            _ => Ok(()),
        }
    }

    fn set_control(&self, path: &Path, id: u32, value: i64) -> Result<i64, CameraError> {
        match self.devices().get_mut(path) {
            Some(Device::Camera { camera, values, .. }) => {
                camera.accepts(id, value)?;
                values.insert(id, value);
                Ok(value)
            }
            Some(Device::Other) => Err(CameraError::NoCamera(path.into())),
            None => Err(CameraError::Absent(path.into())),
        }
    }
}
