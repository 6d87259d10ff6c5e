//! Lights.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bondbox_ipc::panel::{Light, Lights};

use crate::{devices, read, write};

/// The three lights of a panel.
pub trait Leds: Send {
    /// Shows this until told otherwise. What blinks goes on blinking without anybody's help.
    ///
    /// # Errors
    /// Says which light could not be set; the others are.
    fn show(&mut self, lights: Lights) -> io::Result<()>;
    /// Where they are.
    fn name(&self) -> String;
}

/// Lights of the kernel's `leds` class, called `COLOUR:air`, `COLOUR:link` and `COLOUR:power`.
pub struct Sysfs {
    lights: [Option<Led>; 3],
}

struct Led {
    folder: PathBuf,
    shown: Option<Light>,
}

impl Sysfs {
    /// Finds them below `root`, which is `/sys` on a box.
    ///
    /// # Errors
    /// When there is none; a panel with some of them is a panel.
    pub fn find(root: &Path) -> io::Result<Self> {
        let class = root.join("class/leds");
        let found = devices(&class);
        let lights = ["air", "link", "power"].map(|function| {
            let of_function = |path: &&PathBuf| {
                path.file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| name.ends_with(&format!(":{function}")))
            };
            let folder = found.iter().find(of_function)?.clone();
            Some(Led { folder, shown: None })
        });
        if lights.iter().all(Option::is_none) {
            let why = format!("{}: no light is called …:air, …:link or …:power", class.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(Self { lights })
    }
}

impl Leds for Sysfs {
    fn show(&mut self, lights: Lights) -> io::Result<()> {
        let mut result = Ok(());
        for (led, light) in self.lights.iter_mut().zip([lights.air, lights.link, lights.power]) {
            if let Some(led) = led
                && let Err(error) = led.show(light)
            {
                result = Err(error);
            }
        }
        result
    }

    fn name(&self) -> String {
        let names = self.lights.iter().flatten().filter_map(|led| led.folder.file_name());
        names.map(|name| name.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

impl Led {
    fn show(&mut self, light: Light) -> io::Result<()> {
        if self.shown == Some(light) {
            return Ok(());
        }
        // Until it is known to be so, nothing is known.
        self.shown = None;
        let trigger = self.folder.join("trigger");
        let now: String = read(&trigger)?;
        if now != "timer" && !now.contains("[timer]") {
            write(&trigger, "timer")?;
        }
        for (file, ms) in delays(light) {
            write(&self.folder.join(file), &ms.to_string())?;
        }
        self.shown = Some(light);
        Ok(())
    }
}

/// What to write, in this order.
///
/// All is said by the timer's two delays, also what does not blink (drivers/leds/led-core.c: with no delay off it is never off). Its
/// files are made anew, and root's, each time that it is chosen, and brightness 0 unchooses it: so it stays chosen. Both at 0 would
/// mean half a second each, so the one that is not 0 comes first.
fn delays(light: Light) -> [(&'static str, u16); 2] {
    match light {
        Light::Dark => [("delay_off", STEADY), ("delay_on", 0)],
        Light::Lit => [("delay_on", STEADY), ("delay_off", 0)],
        Light::Blink { on_ms, off_ms } => [("delay_on", on_ms.max(1)), ("delay_off", off_ms.max(1))],
    }
}

const STEADY: u16 = 1_000;

/// Lights that a test looks at. Clones are the same lights.
#[derive(Clone, Default)]
pub struct Fake {
    shown: Arc<Mutex<Vec<Lights>>>,
}

impl Fake {
    /// All that was shown, in order.
    pub fn shown(&self) -> Vec<Lights> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Leds for Fake {
    fn show(&mut self, lights: Lights) -> io::Result<()> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push(lights);
        Ok(())
    }

    fn name(&self) -> String {
        "made up".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_the_way_from_any_light_to_any_other_the_delays_are_never_both_zero() {
        let lights = [Light::Dark, Light::Lit, Light::Blink { on_ms: 50, off_ms: 50 }];
        for before in lights {
            for after in lights {
                let mut now = std::collections::HashMap::from(delays(before));
                for (file, ms) in delays(after) {
                    now.insert(file, ms);
                    assert!(now.values().any(|ms| *ms > 0), "{before:?} to {after:?}");
                }
            }
        }
    }
}
