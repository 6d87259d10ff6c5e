//! Captures and encodes a source and serves its access units.
fn main() {}
