//! What a camera can do.

use std::path::{Path, PathBuf};

use crate::CameraError;

/// A camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its device node.
    pub path: PathBuf,
    /// For people.
    pub name: String,
    /// Its kernel driver.
    pub driver: String,
    /// What it delivers; empty when it does not list that, as multi-planar devices here.
    pub modes: Vec<Mode>,
    /// What can be set on it.
    pub controls: Vec<Control>,
}

/// One way to deliver pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// How pictures are coded.
    pub encoding: Encoding,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// So many pictures …
    pub frames: u32,
    /// … in so many seconds.
    pub seconds: u32,
}

/// How pictures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Pixels: nothing to decode.
    Raw,
    /// Motion JPEG: a picture costs the processor some milliseconds.
    Jpeg,
    /// Anything else.
    Other,
}

/// A setting of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// As V4L2 numbers it.
    pub id: u32,
    /// For people.
    pub name: String,
    /// Least it takes.
    pub minimum: i64,
    /// Most it takes.
    pub maximum: i64,
    /// What it is at first.
    pub default: i64,
    /// Whether it is there to be read only.
    pub read_only: bool,
}

/// Pictures that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Pictures a second.
    pub rate: u32,
}

impl Camera {
    /// The mode to open for `wanted`; `None` when the camera lists none.
    ///
    /// In this order: it reaches the rate; it is large enough; it needs no decoding; it is no larger than needed; it is
    /// no faster than needed. So a camera that has 720p raw at 10 a second and JPEG at 30 is opened with JPEG.
    pub fn best_mode(&self, wanted: &Wanted) -> Option<Mode> {
        let pixels = |mode: &Mode| u64::from(mode.width) * u64::from(mode.height);
        self.modes.iter().copied().min_by_key(|mode| {
            let short_of_rate = u64::from(wanted.rate) * u64::from(mode.seconds) > u64::from(mode.frames);
            let missing = wanted.width.saturating_sub(mode.width) + wanted.height.saturating_sub(mode.height);
            let cost = match mode.encoding {
                Encoding::Raw => 0,
                Encoding::Jpeg => 1,
                Encoding::Other => 2,
            };
            let rate = u64::from(mode.frames) * 1_000 / u64::from(mode.seconds.max(1));
            // Of those too slow, the fastest.
            let rate = if short_of_rate { u64::MAX - rate } else { rate };
            (short_of_rate, missing, cost, pixels(mode), rate)
        })
    }

    /// The control `id`, if it takes `value`.
    pub(crate) fn accepts(&self, id: u32, value: i64) -> Result<&Control, CameraError> {
        let path = || Path::to_path_buf(&self.path);
        let control = self.controls.iter().find(|control| control.id == id);
        let control = control.ok_or_else(|| CameraError::NoControl { path: path(), id })?;
        let Control { minimum, maximum, .. } = *control;
        let name = || control.name.clone();
        if control.read_only {
            return Err(CameraError::ReadOnly { path: path(), name: name() });
        }
        if !(minimum..=maximum).contains(&value) {
            return Err(CameraError::Range { path: path(), name: name(), value, minimum, maximum });
        }
        Ok(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: Encoding = Encoding::Raw;
    const JPEG: Encoding = Encoding::Jpeg;

    fn best(modes: &[(Encoding, u32, u32, u32)], wanted: (u32, u32, u32)) -> (Encoding, u32, u32) {
        let modes =
            modes.iter().map(|&(encoding, width, height, frames)| Mode { encoding, width, height, frames, seconds: 1 });
        let camera = Camera {
            path: "/dev/video0".into(),
            name: String::new(),
            driver: String::new(),
            modes: modes.collect(),
            controls: Vec::new(),
        };
        let (width, height, rate) = wanted;
        let mode = camera.best_mode(&Wanted { width, height, rate }).unwrap();
        (mode.encoding, mode.width, mode.frames)
    }

    #[test]
    fn pixels_are_preferred_where_they_are_fast_enough() {
        let webcam = [
            (RAW, 640, 480, 30),
            (RAW, 1280, 720, 10),
            (JPEG, 640, 480, 30),
            (JPEG, 1280, 720, 30),
            (JPEG, 1920, 1080, 30),
        ];
        assert_eq!(best(&webcam, (640, 360, 25)), (RAW, 640, 30));
        assert_eq!(best(&webcam, (1280, 720, 25)), (JPEG, 1280, 30));
        assert_eq!(best(&webcam, (1280, 720, 10)), (RAW, 1280, 10));
        assert_eq!(best(&webcam, (1920, 1080, 25)), (JPEG, 1920, 30));
    }

    #[test]
    fn what_is_too_little_still_gets_the_nearest() {
        assert_eq!(best(&[(RAW, 320, 240, 15), (RAW, 640, 480, 5)], (640, 360, 25)).1, 640);
        assert_eq!(best(&[(RAW, 640, 480, 5), (RAW, 640, 480, 15)], (640, 360, 25)).2, 15);
    }
}
