//! Keys.
//!
//! Events are read from `/dev/input` by ourselves: they are 24 bytes, and what is wanted beside them is that their time is of the
//! monotonic clock, which makes a press that a late loop finds keep its length.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bondbox_ipc::panel::Key;
use bondbox_units::Instant;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::devices;

/// A contact that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Which.
    pub key: Key,
    /// Closed, or open.
    pub down: bool,
    /// When, on the host's monotonic clock; `None` where the device does not tell.
    pub at: Option<Instant>,
}

/// Somewhere that keys are.
pub trait Keys: Send {
    /// The next that happens. Loses nothing when dropped halfway.
    ///
    /// # Errors
    /// When the device is gone; what was pressed then is up again.
    fn next(&mut self) -> impl Future<Output = io::Result<Edge>> + Send;
    /// Where they are.
    fn name(&self) -> String;
}

/// An input device of the kernel: `gpio-keys` of the device tree, or a keyboard on USB.
pub struct Evdev {
    file: AsyncFd<File>,
    path: PathBuf,
    monotonic: bool,
    down: [bool; 2],
    /// Found by looking after events were lost.
    waiting: Vec<Edge>,
}

impl Evdev {
    /// Every device below `sys` and `dev` (`/sys`, `/dev`) that has a key of the panel.
    pub fn find(sys: &Path, dev: &Path) -> Vec<PathBuf> {
        let has_key = |path: &PathBuf| {
            let bits = std::fs::read_to_string(path.join("device/capabilities/key")).unwrap_or_default();
            CODES.iter().any(|(code, _)| has_bit(&bits, usize::from(*code)))
        };
        let found = devices(&sys.join("class/input")).into_iter().filter(has_key);
        found.filter_map(|path| Some(dev.join("input").join(path.file_name()?))).collect()
    }

    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
        let monotonic = set_clock(&file).is_ok();
        let file = on_reactor(file)?;
        Ok(Self { file, path: path.to_path_buf(), monotonic, down: [false; 2], waiting: Vec::new() })
    }

    fn on_event(&mut self, event: Event) -> Option<Edge> {
        match event {
            Event::Key { code, down, at } => {
                let (_, key) = CODES.into_iter().find(|(of_key, _)| *of_key == code)?;
                self.change(key, down, self.monotonic.then_some(at))
            }
            Event::Lost => {
                // What is down now, and what is not: the edges in between are gone, a press that goes on is not.
                let bits = keys_down(self.file.get_ref()).unwrap_or([0; 96]);
                for (code, key) in CODES {
                    let down = bits.get(usize::from(code) / 8).is_some_and(|byte| byte >> (code % 8) & 1 == 1);
                    let edge = self.change(key, down, None);
                    self.waiting.extend(edge);
                }
                None
            }
            Event::Other => None,
        }
    }

    fn change(&mut self, key: Key, down: bool, at: Option<Instant>) -> Option<Edge> {
        let before = &mut self.down[key as usize];
        (std::mem::replace(before, down) != down).then_some(Edge { key, down, at })
    }
}

impl Keys for Evdev {
    async fn next(&mut self) -> io::Result<Edge> {
        loop {
            if let Some(edge) = self.waiting.pop() {
                return Ok(edge);
            }
            let mut bytes = [0; EVENT];
            let read = self.file.async_io(Interest::READABLE, |mut file| file.read(&mut bytes)).await?;
            if read < EVENT {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{} ended", self.path.display())));
            }
            if let Some(edge) = self.on_event(Event::read(&bytes)) {
                return Ok(edge);
            }
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// One `struct input_event` of a 64-bit kernel, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Key {
        code: u16,
        down: bool,
        at: Instant,
    },
    /// The kernel's queue ran over: SYN_DROPPED.
    Lost,
    Other,
}

impl Event {
    fn read(bytes: &[u8; EVENT]) -> Self {
        let number = |at: usize| i64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]));
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let value = i32::from_ne_bytes(std::array::from_fn(|i| bytes[20 + i]));
        let at = Instant::from_micros(number(0).unsigned_abs() * 1_000_000 + number(8).unsigned_abs());
        match (half(16), half(18), value) {
            (EV_KEY, code, 0 | 1) => Self::Key { code, down: value == 1, at },
            (EV_SYN, SYN_DROPPED, _) => Self::Lost,
            // A key that repeats is still down.
            _ => Self::Other,
        }
    }
}

