//! A unit and a gateway that do not know each other, and a code that both are told.

mod common;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bondbox_daemon::Shutdown;
use bondbox_daemon::bond::keys;
use bondbox_daemon::ipc::{Client, Event, Peers, Want};
use bondbox_gateway::Gateway;
use bondbox_gateway::status::Session;
use bondbox_ipc::uplink::{self as protocol, Command, Complaint, Done, Reason};
use bondbox_uplink::{Settings, Uplink};
use common::{get, in_time, request, send, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with what each of both keeps.
struct Strangers {
    folder: TempDir,
    gateway: Gateway,
}

impl Strangers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = folder.path().join("gateway.key");
        keys::generate(&identity, false).unwrap();
        keys::generate(&folder.path().join("unit.key"), false).unwrap();
        let settings = bondbox_gateway::Settings {
            listen: "127.0.0.1:0".into(),
            identity,
            units: folder.path().join("units"),
            http: "127.0.0.1:0".into(),
            ..bondbox_gateway::Settings::default()
        };
        Self { gateway: Gateway::open(&settings, None).unwrap(), folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// As a unit's settings are when it leaves the factory, but for `gateway`.
    fn unit(&self, gateway: &str) -> Settings {
        Settings {
            gateway: gateway.into(),
            identity: self.path().join("unit.key"),
            paired: self.path().join("gateway.toml"),
            factory: self.path().join("factory"),
            link: vec!["lo".into()],
            modems: false,
            latency_ms: 200,
            ingest: "udp://127.0.0.1:0".into(),
            ..Settings::default()
        }
    }

    /// Runs a life of the unit, and the gateway, for as long as `test` takes. Each life has a folder `run` of its own.
    async fn run_during(&mut self, unit: &Settings, run: &Path, test: impl Future<Output = ()>) {
        let mut uplink = Uplink::open(unit, run).unwrap();
        let end = Shutdown::manual();
        let test = async {
            test.await;
            end.trigger();
        };
        let ((), sent, received) = tokio::join!(test, uplink.run(&end), self.gateway.run(&end));
        sent.unwrap();
        received.unwrap();
    }
}

async fn tell(folder: &Path, command: Command) -> Result<Done, String> {
    let client = Client::<protocol::Uplink>::connect(folder, Peers::own(), Want::State);
    client.command(command, Duration::from_secs(20)).await.map_err(|error| error.to_string())
}

fn pair(gateway: &str, code: &str) -> Command {
    Command::Pair { gateway: gateway.into(), code: code.into() }
}

/// Waits until the unit says this of its session.
async fn says(folder: &Path, session: protocol::Session) -> protocol::State {
    said(folder, |state| state.session == session).await
}

async fn said(folder: &Path, wanted: impl Fn(&protocol::State) -> bool) -> protocol::State {
    let mut watch = Client::<protocol::Uplink>::connect(folder, Peers::own(), Want::State);
    in_time(async {
        loop {
            if let Event::State(state) = watch.event().await
                && wanted(&state)
            {
                return state;
            }
        }
    })
    .await
}

/// The answer of the page's API, and its body.
async fn api(http: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (code, _, body) = send(http, method, path, body).await;
    (code, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn listed(http: SocketAddr) -> Value {
    let (code, _, body) = get(http, "/api/units").await;
    assert_eq!(code, 200);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_unit_is_paired_with_a_code_of_the_page_and_stays_so_until_it_is_taken_out() {
    let mut strangers = Strangers::new();
    let (bond, http) = (strangers.gateway.address().to_string(), strangers.gateway.http_address());
    let folder = strangers.path().to_owned();
    let own = keys::read(&folder.join("gateway.key")).unwrap().public();
    let settings = strangers.unit("");
    let first = async {
        let state = says(&folder, protocol::Session::NotPaired).await;
        assert_eq!(state.gateway, "");
        let (code, answer) = api(http, "POST", "/api/pairings", r#"{"name": "van 3"}"#).await;
        assert_eq!((code, &answer["name"], &answer["left_s"]), (200, &json!("van 3"), &json!(600)));
        assert_eq!(listed(http).await["pairings"][0]["name"], "van 3");
        let done = tell(&folder, pair(&bond, answer["code"].as_str().unwrap())).await;
        assert_eq!(done, Ok(Done::Paired(own.to_string())));
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Open)).await;
    };
    strangers.run_during(&settings, &folder, first).await;
    let key = keys::read(&settings.identity).unwrap().public();
    assert_eq!(std::fs::read_to_string(folder.join("units")).unwrap(), format!("{key} van 3\n"));

    // The next life knows it, whatever the code was.
    let run = folder.join("run");
    let second = async {
        let state = says(&run, protocol::Session::Open).await;
        assert_eq!(state.gateway, bond);
        assert_eq!(
            listed(http).await,
            json!({ "units": [{ "key": key.to_string(), "name": "van 3" }], "pairings": [] })
        );
        let refusal = tell(&run, pair(&bond, "K7QF-2M9X-0V1S-ZT4E")).await.unwrap_err();
        assert!(refusal.contains("the unit belongs to gateway") && refusal.contains("unpair it first"), "{refusal}");

        let path = format!("/api/units/{key}");
        assert_eq!(request(http, "DELETE", &path).await.0, 204);
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Ended)).await;
        assert_eq!((listed(http).await["units"].clone(), request(http, "DELETE", &path).await.0), (json!([]), 404));
        common::until(async || common::rejected(http, "unknown_unit").await > 0).await;
        // Who carries the unit is told why it is off, by nobody else than the gateway.
        let state = said(&run, |state| state.complaint.is_some()).await;
        let words = "the gateway does not know this unit, or knows it no more".to_string();
        assert_eq!(state.session, protocol::Session::Connecting);
        assert_eq!(state.complaint, Some(Complaint { reason: Reason::UnknownUnit, words }));
    };
    strangers.run_during(&settings, &run, second).await;
}

#[tokio::test]
async fn the_code_on_the_label_pairs_with_the_gateway_of_the_settings_once_somebody_has_typed_it_there() {
    let mut strangers = Strangers::new();
    let (bond, http) = (strangers.gateway.address().to_string(), strangers.gateway.http_address());
    let folder = strangers.path().to_owned();
    let settings = strangers.unit(&bond);
    let test = async {
        says(&folder, protocol::Session::NotPaired).await;
        let refusal = tell(&folder, pair("", "")).await.unwrap_err();
        assert!(refusal.contains("no code on its label"), "{refusal}");
        std::fs::write(folder.join("factory"), "serial = \"7\"\nclaim = 3\n").unwrap();
        let refusal = tell(&folder, pair("", "")).await.unwrap_err();
        assert!(refusal.contains("factory: claim must be 64 hexadecimal digits"), "{refusal}");

        let code = bondbox_bond::PairingCode::generate();
        std::fs::write(folder.join("factory"), format!("claim = \"{}\"\n", &*code.secret().to_text())).unwrap();
        let typed = async {
            let state = says(&folder, protocol::Session::Pairing).await;
            assert_eq!(state.gateway, bond);
            // The unit has asked and was not understood before somebody types the code, in their way.
            common::until(async || says(&folder, protocol::Session::Pairing).await.counters.rejected_datagrams > 0)
                .await;
            let text = code.to_string().to_lowercase().replace('-', " ");
            let (answered, body) =
                api(http, "POST", "/api/pairings", &json!({ "name": "7", "code": text }).to_string()).await;
            assert_eq!((answered, &body["code"]), (200, &Value::Null));
        };
        let (done, ()) = tokio::join!(tell(&folder, pair("", "")), typed);
        assert!(matches!(done, Ok(Done::Paired(_))), "{done:?}");
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Open)).await;
        counted(http, "paired", 1).await;
    };
    let run = strangers.path().to_owned();
    strangers.run_during(&settings, &run, test).await;
}

