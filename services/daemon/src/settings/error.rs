//! Why settings are refused.

use std::fmt;
use std::path::PathBuf;

/// Why settings are refused; shown to whoever wrote them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something is written that cannot be; all of it, not only the first.
    #[error("{}", lines(problems))]
    Refused {
        /// At least one.
        problems: Vec<Problem>,
    },
}

/// One thing that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `uplink.toml:7: `, or nothing where the value came from no file.
    pub(super) place: String,
    /// What is wrong, and what would be right.
    pub(super) text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.text)
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
