//! Datagrams that were not taken, by reason. Anyone can send such: they are counted, never logged one by one.

use bondbox_wire::envelope::EnvelopeError;
use bondbox_wire::frame::FrameError;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How many datagrams, or parts of them, were not taken.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Rejected {
            $($(#[$doc])* pub $name: u64),*
        }

        impl Rejected {
            /// All counters with their names.
            pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counters! {
    /// Ended inside a field.
    truncated,
    /// The first byte means nothing.
    unknown_kind,
    /// A handshake of another version of the protocol.
    wrong_version,
    /// A handshake whose offsets contradict each other.
    bad_handshake,
    /// A handshake of a unit whose key is not pinned.
    unknown_unit,
    /// A handshake of a unit whose pairing code lets nobody in, or no more.
    unknown_code,
    /// A handshake with a gateway whose key is not the pinned one, or that does not know the pairing code.
    wrong_gateway,
    /// A handshake at whose end the gateway said that it does not let this unit in.
    refused,
    /// A handshake that failed otherwise.
    failed_handshake,
    /// A handshake that found no room, answered with a cookie.
    cookie_asked,
    /// A handshake that found no room though its cookie held: too many others did, or too many of its address.
    half_open_full,
    /// An answer to someone unproven that would have been more than thrice what came from there.
    amplification,
    /// A unit opened so many sessions that its oldest had to go.
    too_many_sessions,
    /// No session or path has this index.
    unknown_index,
    /// The tag did not hold: forged, damaged, or of another session.
    bad_tag,
    /// A packet number that was seen before, or is too old to tell.
    replayed,
    /// A frame that ends inside a field.
    truncated_frame,
    /// A frame with a value that cannot be.
    bad_frame,
    /// A frame of a kind that this build does not know.
    unknown_frame,
    /// A path opened towards a unit, or more paths than a session may have.
    unexpected_join,
    /// A reset for an index that is not ours.
    stray_reset,
    /// A message that is not what its first piece said, or of another life of its sender.
    bad_message,
    /// Media too far from what is due, or more than a session may hold.
    out_of_bounds,
}

impl Rejected {
    pub(crate) const fn on_envelope_error(&mut self, error: EnvelopeError) {
        let counter = match error {
            EnvelopeError::Truncated => &mut self.truncated,
            EnvelopeError::Kind(_) => &mut self.unknown_kind,
            EnvelopeError::Version(_) => &mut self.wrong_version,
            EnvelopeError::Handshake => &mut self.bad_handshake,
        };
        *counter += 1;
    }

    pub(crate) const fn on_frame_error(&mut self, error: FrameError) {
        let counter = match error {
            FrameError::Truncated { .. } => &mut self.truncated_frame,
            FrameError::Value { .. } => &mut self.bad_frame,
        };
        *counter += 1;
    }
}
