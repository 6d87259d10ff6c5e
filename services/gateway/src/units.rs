//! The units that may open sessions: a text file, one `KEY NAME` a line, `#` before what is for people.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use bondbox_bond::PublicKey;
use bondbox_daemon::disk;
use serde::{Serialize, Serializer};

/// A unit that may open sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Unit {
    #[serde(serialize_with = "as_text")]
    pub(crate) key: PublicKey,
    /// For people; may be empty.
    pub(crate) name: String,
}

/// The units in the file at `path`.
///
/// # Errors
/// When it cannot be read, or a line is no key; the error names it.
pub(crate) fn load(path: &Path) -> anyhow::Result<Vec<Unit>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Adds a unit to the file at `path`.
///
/// # Errors
/// When the file has the key already, or cannot be read or written.
pub(crate) fn pair(path: &Path, name: &str, key: PublicKey) -> anyhow::Result<()> {
    check_name(name)?;
    let known = if path.exists() { load(path)? } else { Vec::new() };
    anyhow::ensure!(known.iter().all(|unit| unit.key != key), "{}: {key} is paired already", path.display());
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).with_context(|| path.display().to_string())?;
    // One write, so that a gateway that reads meanwhile sees the whole line or none.
    file.write_all(format!("{key} {name}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| path.display().to_string())
}

/// Takes a unit out of the file at `path`; whether it was there. The other lines stay as they are.
///
/// # Errors
/// When the file cannot be read or written, or a line is no key.
pub(crate) fn remove(path: &Path, key: PublicKey) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    if parse(&text).with_context(|| path.display().to_string())?.iter().all(|unit| unit.key != key) {
        return Ok(false);
    }
    let of_it = |line: &str| parse(line).is_ok_and(|units| units.iter().any(|unit| unit.key == key));
    let rest: String = text.split_inclusive('\n').filter(|line| !of_it(line)).collect();
    disk::put(path, rest.as_bytes()).with_context(|| path.display().to_string())?;
    Ok(true)
}

/// # Errors
/// When a unit cannot be called so.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let ok = !name.trim().is_empty() && name.len() <= MAX_NAME && !name.contains(|c: char| c.is_control() || c == '#');
    anyhow::ensure!(ok, "name is {name:?}, must be one line of 1 to {MAX_NAME} bytes without #");
    Ok(())
}

fn parse(text: &str) -> anyhow::Result<Vec<Unit>> {
    let lines = text.lines().enumerate();
    let entries = lines.filter_map(|(number, line)| {
        let said = line.split('#').next().unwrap_or("").trim();
        let (key, name) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        let key = (!key.is_empty()).then(|| key.parse().with_context(|| format!("line {}", number + 1)))?;
        Some(key.map(|key| Unit { key, name: name.trim().into() }))
    });
    entries.collect()
}

fn as_text<S: Serializer>(key: &PublicKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}

const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn a_paired_unit_is_in_the_file_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("units");
        let key: PublicKey = KEY.parse().unwrap();
        pair(&path, "van 3", key).unwrap();
        assert_eq!(load(&path).unwrap(), [Unit { key, name: "van 3".into() }]);
        let refusal = pair(&path, "van 4", key).unwrap_err().to_string();
        assert!(refusal.ends_with("is paired already"), "{refusal}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{KEY} van 3\n"));
    }

    #[test]
    fn a_unit_that_is_taken_out_leaves_the_others_and_the_comments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("units");
        let key: PublicKey = KEY.parse().unwrap();
        let other = KEY.replace("00112233", "ffeeddcc");
        std::fs::write(&path, format!("# ours\n{KEY} van 3 # old\n\n{other}\n{KEY}")).unwrap();
        assert!(remove(&path, key).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("# ours\n\n{other}\n"));
        assert!(!remove(&path, key).unwrap());
    }

    #[test]
    fn comments_are_for_people_and_a_line_that_is_no_key_is_named() {
        let text = format!("# units\n\n{KEY} van 3 # lent to the north\n");
        assert_eq!(parse(&text).unwrap()[0].name, "van 3");
        let error = format!("{:#}", parse("# units\nvan 3\n").unwrap_err());
        assert_eq!(error, "line 2: a public key has 64 hexadecimal digits, this has 3 characters: \"van\"");
    }

    #[test]
    fn a_name_cannot_smuggle_a_key_in() {
        let folder = tempfile::tempdir().unwrap();
        for name in [format!("a\n{KEY}"), String::new(), " ".into(), "a#b".into(), "x".repeat(65)] {
            assert!(pair(&folder.path().join("units"), &name, KEY.parse().unwrap()).is_err(), "{name:?}");
        }
    }
}
