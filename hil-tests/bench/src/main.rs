//! Measures the bond, and its peers, with real processes over emulated links.
fn main() {}
