//! Nothing but its manifest: features of dependencies that only tests ask for, asked for always (see `tests/features.rs`).
