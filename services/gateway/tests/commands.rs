//! What a unit is asked to do at the gateway: over the bond to its panel, and the answer back.

mod common;

use std::net::SocketAddr;

use bondbox_daemon::ipc::{Commands, Peers, Responder, Server};
use bondbox_ipc::Refusal;
use bondbox_ipc::capture::{self, Capture};
use bondbox_ipc::panel::{Action, Command, Done, Meaning, Panel, State};
use common::{Pair, PairSettings, get, in_time, on_the_air, request, wait_for};

const IDENTIFY: &str = "/api/streams/live/identify";

/// A panel of this unit, whose lights say so.
fn panel(pair: &Pair) -> (Server<Panel>, Commands<Panel>) {
    let (server, commands) = Server::bind(pair.folder.path(), Peers::own()).unwrap();
    server.set_state(State::saying(Meaning::Ready));
    (server, commands)
}

/// The unit has told of its panel, or of its capture service: it knows it.
async fn knows(http: SocketAddr, what: &str) {
    let told = |telemetry: &serde_json::Value| telemetry.pointer(what).is_some_and(|said| !said.is_null());
    wait_for(http, |status| status.streams.first().is_some_and(|stream| stream.telemetry.as_ref().is_some_and(told)))
        .await;
}

async fn counted(http: SocketAddr, outcome: &str) {
    let line = format!("bondbox_commands_total{{outcome=\"{outcome}\"}} 1");
    common::until(async || String::from_utf8(get(http, "/metrics").await.2).unwrap().contains(&line)).await;
}

fn error(body: &[u8]) -> String {
    serde_json::from_slice::<serde_json::Value>(body).unwrap()["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_unit_that_somebody_looks_for_is_asked_once_and_the_answer_comes_when_its_lights_say_so() {
    let pair = Pair::open(PairSettings::default());
    let (server, mut commands) = panel(&pair);
    let http = pair.http;
    let test = async {
        knows(http, "/panel/meaning").await;
        let unit = async {
            let (command, responder) = commands.next().await;
            assert_eq!(command, Command::Do(Action::Identify));
            responder.done(Done::Seen);
            server.set_state(State::saying(Meaning::Identify));
        };
        let ((code, ..), ()) = tokio::join!(request(http, "POST", IDENTIFY), unit);
        assert_eq!(code, 204);
        // Its lights say it already: they are to go on.
        assert_eq!(request(http, "POST", IDENTIFY).await.0, 204);
        let (command, responder) = commands.next().await;
        assert_eq!(command, Command::Do(Action::Identify));
        responder.done(Done::Seen);
        assert_eq!(request(http, "GET", IDENTIFY).await.0, 405);
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_panel_that_refuses_is_named_with_its_reason() {
    let pair = Pair::open(PairSettings::default());
    let (_server, mut commands) = panel(&pair);
    let http = pair.http;
    let test = async {
        knows(http, "/panel/meaning").await;
        let unit = async { commands.next().await.1.refuse(Refusal::Unavailable("the lamp is hot".into())) };
        let ((code, _, body), ()) = tokio::join!(request(http, "POST", IDENTIFY), unit);
        assert_eq!((code, error(&body).as_str()), (409, "refused: panel: not now: the lamp is hot"));
        counted(http, "refused").await;
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_unit_without_a_panel_says_so() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let test = async {
        wait_for(http, |status| !status.streams.is_empty()).await;
        let (code, _, body) = request(http, "POST", IDENTIFY).await;
        assert_eq!((code, error(&body).as_str()), (409, "absent: the panel service is not there"));
        counted(http, "absent").await;
        let (code, _, body) = request(http, "POST", "/api/streams/never/identify").await;
        assert_eq!((code, error(&body).as_str()), (404, "no stream never"));
    };
    pair.run_during(test).await;
}

/// The next thing that somebody asked of the capture service, and not the engine.
async fn next_asked(commands: &mut Commands<Capture>) -> (capture::Command, Responder<capture::Done>) {
    loop {
        match in_time(commands.next()).await {
            (capture::Command::SetBitrate(target), responder) => {
                responder.done(capture::Done::Bitrate { target, measured: target });
            }
            other => return other,
        }
    }
}

#[tokio::test]
async fn a_unit_is_put_on_the_air_and_off_it_when_its_capture_service_says_so() {
    let pair = Pair::open(PairSettings { capture: true, ..PairSettings::default() });
    let (server, mut commands) = Server::<Capture>::bind(pair.folder.path(), Peers::own()).unwrap();
    server.set_state(on_the_air());
    let http = pair.http;
    let test = async {
        knows(http, "/capture/picture").await;
        for (path, wanted) in [("start", capture::Command::Start), ("stop", capture::Command::Stop)] {
            let path = format!("/api/streams/live/{path}");
            let unit = async {
                let (command, responder) = next_asked(&mut commands).await;
                assert_eq!(command, wanted);
                responder.done(capture::Done::Now);
            };
            let ((code, ..), ()) = tokio::join!(request(http, "POST", &path), unit);
            assert_eq!(code, 204);
        }
        let unit = async { next_asked(&mut commands).await.1.refuse(Refusal::NoEffect("no encoder opens".into())) };
        let ((code, _, body), ()) = tokio::join!(request(http, "POST", "/api/streams/live/start"), unit);
        assert_eq!((code, error(&body).as_str()), (409, "no_effect: capture: no effect seen: no encoder opens"));
    };
    pair.run_during(test).await;
}

#[tokio::test]
async fn a_unit_that_captures_nothing_says_so_and_no_unit_is_asked_what_none_knows() {
    let pair = Pair::open(PairSettings::default());
    let http = pair.http;
    let test = async {
        wait_for(http, |status| !status.streams.is_empty()).await;
        let (code, _, body) = request(http, "POST", "/api/streams/live/stop").await;
        let why = "absent: this unit sends what it is given, and captures nothing";
        assert_eq!((code, error(&body).as_str()), (409, why));
        let (code, _, body) = request(http, "POST", "/api/streams/live/fly").await;
        assert_eq!((code, error(&body).as_str()), (404, "a unit can be asked to identify, start, stop, not \"fly\""));
    };
    pair.run_during(test).await;
}
