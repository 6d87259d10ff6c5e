//! The cameras that the kernel knows.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use v4l::capability::Flags as Capabilities;
use v4l::control::{Flags, Type, Value};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::v4l_sys::{V4L2_IN_ST_NO_H_LOCK, V4L2_IN_ST_NO_POWER, V4L2_IN_ST_NO_SIGNAL, V4L2_IN_ST_NO_SYNC, v4l2_input};
use v4l::v4l2::vidioc;
use v4l::video::Capture;
use v4l::{Control as Setting, Device, FourCC};

use crate::{Camera, CameraError, Cameras, Control, Encoding, Mode};

/// Video4Linux, through `/dev/video*`.
#[derive(Clone, Copy, Debug, Default)]
pub struct V4l2;

impl Cameras for V4l2 {
    fn list(&self) -> Vec<Camera> {
        nodes().into_iter().filter_map(|path| self.describe(&path).ok()).collect()
    }

    fn describe(&self, path: &Path) -> Result<Camera, CameraError> {
        let device = open(path)?;
        guarded(path, || {
            let about = device.query_caps().map_err(|_| CameraError::NoCamera(path.into()))?;
            let single = about.capabilities.contains(Capabilities::VIDEO_CAPTURE);
            // Codecs and scalers carry the M2M flags instead of these.
            if !single && !about.capabilities.contains(Capabilities::VIDEO_CAPTURE_MPLANE) {
                return Err(CameraError::NoCamera(path.into()));
            }
            Ok(Camera {
                path: path.into(),
                name: about.card,
                driver: about.driver,
                // The library speaks the single-planar interface only.
                modes: if single { modes(&device) } else { Vec::new() },
                controls: controls(&device),
            })
        })
    }

    fn signal(&self, path: &Path) -> Result<(), CameraError> {
        let device = open(path)?;
        let about = guarded(path, || device.query_caps().map_err(|_| CameraError::NoCamera(path.into())))?;
        if !about.capabilities.intersects(Capabilities::VIDEO_CAPTURE | Capabilities::VIDEO_CAPTURE_MPLANE) {
            return Err(CameraError::NoCamera(path.into()));
        }
        let lost = V4L2_IN_ST_NO_POWER | V4L2_IN_ST_NO_SIGNAL | V4L2_IN_ST_NO_H_LOCK | V4L2_IN_ST_NO_SYNC;
        match input_status(&device) {
            Some(status) if status & lost != 0 => Err(CameraError::NoSignal(path.into())),
            _ => Ok(()),
        }
    }

    fn set_control(&self, path: &Path, id: u32, value: i64) -> Result<i64, CameraError> {
        self.describe(path)?.accepts(id, value)?;
        let device = open(path)?;
        guarded(path, || {
            let refused = |error: io::Error| CameraError::Device { path: path.into(), reason: error.to_string() };
            device.set_control(Setting { id, value: Value::Integer(value) }).map_err(refused)?;
            match device.control(id).map_err(refused)?.value {
                Value::Integer(value) => Ok(value),
                Value::Boolean(value) => Ok(value.into()),
                other => {
                    Err(CameraError::Device { path: path.into(), reason: format!("control {id:#x} is {other:?}") })
                }
            }
        })
    }
}

/// `/dev/video*`, by number.
fn nodes() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let mut nodes: Vec<(u32, PathBuf)> =
        entries.flatten().map(|entry| entry.path()).filter_map(|path| Some((number(&path)?, path))).collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

fn open(path: &Path) -> Result<Device, CameraError> {
    Device::with_path(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => CameraError::Absent(path.into()),
        _ => CameraError::Device { path: path.into(), reason: error.to_string() },
    })
}

