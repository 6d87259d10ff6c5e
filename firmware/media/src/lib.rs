//! Access units: reading H.264, H.265, AAC, Opus and MPEG-TS; writing MPEG-TS.
