//! The file, and where in it things stand.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::error::{Error, Problem};

/// A settings file as text, or none.
pub(super) struct Source {
    path: Option<PathBuf>,
    text: String,
}

impl Source {
    pub(super) fn read(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self { path: None, text: String::new() }) };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { path: Some(path.to_path_buf()), text }),
            Err(source) => Err(Error::Unreadable { path: path.to_path_buf(), source }),
        }
    }

    /// The settings in the file with `flags` laid over them.
    pub(super) fn under<S: DeserializeOwned>(&self, flags: &toml::Table) -> Result<S, Error> {
        // First from the text alone, since only text has lines to name.
        toml::from_str::<S>(&self.text).map_err(|error| self.explain(&error))?;
        let mut table: toml::Table = toml::from_str(&self.text).map_err(|error| self.explain(&error))?;
        table.extend(flags.clone());
        table.try_into().map_err(|error: toml::de::Error| refused(String::new(), format!("flags: {}", error.message())))
    }

    /// `uplink.toml:7: ` where `key` stands, `uplink.toml: ` where it does not.
    pub(super) fn place_of(&self, key: &str) -> String {
        let found = DeTable::parse(&self.text).ok().and_then(|table| find_key(table.get_ref(), key));
        self.place(found)
    }

    /// `uplink.toml:7: ` for a position in the text.
    pub(super) fn place(&self, position: Option<usize>) -> String {
        match (&self.path, position) {
            (None, _) => String::new(),
            (Some(path), None) => format!("{}: ", path.display()),
            (Some(path), Some(position)) => format!("{}:{}: ", path.display(), self.line(position)),
        }
    }

    fn line(&self, position: usize) -> usize {
        let before = &self.text.as_bytes()[..position.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Adds file, line, key and value to what the parser says.
    fn explain(&self, error: &toml::de::Error) -> Error {
        let span = error.span();
        let entry = span.clone().and_then(|span| {
            let table = DeTable::parse(&self.text).ok()?;
            find_value(table.get_ref(), "", &span)
        });
        let place = self.place(span.map(|span| span.start));
        match entry {
            Some((key, value)) => refused(place, format!("{key} is {}: {}", &self.text[value], error.message())),
            None => refused(place, error.message().to_string()),
        }
    }
}

fn refused(place: String, text: String) -> Error {
    // The parser's messages may run over several lines; a refusal is one.
    Error::Refused { problems: vec![Problem { place, text: text.replace('\n', ", ") }] }
}

/// Where the dotted `key` stands.
fn find_key(table: &DeTable<'_>, key: &str) -> Option<usize> {
    let (head, rest) = key.split_once('.').map_or((key, None), |(head, rest)| (head, Some(rest)));
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == head)?;
    match (rest, value.get_ref()) {
        (None, _) => Some(name.span().start),
        (Some(rest), DeValue::Table(inner)) => find_key(inner, rest),
        (Some(_), _) => None,
    }
}

/// The innermost entry whose value holds `span`, as its dotted key and where its value stands.
fn find_value(table: &DeTable<'_>, prefix: &str, span: &Range<usize>) -> Option<(String, Range<usize>)> {
    table.iter().find_map(|(name, value)| {
        let key = format!("{prefix}{}", name.get_ref());
        let range = value.span();
        match value.get_ref() {
            DeValue::Table(inner) => find_value(inner, &format!("{key}."), span),
            _ => (range.start <= span.start && span.end <= range.end).then_some((key, range)),
        }
    })
}
