//! The same on a Raspberry Pi, by `rppal`: it writes the processor's registers, where `gpiocdev` asks the kernel for each change.
//!
//! Its lines are those of the header, and are called as the kernel calls them, GPIO0 to GPIO27. On any other machine opening one
//! is refused.

use std::io;

use bondbox_ipc::panel::{Key, Lights};
use bondbox_units::Instant;
use rppal::gpio::{Event, Gpio, InputPin, Pin, Trigger};
use tokio::sync::mpsc;

use super::Blinker;
use crate::keys::{Edge, Keys};
use crate::leds::Leds;

/// As [`super::Lines`].
pub struct Lines(super::Lines);

impl Lines {
    /// The lines of air, link and power by name; empty for a light that is not there.
    ///
    /// # Errors
    /// When a line is none of a Raspberry Pi's, or this is no Raspberry Pi.
    pub fn open(names: [&str; 3]) -> io::Result<Self> {
        let mut lights = [None, None, None];
        for (light, name) in lights.iter_mut().zip(names).filter(|(_, name)| !name.is_empty()) {
            let mut pin = pin(name)?.into_output_low();
            let set = move |lit| {
                pin.write(if lit { rppal::gpio::Level::High } else { rppal::gpio::Level::Low });
                true
            };
            *light = Some(Blinker::start(name, set)?);
        }
        Ok(Self(super::Lines { lights }))
    }
}

impl Leds for Lines {
    fn show(&mut self, lights: Lights) -> io::Result<()> {
        self.0.show(lights)
    }

    fn name(&self) -> String {
        format!("{} by rppal", self.0.name())
    }
}

/// As [`super::Contacts`].
pub struct Contacts {
    edges: mpsc::Receiver<Edge>,
    /// They bring edges until they are dropped.
    _pins: Vec<InputPin>,
    name: String,
}

impl Contacts {
    /// The lines of start and select by name; empty for a key that is not there.
    ///
    /// # Errors
    /// As [`Lines::open`].
    pub fn open(names: [&str; 2]) -> io::Result<Self> {
        let (told, edges) = mpsc::channel(WAITING);
        let mut pins = Vec::new();
        for (key, name) in [Key::Start, Key::Select].into_iter().zip(names).filter(|(_, name)| !name.is_empty()) {
            let mut pin = pin(name)?.into_input_pullup();
            let told = told.clone();
            // A thread of rppal's own, which may wait until the edge is taken: none is lost. With the contacts it ends.
            let tell = move |event| {
                let _ = told.blocking_send(edge(key, &event));
            };
            pin.set_async_interrupt(Trigger::Both, None, tell).map_err(|error| refused(name, &error))?;
            pins.push(pin);
        }
        if pins.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no line is named"));
        }
        Ok(Self { edges, _pins: pins, name: format!("lines {} by rppal", names.join(" ")) })
    }
}

impl Keys for Contacts {
    async fn next(&mut self) -> io::Result<Edge> {
        let gone = || io::Error::other(format!("{}: nothing comes any more", self.name));
        self.edges.recv().await.ok_or_else(gone)
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// To ground, pulled up: a press is a falling edge. The kernel's time is that of the monotonic clock.
fn edge(key: Key, event: &Event) -> Edge {
    let at = u64::try_from(event.timestamp.as_micros()).map(Instant::from_micros);
    Edge { key, down: event.trigger == Trigger::FallingEdge, at: at.ok() }
}

fn pin(name: &str) -> io::Result<Pin> {
    let number = number(name)?;
    Gpio::new().and_then(|lines| lines.get(number)).map_err(|error| refused(name, &error))
}

fn number(name: &str) -> io::Result<u8> {
    let number = name.strip_prefix("GPIO").and_then(|number| number.parse().ok()).filter(|number| *number <= LAST);
    let none = || format!("line {name}: rppal has GPIO0 to GPIO{LAST} only");
    number.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, none()))
}

fn refused(name: &str, error: &rppal::gpio::Error) -> io::Error {
    let kind = match error {
        rppal::gpio::Error::UnknownModel => io::ErrorKind::Unsupported,
        rppal::gpio::Error::PermissionDenied(_) => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, format!("line {name} by rppal: {error}"))
}

/// Of the header.
const LAST: u8 = 27;
/// More than fingers do before somebody looks.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_called_as_the_kernel_calls_them_and_others_are_refused_by_name() {
        assert_eq!([number("GPIO0").unwrap(), number("GPIO27").unwrap()], [0, 27]);
        for name in ["GPIO28", "GPIO", "17", "start", "GPIO-1", "GPIO256"] {
            let error = number(name).unwrap_err();
            assert_eq!(error.to_string(), format!("line {name}: rppal has GPIO0 to GPIO27 only"));
        }
    }

    #[test]
    fn a_contact_to_ground_is_a_press_with_the_time_of_the_kernel() {
        let event = |trigger| Event { timestamp: Duration::from_nanos(7_000_000_999), seqno: 1, trigger };
        let told = [Trigger::FallingEdge, Trigger::RisingEdge].map(|trigger| edge(Key::Select, &event(trigger)));
        let at = Some(Instant::from_micros(7_000_000));
        assert_eq!(told, [true, false].map(|down| Edge { key: Key::Select, down, at }));
    }

    #[tokio::test]
    async fn keys_whose_lines_are_gone_say_so() {
        let (told, edges) = mpsc::channel(WAITING);
        let mut contacts = Contacts { edges, _pins: Vec::new(), name: "lines GPIO23 by rppal".into() };
        let press = Edge { key: Key::Start, down: true, at: None };
        told.send(press).await.unwrap();
        drop(told);
        assert_eq!(contacts.next().await.unwrap(), press);
        let gone = contacts.next().await.unwrap_err();
        assert!(gone.to_string().contains("GPIO23"), "{gone}");
    }
}