/// What the input that is chosen says of itself: bits of `V4L2_IN_ST_*`. Cameras without inputs have none.
#[allow(unsafe_code, reason = "the library has no call for inputs")]
fn input_status(device: &Device) -> Option<u32> {
    let fd = device.handle().fd();
    let mut index: std::ffi::c_int = 0;
    // SAFETY: both requests write a value of the type that is given here, and only while they run.
    unsafe {
        v4l::v4l2::ioctl(fd, vidioc::VIDIOC_G_INPUT, (&raw mut index).cast()).ok()?;
        let mut input = v4l2_input { index: u32::try_from(index).ok()?, ..std::mem::zeroed() };
        v4l::v4l2::ioctl(fd, vidioc::VIDIOC_ENUMINPUT, (&raw mut input).cast()).ok()?;
        Some(input.status)
    }
}

/// The library panics on names that are not UTF-8 and on types of controls that are newer than it. That comes from a
/// device, so it must not end a service.
fn guarded<T>(path: &Path, ask: impl FnOnce() -> Result<T, CameraError>) -> Result<T, CameraError> {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
        Err(CameraError::Device { path: path.into(), reason: "it describes itself in a way we cannot read".into() })
    })
}

fn modes(device: &Device) -> Vec<Mode> {
    let mut modes = Vec::new();
    for format in device.enum_formats().unwrap_or_default() {
        for size in device.enum_framesizes(format.fourcc).unwrap_or_default() {
            for (width, height) in sizes(&size.size) {
                modes.extend(rates(device, format.fourcc, width, height).map(|(frames, seconds)| Mode {
                    encoding: encoding(format.fourcc),
                    width,
                    height,
                    frames,
                    seconds,
                }));
            }
        }
    }
    modes
}

/// Of a range of sizes those that video comes in: a list of all would have a million entries.
fn sizes(size: &FrameSizeEnum) -> Vec<(u32, u32)> {
    match size {
        FrameSizeEnum::Discrete(size) => vec![(size.width, size.height)],
        FrameSizeEnum::Stepwise(range) => [(640, 360), (640, 480), (1280, 720), (1920, 1080), (3840, 2160)]
            .into_iter()
            .filter(|&(width, height)| {
                let fits =
                    |value, min, max, step: u32| (min..=max).contains(&value) && (value - min) % step.max(1) == 0;
                fits(width, range.min_width, range.max_width, range.step_width)
                    && fits(height, range.min_height, range.max_height, range.step_height)
            })
            .collect(),
    }
}

/// Frames and the seconds they take. V4L2 gives the interval, which is the rate turned over.
fn rates(device: &Device, fourcc: FourCC, width: u32, height: u32) -> impl Iterator<Item = (u32, u32)> {
    let intervals = device.enum_frameintervals(fourcc, width, height).unwrap_or_default();
    let interval = |interval: FrameIntervalEnum| match interval {
        FrameIntervalEnum::Discrete(fraction) => fraction,
        FrameIntervalEnum::Stepwise(range) => range.min,
    };
    intervals
        .into_iter()
        .map(move |each| interval(each.interval))
        .filter(|fraction| fraction.numerator > 0 && fraction.denominator > 0)
        .map(|fraction| (fraction.denominator, fraction.numerator))
}

fn encoding(fourcc: FourCC) -> Encoding {
    match &fourcc.repr {
        b"MJPG" | b"JPEG" => Encoding::Jpeg,
        b"YUYV" | b"UYVY" | b"YVYU" | b"VYUY" | b"NV12" | b"NV21" | b"NV16" | b"YU12" | b"YV12" | b"422P" | b"RGB3"
        | b"BGR3" | b"BGR4" | b"RGB4" | b"GREY" => Encoding::Raw,
        _ => Encoding::Other,
    }
}

fn controls(device: &Device) -> Vec<Control> {
    // A device without any answers with an error.
    let controls = device.query_controls().unwrap_or_default();
    let is_value =
        |typ| matches!(typ, Type::Integer | Type::Boolean | Type::Menu | Type::Integer64 | Type::IntegerMenu);
    controls
        .into_iter()
        .filter(|control| is_value(control.typ) && !control.flags.contains(Flags::DISABLED))
        .map(|control| Control {
            id: control.id,
            name: control.name,
            minimum: control.minimum,
            maximum: control.maximum,
            default: control.default,
            read_only: control.flags.intersects(Flags::READ_ONLY | Flags::INACTIVE | Flags::GRABBED),
        })
        .collect()
}
