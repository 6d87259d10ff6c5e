//! What outlives the sessions of a link.

use bondbox_wire::frame::{LinkState, MAX_LINK_NAME};

use super::radio::Radio;

/// What people call a link.
pub type LinkName = heapless::String<MAX_LINK_NAME>;

/// As much of `name` as a link may have.
pub(crate) fn name_of(name: &str) -> LinkName {
    name[..name.floor_char_boundary(MAX_LINK_NAME)].parse().unwrap_or_default()
}

/// A link as configured, with its counters.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: LinkName,
    /// As last told by an event.
    pub(crate) state: LinkState,
    pub(crate) packets_sent: u64,
    pub(crate) packets_delivered: u64,
    pub(crate) packets_lost: u64,
    pub(crate) bytes_sent: u64,
    /// Media bytes that went over it for the second time.
    pub(crate) bytes_repaired: u64,
    /// What its radio said last.
    pub(crate) radio: Option<Radio>,
}

impl Link {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name_of(name),
            state: LinkState::Joining,
            packets_sent: 0,
            packets_delivered: 0,
            packets_lost: 0,
            bytes_sent: 0,
            bytes_repaired: 0,
            radio: None,
        }
    }

    pub(crate) const fn on_sent(&mut self, len: usize) {
        self.packets_sent += 1;
        self.bytes_sent += len as u64;
    }
}
