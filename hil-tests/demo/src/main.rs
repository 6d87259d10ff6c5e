//! Starts the whole product on one machine, without hardware.
fn main() {}
