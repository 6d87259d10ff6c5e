//! The web server of a running gateway.

mod common;

use std::path::PathBuf;

use bondbox_linksim::control::{Carried, Reply, Request, Status, WayStatus};
use bondbox_linksim::model::State;
use common::{Events, Pair, PairSettings, get, in_time, request, wait_for};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

#[tokio::test]
async fn the_page_the_api_and_nothing_else_are_there() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let test = async {
        let (code, head, body) = get(http, "/").await;
        assert_eq!(code, 200);
        assert!(head.to_lowercase().contains("content-type: text/html"), "{head}");
        assert!(body.starts_with(b"<!doctype html"), "{}", String::from_utf8_lossy(&body[..50]));
        common::until(async || common::status(http).await.is_some()).await;
        let status = common::status(http).await.unwrap();
        assert!(!status.demo);
        let (code, head, _) = get(http, "/metrics").await;
        assert_eq!(code, 200);
        assert!(head.contains("application/openmetrics-text"), "{head}");
        for nothing in ["/live/never.ts", "/live/never", "/../Cargo.toml", "/api/demo/links", "/api/demo"] {
            assert_eq!(get(http, nothing).await.0, 404, "{nothing}");
        }
        assert_eq!(request(http, "POST", "/api/demo/links/wwan0/cut").await.0, 404);
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn events_go_on_for_as_long_as_somebody_listens() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let test = async {
        let mut events = Events::open(http).await;
        let mut last = -1.0;
        for _ in 0..4 {
            let status = in_time(events.next()).await;
            assert!(status.gateway.uptime_s > last, "{} after {last}", status.gateway.uptime_s);
            last = status.gateway.uptime_s;
        }
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn the_latency_of_a_stream_is_changed_by_a_command_and_goes_there_slowly() {
    let pair = Pair::open(PairSettings { record: true, ..PairSettings::default() });
    let http = pair.http;
    let test = async {
        let status = wait_for(http, |status| !status.streams.is_empty()).await;
        let stream = &status.streams[0];
        assert_eq!((stream.latency_ms, stream.latency_target_ms), (200.0, 200.0));
        assert_eq!(stream.recording.map(|recording| recording.latency_ms), Some(5_000.0));
        let path = format!("/api/streams/{}/latency", stream.name);
        assert_eq!(request(http, "POST", &format!("{path}?ms=50")).await.0, 400);
        assert_eq!(request(http, "POST", "/api/streams/never/latency?ms=500").await.0, 404);
        assert_eq!(request(http, "POST", &format!("{path}?ms=230")).await.0, 204);
        let status = wait_for(http, |status| status.streams[0].latency_target_ms == 230.0).await;
        assert!(status.streams[0].latency_ms <= 230.0);
        wait_for(http, |status| status.streams[0].latency_ms == 230.0).await;
    };
    pair.run_during(test).await;
}

/// Speaks as the emulator does, with its own types: a link is cut two looks after it was told, and never restored.
async fn emulate(listener: UnixListener) {
    let mut looks_until_cut = None;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        // Who has waited long enough for an effect goes without a word.
        let Ok(request) = serde_json::from_str(&line) else { continue };
        let reply = match request {
            Request::Status => {
                looks_until_cut = looks_until_cut.map(|looks: u32| looks.saturating_sub(1));
                Reply::Status(status(if looks_until_cut == Some(0) { State::Cut } else { State::Up }))
            }
            Request::Cut { link } if link == "wwan0" => {
                looks_until_cut = Some(3);
                Reply::Done { done: true }
            }
            Request::Restore { .. } => Reply::Done { done: true },
            _ => Reply::Error { error: "link is \"x\", must be wwan0".into() },
        };
        let reply = serde_json::to_string(&reply).unwrap() + "\n";
        let _ = stream.get_mut().write_all(reply.as_bytes()).await;
    }
}

fn status(state: State) -> Status {
    let way = |rate_kbps| WayStatus {
        rate_kbps,
        queue_ms: 1.5,
        offered: Default::default(),
        delivered: Default::default(),
        dropped: Default::default(),
        unwritable: 0,
    };
    let link = bondbox_linksim::control::LinkStatus {
        name: "wwan0".into(),
        state,
        nat_rebinds: 0,
        nat_stale: 0,
        swallowed: 0,
        carried: Carried::default(),
        up: way(6_000),
        down: way(20_000),
    };
    Status { scenario: "test".into(), elapsed_s: 1.0, realtime: false, lateness: Default::default(), links: vec![link] }
}

#[tokio::test]
async fn a_command_to_the_emulator_is_answered_when_its_effect_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let socket: PathBuf = folder.path().join("linksim.sock");
    let emulator = tokio::spawn(emulate(UnixListener::bind(&socket).unwrap()));
    let pair = Pair::open(PairSettings { demo: socket, ..PairSettings::default() });
    let http = pair.http;
    let test = async {
        let (code, _, body) = get(http, "/api/demo/links").await;
        let expected = r#"[{"name":"wwan0","state":"up","up":{"rate_kbps":6000,"queue_ms":1.5},"down":{"rate_kbps":20000,"queue_ms":1.5}}]"#;
        assert_eq!((code, std::str::from_utf8(&body).unwrap()), (200, expected));
        let (code, _, body) = request(http, "POST", "/api/demo/links/wwan0/cut").await;
        assert_eq!((code, &body[..]), (200, &b"{}"[..]));
        let (_, _, body) = get(http, "/api/demo/links").await;
        assert!(std::str::from_utf8(&body).unwrap().contains("\"state\":\"cut\""));
        let (code, _, body) = request(http, "POST", "/api/demo/links/wwan0/restore").await;
        assert_eq!((code, &body[..]), (504, &br#"{"error":"restore wwan0: no effect seen"}"#[..]));
        let (code, _, body) = request(http, "POST", "/api/demo/links/x/cut").await;
        assert_eq!(code, 400, "{}", String::from_utf8_lossy(&body));
        assert_eq!(request(http, "POST", "/api/demo/links/wwan0/shake").await.0, 404);
        emulator.abort();
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn without_the_emulator_the_answer_says_so() {
    let pair = Pair::open(PairSettings { demo: "/nowhere/linksim.sock".into(), ..PairSettings::default() });
    let http = pair.http;
    let test = async {
        let (code, _, body) = get(http, "/api/demo/links").await;
        assert_eq!(code, 502);
        assert!(String::from_utf8(body).unwrap().contains("/nowhere/linksim.sock"));
    };
    pair.run_during(test).await;
}
