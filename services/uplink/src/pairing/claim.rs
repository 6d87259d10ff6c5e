//! The code on the unit's label: made when the unit is, kept as its secret in the factory record, never changed after.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bondbox_bond::{PairingCode, PairingSecret};
use bondbox_daemon::disk;
use clap::Args;

/// Makes the code for the unit's label, and prints it; what the unit keeps of it goes into its factory record.
#[derive(Args)]
pub struct ClaimCommand {
    /// The factory record, a TOML file; made where there is none. What else it says stays.
    #[arg(long, value_name = "FILE", default_value = "/state/factory")]
    factory: PathBuf,
    /// Replace a code that is there: the label has to be replaced, too.
    #[arg(long)]
    force: bool,
}

impl ClaimCommand {
    /// Does it.
    ///
    /// # Errors
    /// When the record has a code already, or cannot be read or written.
    pub fn run(&self) -> anyhow::Result<PairingCode> {
        let path = self.factory.display();
        let mut record = record(&self.factory)?;
        anyhow::ensure!(
            self.force || !record.contains_key(CLAIM),
            "{path}: a code is there already, --force replaces it"
        );
        let code = PairingCode::generate();
        record.insert(CLAIM.into(), code.secret().to_text().to_string().into());
        disk::put(&self.factory, toml::to_string(&record)?.as_bytes()).with_context(|| path.to_string())?;
        Ok(code)
    }
}

/// What the unit knows of its code; `None` where it has none.
///
/// # Errors
/// When the record cannot be read, or has something else in its place.
pub(super) fn read(factory: &Path) -> anyhow::Result<Option<PairingSecret>> {
    let record = record(factory)?;
    let Some(claim) = record.get(CLAIM) else { return Ok(None) };
    let secret = claim.as_str().and_then(|text| text.parse().ok());
    Ok(Some(secret.with_context(|| format!("{}: {CLAIM} must be 64 hexadecimal digits", factory.display()))?))
}

fn record(path: &Path) -> anyhow::Result<toml::Table> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(toml::Table::new()),
        // What is wrong with it is not said: a secret may stand there.
        text => text.map_err(anyhow::Error::from).and_then(|text| text.parse().ok().context("it is no TOML")),
    }
    .with_context(|| path.display().to_string())
}

const CLAIM: &str = "claim";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_has_what_the_record_knows_and_the_rest_of_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let factory = folder.path().join("factory");
        assert_eq!(read(&factory).unwrap(), None);
        fs::write(&factory, "serial = 17\n").unwrap();
        assert_eq!(read(&factory).unwrap(), None);
        let mut claim = ClaimCommand { factory: factory.clone(), force: false };
        let code = claim.run().unwrap();
        assert_eq!(read(&factory).unwrap(), Some(code.secret()));
        let text = fs::read_to_string(&factory).unwrap();
        assert!(text.contains("serial = 17") && !text.contains(&code.to_string()), "{text}");
        let refusal = claim.run().unwrap_err().to_string();
        assert!(refusal.ends_with("factory: a code is there already, --force replaces it"), "{refusal}");
        claim.force = true;
        assert_ne!(claim.run().unwrap(), code);
    }

    #[test]
    fn a_record_that_makes_no_sense_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let factory = folder.path().join("factory");
        for (text, expected) in [("claim = \"secret", "factory: it is no TOML"), ("claim = 1", "64 hexadecimal digits")]
        {
            fs::write(&factory, text).unwrap();
            let error = format!("{:#}", read(&factory).unwrap_err());
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }
}
