//! What an operator said of ports and SIMs, and what outlives a restart.
//!
//! One file, written whole beside the old one and renamed over it, so that a power cut leaves one or the other.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use bondbox_daemon::disk;
use bondbox_ipc::modems::IpFamily;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// By port, and by `PORT ICCID` where a SIM was in it.
    pub places: BTreeMap<String, Place>,
    /// By ICCID.
    pub sims: BTreeMap<String, Sim>,
}

/// What is plugged in there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The operator's name of it.
    pub label: Option<String>,
    /// The operator's colour of it.
    pub colour: Option<[u8; 3]>,
    /// What it may be used for.
    pub usage: Usage,
    /// Of the SIM in it.
    pub pin: Option<String>,
    /// What its modem is connected with.
    pub access: Access,
}

/// As `bondbox_ipc::modems::Access`, in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Access {
    /// The access point; empty, it is the network's choice.
    pub apn: String,
    /// Its user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// In other networks than its own, too.
    pub roaming: bool,
    /// The addresses that are asked for; `None` for whatever the network takes.
    pub family: Option<IpFamily>,
}

/// As `bondbox_ipc::modems::Usage`, in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Not used.
    pub off: bool,
    /// It never carries more.
    pub cap_bps: Option<u64>,
    /// 0 to 7.
    pub cost: u8,
    /// Only when the others would be late.
    pub backup: bool,
    /// Mark of its packets.
    pub dscp: Option<u8>,
}

/// What is said of a SIM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sim {
    /// Bytes a month, and the day that it begins.
    pub plan: Option<(u64, u8)>,
}

impl Kept {
    /// What was said of a port with this SIM in it, or of the port.
    pub fn place(&self, port: &str, iccid: Option<&str>) -> Option<&Place> {
        let with_sim = iccid.and_then(|iccid| self.places.get(&format!("{port} {iccid}")));
        with_sim.or_else(|| self.places.get(port))
    }

    /// The same, to be changed. A SIM that comes into a port takes over what was said of the port.
    pub fn place_mut(&mut self, port: &str, iccid: Option<&str>) -> &mut Place {
        let of_port = self.places.get(port).cloned();
        let key = iccid.map_or_else(|| port.to_owned(), |iccid| format!("{port} {iccid}"));
        self.places.entry(key).or_insert_with(|| of_port.unwrap_or_default())
    }
}

/// What a file holds; nothing where there is none. One that cannot be read counts as none, and is named in `unreadable`: a box
/// goes on the air without its names, too.
pub fn read<T: DeserializeOwned>(path: &Path, unreadable: &mut Vec<String>) -> Option<T> {
    let why = match fs::read(path) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(value) => return Some(value),
            Err(error) => error.to_string(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => error.to_string(),
    };
    unreadable.push(format!("{} cannot be read, and is made anew: {why}", path.display()));
    None
}

/// Puts it there, on the medium where that is `lasting`.
///
/// # Errors
/// When there is no room, or no right.
pub fn write(path: &Path, value: &impl Serialize, lasting: bool) -> io::Result<()> {
    let put = if lasting { disk::put } else { disk::put_passing };
    put(path, &serde_json::to_vec(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_for_the_port_and_for_each_sim_in_it() {
        let mut kept = Kept::default();
        kept.place_mut("usb1-1", None).label = Some("left".into());
        let with_sim = kept.place_mut("usb1-1", Some("8949"));
        assert_eq!(with_sim.label.as_deref(), Some("left"));
        with_sim.label = Some("left, red SIM".into());
        let label = |iccid| kept.place("usb1-1", iccid).and_then(|place| place.label.as_deref());
        assert_eq!(label(Some("8949")), Some("left, red SIM"));
        assert_eq!(label(Some("8950")), Some("left"));
        assert_eq!(label(None), Some("left"));
        assert_eq!(kept.place("usb1-2", None), None);
    }

    #[test]
    fn what_was_written_is_read_and_a_broken_file_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        let mut unreadable = Vec::new();
        assert_eq!(read::<Kept>(&path, &mut unreadable), None);
        let mut kept = Kept::default();
        kept.place_mut("usb1-1", None).colour = Some([1, 2, 3]);
        write(&path, &kept, true).unwrap();
        assert_eq!(read::<Kept>(&path, &mut unreadable), Some(kept));
        assert_eq!(unreadable, Vec::<String>::new(), "that there is none is nothing to be told");
        for broken in ["{\"places\":", "", "\0\0\0"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(read::<Kept>(&path, &mut unreadable), None);
            let told = unreadable.pop().unwrap();
            assert!(told.contains("kept.json cannot be read, and is made anew: "), "{told}");
        }
    }
}