/// Waits until the metrics say so: they are of the last report.
async fn counted(http: SocketAddr, outcome: &str, count: u64) {
    let line = format!("bondbox_pairings_total{{outcome=\"{outcome}\"}} {count}\n");
    common::until(async || String::from_utf8(get(http, "/metrics").await.2).unwrap().contains(&line)).await;
}

#[tokio::test]
async fn what_cannot_be_paired_is_refused_by_name_and_the_unit_may_be_made_to_forget() {
    let mut strangers = Strangers::new();
    let (bond, http) = (strangers.gateway.address().to_string(), strangers.gateway.http_address());
    let folder = strangers.path().to_owned();
    let settings = strangers.unit("");
    let test = async {
        says(&folder, protocol::Session::NotPaired).await;
        for (gateway, code, why) in [
            ("", "K7QF-2M9X-0V1S-ZT4E", "no gateway is named, and uplink.toml names none"),
            ("10.0.0.1", "K7QF-2M9X-0V1S-ZT4E", "gateway is 10.0.0.1, must be HOST:PORT, and the port is missing"),
            (bond.as_str(), "K7QF", "a pairing code has 16 letters and digits, this has 4"),
            (bond.as_str(), "K7QF-2M9X-0V1S-ZT4U", "a pairing code has no 'U'"),
        ] {
            let refusal = tell(&folder, pair(gateway, code)).await.unwrap_err();
            assert!(refusal.ends_with(why), "{refusal}");
        }
        let refusal = tell(&folder, Command::Unpair).await.unwrap_err();
        assert!(refusal.contains("belongs to no gateway"), "{refusal}");

        // Given up, and begun anew by somebody else: who waited is told.
        let given_up = async {
            says(&folder, protocol::Session::Pairing).await;
            assert_eq!(tell(&folder, Command::Unpair).await, Ok(Done::Unpaired));
        };
        let (first, ()) = tokio::join!(tell(&folder, pair(&bond, "K7QF-2M9X-0V1S-ZT4E")), given_up);
        assert!(first.unwrap_err().contains("pairing was given up"));
        says(&folder, protocol::Session::NotPaired).await;

        let (_, answer) = api(http, "POST", "/api/pairings", r#"{"name": "van 3"}"#).await;
        let anew = async {
            says(&folder, protocol::Session::Pairing).await;
            tell(&folder, pair(&bond, answer["code"].as_str().unwrap())).await
        };
        let (first, second) = tokio::join!(tell(&folder, pair(&bond, "K7QF-2M9X-0V1S-ZT4E")), anew);
        assert!(first.unwrap_err().contains("pairing was begun anew"));
        assert!(matches!(second, Ok(Done::Paired(_))), "{second:?}");
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Open)).await;

        assert_eq!(tell(&folder, Command::Unpair).await, Ok(Done::Unpaired));
        says(&folder, protocol::Session::NotPaired).await;
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Ended)).await;
        assert!(!folder.join("gateway.toml").exists());
        // And again, with the same gateway, which knows its key from before.
        let (_, answer) = api(http, "POST", "/api/pairings", r#"{"name": "van 3"}"#).await;
        let done = tell(&folder, pair(&bond, answer["code"].as_str().unwrap())).await;
        assert!(matches!(done, Ok(Done::Paired(_))), "{done:?}");
        assert_eq!(listed(http).await["units"].as_array().unwrap().len(), 1);
    };
    let run = strangers.path().to_owned();
    strangers.run_during(&settings, &run, test).await;
}

