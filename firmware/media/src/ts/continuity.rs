//! The continuity counter of one PID (§2.4.3.3).

use super::packet::Packet;

/// Follows the counter. A gap of a multiple of 16 packets looks like none: the counter has four bits.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    counter: Option<u8>,
    payload: alloc::vec::Vec<u8>,
}

/// How a packet follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It is the next one, or the first.
    Next,
    /// It is the last one once more.
    Repeat,
    /// Something between them is missing.
    Gap,
}

impl Continuity {
    /// Takes in a packet that has payload.
    pub(super) fn check(&mut self, packet: &Packet<'_>) -> Order {
        let order = match self.counter {
            None => Order::Next,
            Some(last) if packet.counter == (last + 1) & 0xf => Order::Next,
            // A repeat is the same to the byte, but for the clock reference.
            Some(last) if packet.counter == last && packet.payload == self.payload => Order::Repeat,
            Some(_) => Order::Gap,
        };
        self.counter = Some(packet.counter);
        self.payload.clear();
        self.payload.extend_from_slice(packet.payload);
        order
    }
}
