//! Heat, and the fan against it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{devices, read, write};

/// Every thermometer that the kernel has.
pub struct Thermometers {
    files: Vec<PathBuf>,
}

impl Thermometers {
    /// Finds them below `root`, which is `/sys` on a box.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(root: &Path) -> io::Result<Self> {
        let zones = devices(&root.join("class/thermal")).into_iter().map(|zone| zone.join("temp"));
        let chips = devices(&root.join("class/hwmon")).into_iter().flat_map(|chip| devices(&chip));
        let inputs = chips.filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("temp") && name.ends_with("_input")
        });
        let files: Vec<PathBuf> = zones.chain(inputs).filter(|file| read::<i32>(file).is_ok()).collect();
        if files.is_empty() {
            let why = format!("{}: no thermometer", root.join("class/thermal").display());
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(Self { files })
    }

    /// The hottest place, in thousandths of a degree.
    ///
    /// # Errors
    /// When none can be read any more.
    pub fn hottest(&self) -> io::Result<i32> {
        let hottest = self.files.iter().filter_map(|file| read(file).ok()).max();
        hottest.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no thermometer can be read any more"))
    }

    /// Where they are.
    pub fn name(&self) -> String {
        format!("{} of them", self.files.len())
    }
}

/// A fan that is told how fast to turn.
pub trait Fan: Send {
    /// So fast, in percent.
    ///
    /// # Errors
    /// When it cannot be told.
    fn turn(&mut self, percent: u8) -> io::Result<()>;
    /// Where it is.
    fn name(&self) -> String;
}

/// A fan on a `pwm1` of hwmon. When it is dropped, who turned it before turns it again.
pub struct Pwm {
    folder: PathBuf,
    before: Option<String>,
}

impl Pwm {
    /// The first below `root`, which is `/sys` on a box.
    ///
    /// # Errors
    /// When there is none, or it cannot be taken.
    pub fn take(root: &Path) -> io::Result<Self> {
        let class = root.join("class/hwmon");
        let folder = devices(&class).into_iter().find(|chip| chip.join("pwm1").exists());
        let folder =
            folder.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{}: no fan", class.display())))?;
        let before = read::<String>(&folder.join("pwm1_enable")).ok();
        if before.is_some() {
            write(&folder.join("pwm1_enable"), BY_HAND)?;
        }
        Ok(Self { folder, before })
    }

    /// Gives a fan to the kernel that was taken by one that did not live to give it back.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn give_back(root: &Path) -> io::Result<()> {
        let mut fan = Self::take(root)?;
        // Without anybody to look after it, hot is the safe guess.
        fan.turn(100)?;
        fan.before = fan.before.take().map(|_| BY_KERNEL.into());
        Ok(())
    }
}

impl Fan for Pwm {
    fn turn(&mut self, percent: u8) -> io::Result<()> {
        let value = u32::from(percent.min(100)) * 255 / 100;
        write(&self.folder.join("pwm1"), &value.to_string())
    }

    fn name(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Drop for Pwm {
    fn drop(&mut self) {
        match &self.before {
            Some(before) if before != BY_HAND => {
                let _ = write(&self.folder.join("pwm1_enable"), before);
            }
            // Nobody takes over.
            Some(_) | None => {
                let _ = self.turn(100);
            }
        }
    }
}

/// As in Documentation/hwmon/sysfs-interface.rst.
const BY_HAND: &str = "1";
const BY_KERNEL: &str = "2";

/// A fan that a test listens to. Clones are the same one.
#[derive(Clone, Default)]
pub struct Fake {
    turned: Arc<Mutex<Vec<u8>>>,
}

impl Fake {
    /// What it was told, in order.
    pub fn turned(&self) -> Vec<u8> {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Fan for Fake {
    fn turn(&mut self, percent: u8) -> io::Result<()> {
        self.turned.lock().unwrap_or_else(PoisonError::into_inner).push(percent);
        Ok(())
    }

    fn name(&self) -> String {
        "made up".into()
    }
}
