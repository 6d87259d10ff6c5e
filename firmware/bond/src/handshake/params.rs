//! What each side tells the other inside the TLS handshake, in the place of QUIC's transport parameters.
//!
//! A list of (id varint, length varint, value), as RFC 9000 §18; unknown ids are skipped.

use std::time::Duration;

use bondbox_wire::{Reader, Writer};

use crate::crypto::Proof;
use crate::return_track;

/// From the unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnitParams {
    /// The stream's name; with the unit's key it says which stream this is.
    pub(crate) stream: String,
    /// The latency that the unit would like.
    pub(crate) latency: Duration,
    /// What return tracks wait for at the unit.
    pub(crate) return_latency: Duration,
    /// Drawn when the unit's engine starts: what has the same counts units alike and reads one clock.
    pub(crate) life: [u8; 8],
    /// That the unit knows a pairing code.
    pub(crate) pairing: Option<Proof>,
}

/// From the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GatewayParams {
    /// Names the session in JOIN datagrams.
    pub(crate) session_index: u32,
    /// The latency that holds; `None` leaves it to the unit.
    pub(crate) latency: Option<Duration>,
    /// That the gateway knows the codes with which units may pair now.
    pub(crate) pairing: Vec<Proof>,
}

impl UnitParams {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (latency, return_latency) = (millis(self.latency), millis(self.return_latency));
        let params: [(u64, &[u8]); 4] = [
            (STREAM, self.stream.as_bytes()),
            (LATENCY, &latency),
            (RETURN_LATENCY, &return_latency),
            (LIFE, &self.life),
        ];
        encode(params.into_iter().chain(self.pairing.iter().map(|proof| (PAIRING, &proof[..]))))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut params = Self {
            stream: String::new(),
            latency: Duration::ZERO,
            return_latency: return_track::DEFAULT_LATENCY,
            life: [0; 8],
            pairing: None,
        };
        decode(bytes, |id, value| {
            match id {
                STREAM => params.stream = str::from_utf8(value).ok().filter(|name| is_stream_name(name))?.to_owned(),
                LATENCY => params.latency = latency(value)?,
                RETURN_LATENCY => params.return_latency = latency(value)?,
                LIFE => params.life = value.try_into().ok()?,
                PAIRING => params.pairing = Some(value.try_into().ok()?),
                _ => {}
            }
            Some(())
        })?;
        (!params.stream.is_empty()).then_some(params)
    }
}

impl GatewayParams {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (session, latency) = (self.session_index.to_be_bytes(), self.latency.map(millis));
        let latency = latency.iter().map(|latency| (LATENCY, &latency[..]));
        let pairing = self.pairing.iter().map(|proof| (PAIRING, &proof[..]));
        encode([(SESSION, &session[..])].into_iter().chain(latency).chain(pairing))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut session_index, mut wanted, mut pairing) = (None, None, Vec::new());
        decode(bytes, |id, value| {
            match id {
                SESSION => session_index = Some(u32::from_be_bytes(value.try_into().ok()?)),
                LATENCY => wanted = Some(latency(value)?),
                PAIRING => pairing.push(value.try_into().ok()?),
                _ => {}
            }
            Some(())
        })?;
        Some(Self { session_index: session_index?, latency: wanted, pairing })
    }
}

fn millis(duration: Duration) -> [u8; 4] {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).to_be_bytes()
}

/// A peer that asks for hours would have us keep hours of media.
fn latency(value: &[u8]) -> Option<Duration> {
    Some(Duration::from_millis(u32::from_be_bytes(value.try_into().ok()?).into()).min(MAX_LATENCY))
}

fn encode<'a>(params: impl Iterator<Item = (u64, &'a [u8])>) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    for (id, value) in params {
        let put = writer.varint(id).and_then(|()| writer.varint(value.len() as u64)).and_then(|()| writer.bytes(value));
        put.expect("a name of at most 64 bytes, a few numbers and proofs fit");
    }
    writer.written().to_vec()
}

fn decode<'a>(bytes: &'a [u8], mut take: impl FnMut(u64, &'a [u8]) -> Option<()>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let id = reader.varint().ok()?;
        let len = usize::try_from(reader.varint().ok()?).ok()?;
        take(id, reader.bytes(len).ok()?)?;
    }
    Some(())
}

/// Whether a stream may be called so: 1 to 64 of `A-Z a-z 0-9 . _ -`, no dot first. It ends up in addresses and file names.
pub fn is_stream_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.')
}

/// Six times the longest profile. Both ends cut at it, so they agree.
pub(crate) const MAX_LATENCY: Duration = Duration::from_secs(30);

const STREAM: u64 = 1;
const LATENCY: u64 = 2;
const SESSION: u64 = 3;
const LIFE: u64 = 4;
const RETURN_LATENCY: u64 = 5;
const PAIRING: u64 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> UnitParams {
        let (latency, return_latency) = (Duration::from_millis(600), Duration::from_millis(200));
        UnitParams { stream: "cam-1".into(), latency, return_latency, life: [5; 8], pairing: Some([9; 32]) }
    }

    proptest::proptest! {
        #![proptest_config(crate::hostile::cases(1_000))]

        #[test]
        fn any_bytes_are_params_or_none(mut bytes in proptest::collection::vec(0..=255_u8, 0..200), at in 0..60_usize) {
            let _ = (UnitParams::decode(&bytes), GatewayParams::decode(&bytes));
            // And ours with bytes of anyone's in their middle.
            let ours = unit().encode();
            bytes.splice(0..0, ours[..at.min(ours.len())].to_vec());
            if let Some(params) = UnitParams::decode(&bytes) {
                assert!(is_stream_name(&params.stream) && params.latency <= MAX_LATENCY);
            }
        }
    }

    #[test]
    fn params_read_back_and_unknown_ones_are_skipped() {
        let unit = unit();
        let mut bytes = unit.encode();
        bytes.extend([0x3f, 2, 9, 9]);
        assert_eq!(UnitParams::decode(&bytes).as_ref(), Some(&unit));
        let gateway =
            GatewayParams { session_index: 77, latency: Some(Duration::from_secs(1)), pairing: vec![[1; 32], [2; 32]] };
        assert_eq!(GatewayParams::decode(&gateway.encode()), Some(gateway.clone()));
        assert_eq!(GatewayParams::decode(&gateway.encode()[..60]), None, "a proof that is cut off");
        assert_eq!(GatewayParams::decode(&[1, 2, 3]), None);
        assert_eq!(UnitParams::decode(&[]), None);
        let rogue = UnitParams { stream: "../etc/passwd".into(), ..unit };
        assert_eq!(UnitParams::decode(&rogue.encode()), None);
    }
}
