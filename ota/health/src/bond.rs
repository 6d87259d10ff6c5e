//! The bond on this machine alone: both ends, and two sockets between them.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use anyhow::{Context, bail};
use bondbox_bond::gateway::{GatewayConfig, GatewayEvent, Route};
use bondbox_bond::receiver::Outputs;
use bondbox_bond::sender::{Features, Headroom, Policy, SenderConfig, TrackInfo, Trust, Unit};
use bondbox_bond::{Gateway, Identity, Sender};
use bondbox_units::{Bitrate, Instant, LinkId, Priority, TrackId};
use bondbox_wire::MAX_DATAGRAM;
use bondbox_wire::frame::TrackKind;
use bytes::Bytes;

/// Sends units through the handshake, the encryption and the sockets of this machine, until enough of them came out.
///
/// # Errors
/// When they do not come out in time.
pub(crate) fn loops_back(patience: Duration) -> anyhow::Result<()> {
    let open = || -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let (unit, gateway) = (open().context("no socket")?, open().context("no socket")?);
    unit.connect(gateway.local_addr()?)?;
    let began = Clock::now();
    let now = || Instant::from_millis(1_000) + began.elapsed();

    let (own, theirs) = (Arc::new(Identity::generate()), Arc::new(Identity::generate()));
    let rate = Bitrate::from_kbps(1_000);
    let config = SenderConfig {
        identity: own.clone(),
        gateway: Trust::Pinned(theirs.public()),
        stream: "health".into(),
        latency: Duration::from_millis(300),
        return_latency: Duration::from_millis(300),
        headroom: Headroom::None,
        encoder_range: (rate, rate),
        encoder_start: rate,
        policy: Policy::default(),
        features: Features::ALL,
    };
    let mut sender = Sender::new(now(), config, 1);
    let outputs = Outputs::default();
    let config = GatewayConfig { identity: theirs, units: vec![own.public()], latency: None, outputs };
    let mut receiver = Gateway::new(now(), config, 2);
    let (track, kind) = (TrackId(0), TrackKind::Opaque);
    sender.set_track(TrackInfo { track, kind, width: 0, height: 0, rate: 0, channels: 0, label: String::new() });
    sender.add_link(now(), LinkId(0), "lo");

    let mut buffer = [0; MAX_DATAGRAM];
    let (mut out, mut next) = (0, now());
    while began.elapsed() < patience {
        if now() >= next {
            sender.push(now(), Unit::datagram(track, Priority::Standard, Bytes::from_static(&[7; 1_000])));
            next += EVERY;
        }
        while let Ok(length) = unit.recv(&mut buffer) {
            sender.handle_datagram(now(), LinkId(0), &mut buffer[..length]);
        }
        while let Ok((length, remote)) = gateway.recv_from(&mut buffer) {
            receiver.handle_datagram(now(), Route { remote, local: None }, &mut buffer[..length]);
        }
        sender.handle_timeout(now());
        receiver.handle_timeout(now());
        while let Some(sent) = sender.poll_transmit(now(), &mut buffer) {
            let _ = unit.send(&buffer[..sent.len]);
        }
        while let Some((route, length)) = receiver.poll_transmit(now(), &mut buffer) {
            let _ = gateway.send_to(&buffer[..length], route.remote);
        }
        while sender.poll_event().is_some() {}
        while let Some(event) = receiver.poll_event() {
            out += u32::from(matches!(event, GatewayEvent::Unit { .. }));
        }
        if out >= ENOUGH {
            return Ok(());
        }
        std::thread::sleep(TURN);
    }
    bail!("{out} of {ENOUGH} units came through the bond in {} s", patience.as_secs())
}

const ENOUGH: u32 = 20;
const EVERY: Duration = Duration::from_millis(20);
const TURN: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_through_on_this_machine() {
        loops_back(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn nothing_comes_through_in_no_time() {
        let refused = loops_back(Duration::ZERO).unwrap_err().to_string();
        assert_eq!(refused, "0 of 20 units came through the bond in 0 s");
    }
}
