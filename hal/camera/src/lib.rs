//! Video capture devices that are cameras, found and described.
