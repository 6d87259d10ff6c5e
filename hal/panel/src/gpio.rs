//! Raw lines, by their name, for what no device tree describes: here by `gpiocdev`, which asks the kernel, on any board; in [`pi`]
//! by `rppal`, on a Raspberry Pi.

pub mod pi;

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bondbox_ipc::panel::{Key, Light, Lights};
use bondbox_units::Instant;
use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use gpiocdev::tokio::AsyncRequest;

use crate::keys::{Edge, Keys};
use crate::leds::Leds;

/// Lights on raw lines, high when lit. What blinks is blinked by a thread each, which sleeps while nothing does.
pub struct Lines {
    lights: [Option<Blinker>; 3],
}

impl Lines {
    /// The lines of air, link and power by name; empty for a light that is not there.
    ///
    /// # Errors
    /// When a line is not there, or somebody else has it.
    pub fn open(names: [&str; 3]) -> io::Result<Self> {
        let mut lights = [None, None, None];
        for (light, name) in lights.iter_mut().zip(names).filter(|(_, name)| !name.is_empty()) {
            let line = find(name)?;
            let request = Request::builder()
                .on_chip(&line.chip)
                .with_consumer("bondbox-panel")
                .with_line(line.info.offset)
                .as_output(Value::Inactive)
                .request()
                .map_err(|error| io::Error::other(format!("line {name}: {error}")))?;
            let offset = line.info.offset;
            let set = move |lit| request.set_value(offset, if lit { Value::Active } else { Value::Inactive }).is_ok();
            *light = Some(Blinker::start(name, set)?);
        }
        Ok(Self { lights })
    }
}

impl Leds for Lines {
    fn show(&mut self, lights: Lights) -> io::Result<()> {
        for (blinker, light) in self.lights.iter().zip([lights.air, lights.link, lights.power]) {
            if let Some(blinker) = blinker {
                blinker.show.send(light).map_err(|_| io::Error::other(format!("line {} is lost", blinker.name)))?;
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        let names = self.lights.iter().flatten().map(|blinker| blinker.name.as_str());
        format!("lines {}", names.collect::<Vec<_>>().join(" "))
    }
}

struct Blinker {
    name: String,
    show: mpsc::Sender<Light>,
}

impl Blinker {
    /// `set` sets the line, and says whether that went well.
    fn start(name: &str, set: impl FnMut(bool) -> bool + Send + 'static) -> io::Result<Self> {
        let (show, shown) = mpsc::channel();
        thread::Builder::new().name(format!("light {name}")).spawn(move || blink(&shown, set))?;
        Ok(Self { name: name.into(), show })
    }
}

/// Until nobody shows anything any more, or the line is lost.
fn blink(shown: &mpsc::Receiver<Light>, mut set: impl FnMut(bool) -> bool) {
    let mut light = Light::Dark;
    let mut lit = false;
    loop {
        let next = match light {
            Light::Dark | Light::Lit => {
                if !set(light == Light::Lit) {
                    return;
                }
                shown.recv().ok()
            }
            Light::Blink { on_ms, off_ms } => {
                lit = !lit;
                if !set(lit) {
                    return;
                }
                let long = Duration::from_millis(u64::from(if lit { on_ms } else { off_ms }).max(1));
                match shown.recv_timeout(long) {
                    Ok(next) => Some(next),
                    Err(mpsc::RecvTimeoutError::Timeout) => Some(light),
                    Err(mpsc::RecvTimeoutError::Disconnected) => None,
                }
            }
        };
        let Some(next) = next else { return };
        light = next;
    }
}

/// Keys on raw lines, to ground, pulled up.
pub struct Contacts {
    request: AsyncRequest,
    offsets: [Option<u32>; 2],
    name: String,
}

impl Contacts {
    /// The lines of start and select by name, both on one chip; empty for a key that is not there.
    ///
    /// # Errors
    /// As [`Lines::open`].
    pub fn open(names: [&str; 2]) -> io::Result<Self> {
        let mut offsets = [None, None];
        let mut chip = None;
        for (offset, name) in offsets.iter_mut().zip(names).filter(|(_, name)| !name.is_empty()) {
            let line = find(name)?;
            *offset = Some(line.info.offset);
            chip = Some(line.chip);
        }
        let chip = chip.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no line is named"))?;
        let lines: Vec<u32> = offsets.iter().flatten().copied().collect();
        let request = Request::builder()
            .on_chip(&chip)
            .with_consumer("bondbox-panel")
            .with_lines(&lines)
            .as_input()
            .as_active_low()
            .with_bias(Bias::PullUp)
            // With the kernel's time, of the monotonic clock.
            .with_edge_detection(EdgeDetection::BothEdges)
            .request()
            .map_err(|error| io::Error::other(format!("lines {names:?}: {error}")))?;
        Ok(Self { request: AsyncRequest::new(request), offsets, name: format!("lines {}", names.join(" ")) })
    }
}

impl Keys for Contacts {
    async fn next(&mut self) -> io::Result<Edge> {
        loop {
            let event = self.request.read_edge_event().await.map_err(io::Error::other)?;
            let key =
                [Key::Start, Key::Select].into_iter().find(|key| self.offsets[*key as usize] == Some(event.offset));
            if let Some(key) = key {
                let at = Some(Instant::from_micros(event.timestamp_ns / 1_000));
                return Ok(Edge { key, down: event.kind == EdgeKind::Rising, at });
            }
        }
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

fn find(name: &str) -> io::Result<gpiocdev::FoundLine> {
    gpiocdev::find_named_line(name)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no line is called {name}")))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn what_blinks_goes_on_until_told_otherwise_and_ends_with_its_owner() {
        let (show, shown) = mpsc::channel();
        let sets = Arc::new(Mutex::new(Vec::new()));
        let seen = sets.clone();
        let blinker = thread::spawn(move || {
            blink(&shown, |lit| {
                seen.lock().unwrap().push(lit);
                true
            });
        });
        show.send(Light::Blink { on_ms: 1, off_ms: 1 }).unwrap();
        while sets.lock().unwrap().len() < 7 {
            thread::yield_now();
        }
        show.send(Light::Lit).unwrap();
        drop(show);
        blinker.join().unwrap();
        let sets = sets.lock().unwrap();
        assert_eq!((sets[0], &sets[1..5], sets[sets.len() - 1]), (false, &[true, false, true, false][..], true));
    }
}
