//! Both ends as services, over real sockets of the loopback interface.

mod common;

use std::net::UdpSocket;
use std::time::Duration;

use bondbox_bond::trace::{Recording, Side};
use bondbox_daemon::Shutdown;
use bondbox_daemon::ipc::{Client, Event, Peers, Want};
use bondbox_gateway::keys::KeyCommand;
use bondbox_gateway::status::{Ending, Kind, LinkState, Session};
use bondbox_ipc::uplink::{self as protocol, Command, Done};
use common::{Pair, PairSettings, wait_for};
use tokio::sync::Notify;

/// Datagrams of all sizes that the bond takes, in bursts.
fn datagrams() -> Vec<Vec<u8>> {
    let sizes = [1_316, 1, 188, 1_472, 700, 4_000, 1_315, 9_000];
    let datagram = |number: usize| {
        let mut bytes = vec![0; sizes[number % sizes.len()]];
        let mut state = number as u32 + 1;
        for byte in &mut bytes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        bytes
    };
    (0..400).map(datagram).collect()
}

#[tokio::test]
async fn an_opaque_stream_comes_out_byte_for_byte_and_in_order() {
    let output = UdpSocket::bind("127.0.0.1:0").unwrap();
    output.set_nonblocking(true).unwrap();
    let output = tokio::net::UdpSocket::from_std(output).unwrap();
    let deliver = format!("udp://{}", output.local_addr().unwrap());
    let pair = Pair::open(PairSettings { deliver, ..PairSettings::default() });
    let (ingest, http) = (pair.ingest, pair.http);
    let test = async {
        let status = wait_for(http, |status| status.streams.first().is_some_and(|s| !s.links.is_empty())).await;
        assert_eq!(status.streams[0].links[0].name, "lo");
        let input = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = vec![0; 65_536];
        let sent = datagrams();
        for burst in sent.chunks(20) {
            for datagram in burst {
                input.send_to(datagram, ingest).await.unwrap();
            }
            // The next burst goes in when this one is out, so that nothing depends on how fast this machine is.
            for datagram in burst {
                let len = common::in_time(output.recv(&mut buffer)).await.unwrap();
                assert!(buffer[..len] == datagram[..], "a datagram of {} bytes came as {len}", datagram.len());
            }
        }
        let status = wait_for(http, |status| status.streams[0].totals.delivered == sent.len() as u64).await;
        let stream = &status.streams[0];
        assert_eq!((stream.totals.lost, stream.totals.late), (0, 0));
        assert_eq!(stream.tracks[0].kind, Kind::Opaque);
        assert_eq!(stream.encoder, None);
        assert!(stream.delay.bond_ms >= 200.0, "{:?}", stream.delay);
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn what_is_talked_back_comes_out_at_the_unit() {
    let headset = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let talkback = format!("udp://{}", headset.local_addr().unwrap());
    let pair = Pair::open(PairSettings { talkback, ..PairSettings::default() });
    let (http, back) = (pair.http, pair.gateway.talkback_addresses().next().unwrap());
    let test = async {
        wait_for(http, |status| status.streams.first().is_some_and(|s| !s.links.is_empty())).await;
        let producer = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut buffer = vec![0; 65_536];
        for (number, len) in (0..50_u8).zip([160, 1, 1_400, 5_000].into_iter().cycle()) {
            producer.send_to(&vec![number; len], back).await.unwrap();
            let got = common::in_time(headset.recv(&mut buffer)).await.unwrap();
            assert!(buffer[..got] == vec![number; len], "datagram {number} came as {got} bytes");
        }
        let all = wait_for(http, |status| status.streams[0].talkback.delivered == 50).await;
        assert_eq!((all.streams[0].talkback.sent, all.streams[0].talkback.lost), (50, 0));
        // More than may wait: said, and nothing else is hurt.
        for _ in 0..3 {
            producer.send_to(&vec![7; 60_000], back).await.unwrap();
        }
        wait_for(http, |status| status.streams[0].talkback.refused > 0).await;
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn over_ipv6_too() {
    let output = tokio::net::UdpSocket::bind("[::1]:0").await.unwrap();
    let deliver = format!("udp://{}", output.local_addr().unwrap());
    let pair = Pair::open(PairSettings { deliver, ipv6: true, ..PairSettings::default() });
    let (ingest, http) = (pair.ingest, pair.http);
    let test = async {
        wait_for(http, |status| !status.streams.is_empty()).await;
        let input = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        input.send_to(b"hello", ingest).await.unwrap();
        let mut buffer = [0; 100];
        let len = common::in_time(output.recv(&mut buffer)).await.unwrap();
        assert_eq!(&buffer[..len], b"hello");
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_gateway_is_found_by_its_name() {
    let pair = Pair::open(PairSettings { named: true, ..PairSettings::default() });
    let http = pair.http;
    let test = async {
        let status = wait_for(http, |status| status.streams.first().is_some_and(|s| !s.links.is_empty())).await;
        assert_eq!(status.streams[0].links[0].state, LinkState::Up);
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_stream_whose_unit_vanishes_is_dark_and_its_links_silent() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let Pair { mut uplink, mut gateway, folder, .. } = pair;
    let (never, end) = (Shutdown::manual(), Shutdown::manual());
    let vanished = Notify::new();
    let unit = async {
        tokio::select! {
            ended = uplink.run(&never) => ended.unwrap(),
            () = vanished.notified() => {}
        }
    };
    let test = async {
        wait_for(http, |status| status.streams.first().is_some_and(|s| !s.links.is_empty())).await;
        vanished.notify_one();
        let status = wait_for(http, |status| status.streams[0].session == Session::Dark).await;
        let link = &status.streams[0].links[0];
        assert_eq!(link.state, LinkState::Silent);
        assert_eq!((link.rate_bps, link.capacity_bps), (0, 0));
        end.trigger();
    };
    let ((), (), gateway) = tokio::join!(test, unit, gateway.run(&end));
    gateway.unwrap();
    drop(folder);
}

#[tokio::test]
async fn a_unit_that_ends_says_so_and_its_stream_was_never_dark() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let Pair { mut uplink, mut gateway, folder, .. } = pair;
    let (gone, end) = (Shutdown::manual(), Shutdown::manual());
    let test = async {
        wait_for(http, |status| status.streams.first().is_some_and(|s| !s.links.is_empty())).await;
        gone.trigger();
        let status = wait_for(http, |status| status.streams[0].session != Session::Open).await;
        assert_eq!((status.streams[0].session, status.streams[0].ended), (Session::Ended, Some(Ending::ByUnit)));
        assert_eq!(status.streams[0].links[0].state, LinkState::Absent);
        end.trigger();
    };
    let ((), uplink, gateway) = tokio::join!(test, uplink.run(&gone), gateway.run(&end));
    uplink.unwrap();
    gateway.unwrap();
    drop(folder);
}

#[tokio::test]
async fn what_strangers_send_is_counted_by_name_and_nothing_else_happens() {
    let pair = Pair::open(PairSettings::default());
    let (address, http) = (pair.bond, pair.http);
    let test = async {
        wait_for(http, |status| status.streams.len() == 1).await;
        let stranger = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        stranger.connect(address).await.unwrap();
        let garbage: [(&str, &[u8]); 6] = [
            ("truncated", &[]),
            ("unknown_kind", &[0x00, 1, 2, 3]),
            ("truncated", &[0x40, 0, 0]),
            ("unknown_index", &[0x47; 100]),
            ("wrong_version", &future_version()),
            ("stray_reset", &[0x70, 1, 2, 3, 4]),
        ];
        for (reason, datagram) in garbage {
            let before = common::rejected(http, reason).await;
            stranger.send(datagram).await.unwrap();
            common::until(async || common::rejected(http, reason).await > before).await;
        }
        let status = common::status(http).await.unwrap();
        assert_eq!(status.streams.len(), 1);
        assert_eq!(status.streams[0].session, Session::Open);
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn what_a_unit_sent_is_not_taken_again() {
    let relay = common::Relay::open().await;
    let pair = Pair::open(PairSettings { through: Some(relay.address()), ..PairSettings::default() });
    let http = pair.http;
    relay.lead_to(pair.bond);
    let test = async {
        wait_for(http, |status| status.streams.len() == 1).await;
        let before = common::rejected(http, "replayed").await;
        relay.replay().await;
        common::until(async || common::rejected(http, "replayed").await > before).await;
        let status = common::status(http).await.unwrap();
        assert_eq!(status.streams.len(), 1);
        assert_eq!(status.streams[0].session, Session::Open);
    };
    tokio::select! {
        () = relay.run() => {}
        _ = pair.run_during(test) => {}
    }
}

#[tokio::test]
async fn a_unit_that_is_not_paired_is_counted_and_gets_no_session() {
    let pair = Pair::open(PairSettings { paired: false, ..PairSettings::default() });
    let http = pair.http;
    let test = async {
        common::until(async || common::rejected(http, "unknown_unit").await > 0).await;
        assert_eq!(common::status(http).await.unwrap().streams, []);
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_unit_does_not_talk_to_a_gateway_with_another_key() {
    let pair = Pair::open(PairSettings { pinned: false, ..PairSettings::default() });
    let http = pair.http;
    let Pair { mut uplink, mut gateway, folder, .. } = pair;
    let end = Shutdown::manual();
    let test = async {
        let mut watch = Client::<protocol::Uplink>::connect(folder.path(), Peers::own(), Want::State);
        loop {
            let event = common::in_time(watch.event()).await;
            if let Event::State(state) = event {
                assert_eq!(state.session, protocol::Session::Connecting);
                if state.counters.rejected_datagrams > 0 {
                    break;
                }
            }
        }
        assert_eq!(common::status(http).await.unwrap().streams, []);
        end.trigger();
    };
    let ((), first, second) = tokio::join!(test, uplink.run(&end), gateway.run(&end));
    first.unwrap();
    second.unwrap();
}

/// A handshake as of the next version of the protocol.
fn future_version() -> Vec<u8> {
    let mut datagram = vec![0x60, 0xfe];
    datagram.extend([7; 60]);
    datagram
}

#[tokio::test]
async fn links_are_added_and_removed_with_confirmed_effect() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let folder = pair.folder.path().to_owned();
    let test = async {
        wait_for(http, |status| status.streams.first().is_some_and(|s| !s.links.is_empty())).await;
        let client = Client::<protocol::Uplink>::connect(&folder, Peers::own(), Want::State);
        let command = async |command| client.command(command, Duration::from_secs(20)).await;
        common::until(async || command(Command::RemoveLink("lo".into())).await == Ok(Done::Left)).await;
        wait_for(http, |status| status.streams[0].session == Session::Dark).await;
        let refusal = command(Command::RemoveLink("lo".into())).await.unwrap_err().to_string();
        assert_eq!(refusal, "invalid: link is \"lo\", must be one in use");
        assert!(matches!(command(Command::AddLink("lo".into())).await, Ok(Done::Joined(_))));
        wait_for(http, |status| status.streams[0].session == Session::Open).await;
        let refusal = command(Command::AddLink("lo".into())).await.unwrap_err().to_string();
        assert!(refusal.starts_with("invalid: link is \"lo\", must be"), "{refusal}");
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn units_are_let_in_and_taken_out_while_it_runs() {
    let pair = Pair::open(PairSettings { paired: false, ..PairSettings::default() });
    let http = pair.http;
    let units = pair.folder.path().join("units");
    let key = bondbox_daemon::bond::keys::read(&pair.folder.path().join("unit.key")).unwrap().public();
    let test = async {
        common::until(async || common::rejected(http, "unknown_unit").await > 0).await;
        let done = KeyCommand::Pair { units: units.clone(), name: "van 3".into(), key }.run("test");
        assert_eq!(format!("{done:?}"), format!("{:?}", std::process::ExitCode::SUCCESS));
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Open)).await;
        std::fs::write(&units, "# nobody\n").unwrap();
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
        let status = wait_for(http, |status| status.streams[0].session == Session::Ended).await;
        assert_eq!(status.streams[0].ended, Some(Ending::Revoked));
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_signal_that_comes_before_it_runs_lets_units_in() {
    let pair = Pair::open(PairSettings { paired: false, ..PairSettings::default() });
    let http = pair.http;
    let key = bondbox_daemon::bond::keys::read(&pair.folder.path().join("unit.key")).unwrap().public();
    std::fs::write(pair.folder.path().join("units"), format!("{key} van\n")).unwrap();
    nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP).unwrap();
    let test = async {
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Open)).await;
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_unit_says_how_it_is_and_both_ends_tell_what_happened() {
    let pair = Pair::open(PairSettings::default());
    let (http, run_dir) = (pair.http, pair.folder.path().to_owned());
    let test = async {
        let status = wait_for(http, |status| status.streams.first().is_some_and(|s| s.telemetry.is_some())).await;
        let stream = &status.streams[0];
        assert_eq!(stream.telemetry.as_ref().unwrap()["version"], 1);
        let (code, head, body) = common::get(http, &format!("/api/streams/{}/telemetry", stream.name)).await;
        assert_eq!(code, 200);
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["build"], env!("CARGO_PKG_VERSION"));
        assert_eq!(common::get(http, "/api/streams/never/telemetry").await.0, 404);
        let path = format!("/api/streams/{}/trace", stream.name);
        let (code, _, gateway) = common::get(http, &path).await;
        assert_eq!(code, 200);
        let gateway = Recording::read(&gateway).unwrap();
        let unit = Recording::read(&bondbox_uplink::trace::fetch(&run_dir).await.unwrap()).unwrap();
        assert_eq!((unit.side, gateway.side), (Side::Unit, Side::Gateway));
        assert_eq!(unit.paths, gateway.paths);
        let (code, _, lines) = common::get(http, &format!("{path}?format=json")).await;
        assert_eq!(code, 200);
        for line in String::from_utf8(lines).unwrap().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        assert_eq!(common::get(http, "/api/streams/never/trace").await.0, 404);
    };
    pair.run_during(test).await;
}
