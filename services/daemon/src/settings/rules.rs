//! What values are allowed.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::error::{Error, Problem};
use super::source::Source;

/// Collects what is not allowed. Keys in tables are written with dots: `radio.band`.
pub struct Rules<'a> {
    source: &'a Source,
    flags: &'a toml::Table,
    problems: Vec<Problem>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(source: &'a Source, flags: &'a toml::Table) -> Self {
        Self { source, flags, problems: Vec::new() }
    }

    /// `value` has to lie in `range`.
    pub fn range<T: PartialOrd + Display>(&mut self, key: &str, value: T, range: RangeInclusive<T>) {
        if !range.contains(&value) {
            let (low, high) = range.into_inner();
            self.refuse(key, value, format_args!("{low} to {high}"));
        }
    }

    /// `ok` has to hold; if not, the refusal reads `KEY is VALUE, must be MUST_BE`.
    pub fn holds(&mut self, key: &str, ok: bool, value: impl Display, must_be: impl Display) {
        if !ok {
            self.refuse(key, value, must_be);
        }
    }

    /// The key has no default and has to be given.
    pub fn given(&mut self, key: &str, given: bool) {
        if !given {
            let place = self.source.place(None);
            self.problems.push(Problem { place, text: format!("{key} is missing: set it there or by {}", flag(key)) });
        }
    }

    pub(super) fn finish(self) -> Result<(), Error> {
        if self.problems.is_empty() { Ok(()) } else { Err(Error::Refused { problems: self.problems }) }
    }

    fn refuse(&mut self, key: &str, value: impl Display, must_be: impl Display) {
        let (place, name) = if self.flags.contains_key(key) {
            (String::new(), flag(key))
        } else {
            (self.source.place_of(key), key.to_string())
        };
        self.problems.push(Problem { place, text: format!("{name} is {value}, must be {must_be}") });
    }
}

fn flag(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}