/// Whether a bitmap as sysfs prints it, in words of 64 bits, the highest first, has this bit.
fn has_bit(bits: &str, bit: usize) -> bool {
    let word = bits.split_whitespace().rev().nth(bit / 64);
    word.and_then(|word| u64::from_str_radix(word, 16).ok()).is_some_and(|word| word >> (bit % 64) & 1 == 1)
}

#[allow(unsafe_code, reason = "tokio has no safe way in for files it does not know")]
fn on_reactor(file: File) -> io::Result<AsyncFd<File>> {
    // SAFETY: a `File` owns one descriptor, which it neither closes nor exchanges before it is dropped, and the `AsyncFd` owns
    // the `File` and hands out shared references to it only.
    Ok(unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?)
}

#[allow(unsafe_code, reason = "nobody else tells the kernel which clock to use")]
fn set_clock(file: &File) -> nix::Result<()> {
    nix::ioctl_write_ptr!(set_clock_id, b'E', 0xa0, i32);
    let monotonic = nix::libc::CLOCK_MONOTONIC;
    // SAFETY: EVIOCSCLOCKID reads one int, which outlives the call.
    unsafe { set_clock_id(file.as_raw_fd(), &monotonic) }.map(drop)
}

#[allow(unsafe_code, reason = "nobody else asks the kernel which keys are down")]
fn keys_down(file: &File) -> nix::Result<[u8; 96]> {
    nix::ioctl_read_buf!(get_keys, b'E', 0x18, u8);
    let mut bits = [0; 96];
    // SAFETY: EVIOCGKEY writes at most as many bytes as the buffer has.
    unsafe { get_keys(file.as_raw_fd(), &mut bits) }?;
    Ok(bits)
}

/// As in linux/input-event-codes.h: KEY_RECORD and KEY_SELECT, which the boards' device trees use; KEY_POWER, as some cases have a
/// key for starting, is deliberately not one of them.
const CODES: [(u16, Key); 2] = [(167, Key::Start), (353, Key::Select)];
const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const SYN_DROPPED: u16 = 3;
const EVENT: usize = 24;

/// Keys that a test presses.
pub struct Fake {
    edges: mpsc::UnboundedReceiver<Edge>,
}

/// Presses the keys of a [`Fake`]; dropped, they are gone.
#[derive(Clone)]
pub struct Finger {
    edges: mpsc::UnboundedSender<Edge>,
}

impl Fake {
    /// Keys, and the finger for them.
    pub fn new() -> (Self, Finger) {
        let (finger, edges) = mpsc::unbounded_channel();
        (Self { edges }, Finger { edges: finger })
    }
}

impl Finger {
    /// The contact changes.
    pub fn edge(&self, key: Key, down: bool, at: Option<Instant>) {
        // Keys that are gone are pressed in vain.
        let _ = self.edges.send(Edge { key, down, at });
    }
}

impl Keys for Fake {
    async fn next(&mut self) -> io::Result<Edge> {
        self.edges.recv().await.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the keys are gone"))
    }

    fn name(&self) -> String {
        "made up".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_are_read_from_the_right() {
        // KEY_SELECT is 353 = 5 * 64 + 33, KEY_RECORD 167 = 2 * 64 + 39.
        let bits = "200000000 0 0 8000000000 0 0";
        assert!(has_bit(bits, 353) && has_bit(bits, 167));
        assert!(!has_bit(bits, 166) && !has_bit(bits, 0) && !has_bit("", 353));
    }
}
