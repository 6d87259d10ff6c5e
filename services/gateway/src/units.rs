//! The units that may open sessions: a text file, one `KEY NAME` a line, `#` before what is for people.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use bondbox_bond::PublicKey;

/// The keys in the file at `path`.
///
/// # Errors
/// When it cannot be read, or a line is no key; the error names it.
pub(crate) fn load(path: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

/// Adds a unit to the file at `path`.
///
/// # Errors
/// When the file has the key already, or cannot be read or written.
pub(crate) fn pair(path: &Path, name: &str, key: PublicKey) -> anyhow::Result<()> {
    anyhow::ensure!(
        !name.is_empty() && !name.contains(['\n', '\r', '#']),
        "name is {name:?}, must be one line without #"
    );
    let known = if path.exists() { load(path)? } else { Vec::new() };
    anyhow::ensure!(!known.contains(&key), "{}: {key} is paired already", path.display());
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(path).with_context(|| path.display().to_string())?;
    // One write, so that a gateway that reads meanwhile sees the whole line or none.
    file.write_all(format!("{key} {name}\n").as_bytes()).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> anyhow::Result<Vec<PublicKey>> {
    let lines = text.lines().enumerate();
    let entries = lines.filter_map(|(number, line)| {
        let key = line.split('#').next().unwrap_or("").split_whitespace().next()?;
        Some(key.parse().with_context(|| format!("line {}", number + 1)))
    });
    entries.collect()
}

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
        assert_eq!(load(&path).unwrap(), [key]);
        let refusal = pair(&path, "van 4", key).unwrap_err().to_string();
        assert!(refusal.ends_with("is paired already"), "{refusal}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{KEY} van 3\n"));
    }

    #[test]
    fn comments_are_for_people_and_a_line_that_is_no_key_is_named() {
        let text = format!("# units\n\n{KEY} van 3 # lent to the north\n");
        assert_eq!(parse(&text).unwrap().len(), 1);
        let error = format!("{:#}", parse("# units\nvan 3\n").unwrap_err());
        assert_eq!(error, "line 2: a public key has 64 hexadecimal digits, this has 3 characters: \"van\"");
    }

    #[test]
    fn a_name_cannot_smuggle_a_key_in() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("a\n{KEY}");
        assert!(pair(&folder.path().join("units"), &name, KEY.parse().unwrap()).is_err());
    }
}