#[tokio::test]
async fn the_page_is_told_what_cannot_be() {
    let mut strangers = Strangers::new();
    let http = strangers.gateway.http_address();
    let settings = strangers.unit("");
    let test = async {
        for (body, why) in [
            (r#"{"name": "a#b"}"#, "name is \"a#b\", must be one line of 1 to 64 bytes without #"),
            (r#"{"name": "van 3", "code": "K7QF"}"#, "a pairing code has 16 letters and digits, this has 4"),
        ] {
            let (code, answer) = api(http, "POST", "/api/pairings", body).await;
            assert_eq!((code, answer["error"].as_str()), (400, Some(why)));
        }
        assert_eq!(api(http, "POST", "/api/pairings", "{").await.0, 400);
        for name in ["1", "2", "3", "4", "4"] {
            assert_eq!(api(http, "POST", "/api/pairings", &json!({ "name": name }).to_string()).await.0, 200, "{name}");
        }
        let (code, answer) = api(http, "POST", "/api/pairings", r#"{"name": "5"}"#).await;
        assert_eq!((code, answer["error"].as_str()), (400, Some("4 units are waited for already")));
        assert_eq!(request(http, "DELETE", "/api/pairings/4").await.0, 204);
        assert_eq!(request(http, "DELETE", "/api/pairings/4").await.0, 404);
        assert_eq!(api(http, "POST", "/api/pairings", r#"{"name": "5"}"#).await.0, 200);
        assert_eq!(request(http, "DELETE", "/api/units/12").await.0, 400);
        counted(http, "given_up", 2).await;
    };
    let run = strangers.path().to_owned();
    strangers.run_during(&settings, &run, test).await;
}

#[tokio::test]
async fn units_and_gateways_that_the_settings_name_are_not_forgotten_by_a_command() {
    let pair = common::Pair::open(common::PairSettings::default());
    let (http, folder) = (pair.http, pair.folder.path().to_owned());
    let key = keys::read(&folder.join("unit.key")).unwrap().public();
    let test = async {
        wait_for(http, |status| status.streams.first().is_some_and(|s| s.session == Session::Open)).await;
        for command in [Command::Unpair, self::pair("", "K7QF-2M9X-0V1S-ZT4E")] {
            let refusal = tell(&folder, command).await.unwrap_err();
            assert!(refusal.contains("gateway_key of uplink.toml says"), "{refusal}");
        }
        assert_eq!(request(http, "DELETE", &format!("/api/units/{key}")).await.0, 409);
        assert_eq!(listed(http).await["units"][0]["key"], key.to_string());
    };
    pair.run_during(test).await;
}
