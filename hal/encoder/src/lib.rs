//! Video encoders: which ones this machine has, and how each behaves.
