//! What all Bondbox services share: settings, logs, readiness, watchdog, sockets.
