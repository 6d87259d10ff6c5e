//! Settings: a TOML file, and flags of the same names over it.
//!
//! The key `latency_ms` of the file is the flag `--latency-ms`. Everything is checked before anything starts, and a
//! refusal names where the value came from: `uplink.toml:7: latency_ms is 50, must be 100 to 10000`.

mod error;
mod rules;
mod source;

pub use error::{Error, Problem};
pub use rules::Rules;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use source::Source;

/// Flags that every service has; `--version` comes from clap's `#[command(version)]`.
#[derive(Clone, Debug, clap::Args)]
pub struct Base {
    /// Settings in TOML; flags win over it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the settings and exit.
    #[arg(long)]
    pub check: bool,
    /// Where the sockets of the services live.
    #[arg(long, value_name = "DIR", default_value = "/run/bondbox")]
    pub run_dir: PathBuf,
    /// What to log: error, warn, info, debug, trace, or by module as in `info,bondbox_bond=debug`.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: String,
}

/// What a service can be set to. Its [`Default`] is what an empty file means.
///
/// Derive `Deserialize` with `#[serde(deny_unknown_fields, default)]`, so that a misspelt key is an error.
pub trait Settings: DeserializeOwned + Default {
    /// Says which values are allowed.
    fn check(&self, rules: &mut Rules<'_>);
}

/// Reads `file`, lays `flags` over it and checks the result.
///
/// A flag that was not given is `None`, `false` or an empty list, and changes nothing.
///
/// # Errors
/// [`Error`] when the file cannot be read, is not TOML, has an unknown key, or a value is not allowed.
pub fn load<S: Settings>(file: Option<&Path>, flags: &impl Serialize) -> Result<S, Error> {
    let source = Source::read(file)?;
    let flags = given(flags);
    let settings: S = source.under(&flags)?;
    let mut rules = Rules::new(&source, &flags);
    settings.check(&mut rules);
    rules.finish()?;
    Ok(settings)
}

/// The flags that were given.
fn given(flags: &impl Serialize) -> toml::Table {
    let mut table = toml::Table::try_from(flags).expect("flags are plain values, which TOML can write");
    table.retain(|_, value| {
        !matches!(value, toml::Value::Boolean(false)) && value.as_array().is_none_or(|list| !list.is_empty())
    });
    table
}

#[cfg(test)]
mod tests;
