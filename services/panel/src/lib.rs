//! Buttons, lights, battery and fan of a unit, as a service.
//!
//! What presses mean and lights say is decided in `firmware/panel`; in [`service`] its channels are joined to devices and to the
//! other services. [`settings`] is what an operator sets.

mod devices;
mod hands;
mod neighbours;
pub mod service;
pub mod settings;
