//! Video capture devices that are cameras, found and described.
//!
//! Half of the `/dev/video*` nodes of a machine are no cameras: cameras bring a second node for metadata, codecs and
//! scalers have some too. [`V4l2`] lists those that deliver pictures and says what they can do; [`Fake`] behaves like
//! it with devices made up by a test. Pictures themselves are fetched by GStreamer, not here.

mod camera;
mod fake;
mod v4l2;

pub use camera::{Camera, Control, Encoding, Mode, Wanted};
pub use fake::Fake;
pub use v4l2::V4l2;

use std::path::{Path, PathBuf};

/// The cameras of a machine.
pub trait Cameras: Send + Sync {
    /// All that are there now, in the order of their numbers. Devices that do not answer are left out.
    fn list(&self) -> Vec<Camera>;

    /// The camera at a device node.
    ///
    /// # Errors
    /// [`CameraError::Absent`], [`CameraError::NoCamera`] and [`CameraError::Device`].
    fn describe(&self, path: &Path) -> Result<Camera, CameraError>;

    /// Whether something comes in at a camera's input, as at a cable of HDMI. A device that cannot tell has a signal.
    ///
    /// # Errors
    /// [`CameraError::NoSignal`], and what [`Self::describe`] has.
    fn signal(&self, path: &Path) -> Result<(), CameraError>;

    /// Sets a control and returns the value that is in force then, which a device may have rounded.
    ///
    /// # Errors
    /// [`CameraError`].
    fn set_control(&self, path: &Path, id: u32, value: i64) -> Result<i64, CameraError>;
}

/// Why a camera does not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CameraError {
    /// No such node.
    #[error("{}: no such device", .0.display())]
    Absent(PathBuf),
    /// A node, but none that delivers pictures.
    #[error("{}: delivers no pictures", .0.display())]
    NoCamera(PathBuf),
    /// A camera whose input has nothing that it can show.
    #[error("{}: there is no signal at its input", .0.display())]
    NoSignal(PathBuf),
    /// The camera has no such control.
    #[error("{}: has no control {id:#x}", path.display())]
    NoControl {
        /// The camera's.
        path: PathBuf,
        /// What was asked for.
        id: u32,
    },
    /// The control does not take this value.
    #[error("{}: {name} is {value}, must be {minimum} to {maximum}", path.display())]
    Range {
        /// The camera's.
        path: PathBuf,
        /// The control's.
        name: String,
        /// What was asked for.
        value: i64,
        /// Least it takes.
        minimum: i64,
        /// Most it takes.
        maximum: i64,
    },
    /// The control is there to be read.
    #[error("{}: {name} cannot be set", path.display())]
    ReadOnly {
        /// The camera's.
        path: PathBuf,
        /// The control's.
        name: String,
    },
    /// The device refuses or does not answer.
    #[error("{}: {reason}", path.display())]
    Device {
        /// The camera's.
        path: PathBuf,
        /// As the system tells it.
        reason: String,
    },
}
