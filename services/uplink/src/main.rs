//! Sends access units over every link of a unit at once.
fn main() {}
