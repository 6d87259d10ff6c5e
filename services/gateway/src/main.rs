//! Puts the streams of many units together again and hands them on.
fn main() {}
