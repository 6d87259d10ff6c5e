//! The TLS handshake over datagrams that get lost.
//!
//! Each direction is a stream of TLS bytes. The unit drives: it sends its unacknowledged bytes, or an empty piece when it
//! has none, on all links at growing intervals; the gateway answers each datagram with the bytes that the unit has not
//! acknowledged, on the way that the datagram came. So the gateway needs no timer and never sends more than it was sent.
//! A gateway that is asked by too many answers with a cookie instead, and keeps nothing until that comes back.

mod gateway;
mod no_session;
mod params;
mod refusal;
mod stream;
mod unit;

pub(crate) use gateway::{Accepted, GatewayHandshake, HandshakeRefused};
pub use no_session::NoSession;
pub use params::is_stream_name;
pub(crate) use params::{GatewayParams, MAX_LATENCY, UnitParams};
pub(crate) use refusal::open as open_refusal;
#[cfg(test)]
pub(crate) use refusal::seal as seal_refusal;
#[cfg(test)]
pub(crate) use tests::shaken;
pub(crate) use unit::{Expected, Step, UnitHandshake};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bondbox_units::{Instant, LinkId};
    use bondbox_wire::Writer;
    use bondbox_wire::envelope::Envelope;
    use bondbox_wire::handshake::Handshake;

    use super::*;
    use crate::crypto::{GatewayTls, Identity, SessionKeys};

    const LINK: LinkId = LinkId(0);

    /// Reads one datagram of `write` with `read`.
    fn carry<T>(write: impl FnOnce(&mut Writer<'_>), read: impl FnOnce(&Handshake<'_>) -> T) -> T {
        let mut buffer = [0; bondbox_wire::handshake::MAX_DATAGRAM];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let Ok(Envelope::Handshake(datagram)) = Envelope::decode(writer.written()) else { panic!("no handshake") };
        read(&datagram)
    }

    /// A handshake in which each datagram that `lost` names, counted over both ways, does not arrive.
    fn shake(lost: impl Fn(usize) -> bool) -> (SessionKeys, SessionKeys) {
        let (unit, gateway) = (Identity::generate(), Identity::generate());
        let tls = GatewayTls::new(&gateway, [unit.public()]);
        let params = UnitParams {
            stream: "cam".into(),
            latency: Duration::from_millis(600),
            return_latency: Duration::ZERO,
            life: [1; 8],
            pairing: None,
        };
        let answer = GatewayParams { session_index: 5, latency: None, pairing: vec![] };
        let mut client = UnitHandshake::new(Instant::ZERO, [7; 8], &unit, Expected::Key(gateway.public()), &params);
        let mut server = GatewayHandshake::new([7; 8], &tls, answer.clone());
        let (mut keys, mut accepted, mut count) = (None, None, 0);
        for round in 0..40 {
            let now = Instant::from_millis(round * 1_000);
            for piece in client.send(now) {
                count += 1;
                if lost(count) {
                    continue;
                }
                let result =
                    carry(|out| client.encode(LINK, piece, out).unwrap(), |datagram| server.handle(&tls, datagram));
                accepted = accepted.or(result.unwrap());
                for piece in server.answer() {
                    count += 1;
                    if lost(count) {
                        continue;
                    }
                    let result =
                        carry(|out| server.encode(piece, out).unwrap(), |datagram| client.handle(now, LINK, datagram));
                    if let Step::Proven(proven) = result.unwrap() {
                        keys = Some(*proven);
                    }
                }
            }
            if keys.is_some() && accepted.is_some() {
                break;
            }
        }
        let (keys, params) = keys.expect("the gateway has proven itself");
        let accepted = accepted.expect("the unit has proven itself");
        assert_eq!((params, accepted.unit, accepted.params.stream.as_str()), (answer, unit.public(), "cam"));
        (keys, accepted.keys)
    }

    /// Both ends' keys of a handshake.
    pub(crate) fn shaken() -> (SessionKeys, SessionKeys) {
        shake(|_| false)
    }

    fn seal(keys: &mut SessionKeys, now: Instant, pn: u64) -> (bool, Vec<u8>) {
        keys.rotate_if_due(now);
        let mut payload = b"a frame".to_vec();
        let tag = keys.seal(3, pn, b"header", &mut payload);
        payload.extend(tag);
        (keys.phase(), payload)
    }

    fn opens(keys: &mut SessionKeys, now: Instant, pn: u64, (phase, mut payload): (bool, Vec<u8>)) -> bool {
        keys.open(now, phase, 3, pn, b"header", &mut payload).is_some_and(|len| &payload[..len] == b"a frame")
    }

    #[test]
    fn a_handshake_ends_whatever_is_lost() {
        for pattern in 0..12_usize {
            let (mut unit, mut gateway) = shake(|count| (count * 7 + pattern * 3) % 5 < 2);
            let sealed = seal(&mut unit, Instant::ZERO, 0);
            assert!(opens(&mut gateway, Instant::ZERO, 0, sealed), "pattern {pattern}");
        }
    }

    #[test]
    fn keys_rotate_and_the_old_ones_live_for_ten_seconds() {
        let (mut unit, mut gateway) = shake(|_| false);
        let at = Instant::from_millis;
        let old = seal(&mut unit, at(0), 0);
        let older = seal(&mut unit, at(0), 1);
        unit.wear_out();
        let new = seal(&mut unit, at(1_000), 2);
        assert_ne!(old.0, new.0);
        assert!(opens(&mut gateway, at(1_000), 2, new));
        let answer = seal(&mut gateway, at(1_000), 0);
        assert!(opens(&mut unit, at(1_000), 0, answer), "the other way has rotated with it");
        assert!(opens(&mut gateway, at(5_000), 0, old));
        assert!(!opens(&mut gateway, at(11_001), 1, older));
        let more = seal(&mut unit, at(12_000), 3);
        assert!(opens(&mut gateway, at(12_000), 3, more));
    }

    #[test]
    fn a_peer_that_has_not_heard_of_the_new_phase_is_understood_for_as_long_as_that_takes() {
        let (mut unit, mut gateway) = shake(|_| false);
        let at = Instant::from_millis;
        gateway.wear_out();
        let unheard = seal(&mut gateway, at(0), 0);
        for minute in 0..30 {
            let media = seal(&mut unit, at(60_000 * minute), minute);
            assert!(opens(&mut gateway, at(60_000 * minute), minute, media));
            gateway.wear_out();
            assert_eq!(seal(&mut gateway, at(60_000 * minute), 1 + minute).0, unheard.0, "nor does it turn again");
        }
        assert!(opens(&mut unit, at(1_900_000), 0, unheard));
        let media = seal(&mut unit, at(1_900_000), 30);
        assert!(opens(&mut gateway, at(1_900_000), 30, media));
    }

    #[test]
    fn old_keys_go_a_second_after_every_path_has_shown_the_new_phase() {
        let (mut unit, mut gateway) = shake(|_| false);
        let at = Instant::from_millis;
        let old: Vec<_> = (0..3).map(|pn| seal(&mut unit, at(0), pn)).collect();
        unit.wear_out();
        let new = seal(&mut unit, at(0), 3);
        assert!(opens(&mut gateway, at(0), 3, new));
        gateway.retire(at(5_000), [3, 4].into_iter());
        assert!(opens(&mut gateway, at(5_000), 0, old[0].clone()), "path 4 may hold some yet");
        gateway.retire(at(5_000), [3].into_iter());
        gateway.retire(at(5_999), [3].into_iter());
        assert!(opens(&mut gateway, at(5_999), 1, old[1].clone()), "those that were overtaken");
        gateway.retire(at(6_000), [3].into_iter());
        assert!(!opens(&mut gateway, at(6_000), 2, old[2].clone()));
    }

    #[test]
    fn a_datagram_of_another_path_or_header_does_not_open() {
        let (mut unit, mut gateway) = shake(|_| false);
        let (phase, mut payload) = seal(&mut unit, Instant::ZERO, 0);
        assert!(gateway.open(Instant::ZERO, phase, 4, 0, b"header", &mut payload.clone()).is_none());
        assert!(gateway.open(Instant::ZERO, phase, 3, 0, b"hEader", &mut payload.clone()).is_none());
        assert!(gateway.open(Instant::ZERO, phase, 3, 1, b"header", &mut payload.clone()).is_none());
        assert!(gateway.open(Instant::ZERO, phase, 3, 0, b"header", &mut payload).is_some());
    }
}
