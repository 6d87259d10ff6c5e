//! `/api/demo/links`: the emulated links of a demonstration, through the control socket of `bondbox-linksim`.
//!
//! A command is answered when the emulator's own status shows its effect, or with an error.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Where the emulator is.
#[derive(Clone)]
pub(super) struct Emulator {
    socket: Arc<PathBuf>,
}

/// A link, of all that the emulator says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Link {
    name: String,
    state: LinkState,
    up: Direction,
    down: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LinkState {
    Up,
    Cut,
    Blackhole,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Direction {
    rate_kbps: u64,
    queue_ms: f64,
}

/// Why something did not happen.
pub(super) struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl Emulator {
    pub(super) fn at(socket: PathBuf) -> Self {
        Self { socket: Arc::new(socket) }
    }

    async fn links(&self) -> Result<Vec<Link>, Failure> {
        let mut status = self.ask(&json!({ "cmd": "status" })).await?;
        let links = status.get_mut("links").map(Value::take).unwrap_or_default();
        serde_json::from_value(links).map_err(|error| unreachable(&format!("the emulator's status: {error}")))
    }

    async fn ask(&self, request: &Value) -> Result<Value, Failure> {
        let answer = tokio::time::timeout(ANSWER, self.exchange(request)).await;
        let answer = answer.map_err(|_| unreachable("the emulator does not answer"))?;
        let answer = answer.map_err(|error| unreachable(&format!("{}: {error}", self.socket.display())))?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(Failure(StatusCode::BAD_REQUEST, error.to_owned())),
            None => Ok(answer),
        }
    }

    async fn exchange(&self, request: &Value) -> io::Result<Value> {
        let mut stream = BufReader::new(UnixStream::connect(&*self.socket).await?);
        stream.get_mut().write_all(format!("{request}\n").as_bytes()).await?;
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// `GET /api/demo/links`.
pub(super) async fn links(State(emulator): State<Emulator>) -> Result<Response, Failure> {
    Ok(Json(emulator.links().await?).into_response())
}

/// `POST /api/demo/links/NAME/VERB`.
pub(super) async fn command(
    State(emulator): State<Emulator>,
    Path((name, verb)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let wanted = match verb.as_str() {
        "cut" => LinkState::Cut,
        "blackhole" => LinkState::Blackhole,
        "restore" => LinkState::Up,
        _ => return Err(Failure(StatusCode::NOT_FOUND, format!("no such command: {verb}"))),
    };
    emulator.ask(&json!({ "cmd": verb, "link": name })).await?;
    let seen = tokio::time::timeout(EFFECT, async {
        loop {
            let links = emulator.links().await?;
            if links.iter().any(|link| link.name == name && link.state == wanted) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    let no_effect = || Failure(StatusCode::GATEWAY_TIMEOUT, format!("{verb} {name}: no effect seen"));
    seen.await.map_err(|_| no_effect())??;
    Ok(Json(json!({})).into_response())
}

fn unreachable(why: &str) -> Failure {
    Failure(StatusCode::BAD_GATEWAY, why.to_owned())
}

const ANSWER: Duration = Duration::from_secs(1);
const EFFECT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);
