//! Lines for whoever started the demonstration.

use std::fmt::Display;
use std::io::Write;

/// A line about what happens, to standard error. A console that has gone is no reason to end.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Text that was asked for, to standard output.
pub(crate) fn show(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
