//! Who may send: units that are paired, those that are waited for, and letting in and taking out.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bondbox_bond::{PairingCode, PublicKey};
use serde::Deserialize;
use serde_json::json;

use super::api::{failed, not_now};
use super::{Request, Shared};

/// `GET /api/units`: `{"units": [{"key", "name"}], "pairings": [{"name", "left_s"}]}`.
pub(super) async fn list(State(shared): State<Shared>) -> Response {
    match shared.ask(|answer| Request::Units { answer }).await {
        Some(Ok(listed)) => ([(header::CACHE_CONTROL, "no-store")], Json(listed)).into_response(),
        Some(Err(error)) => failed(StatusCode::INTERNAL_SERVER_ERROR, &error),
        None => not_now(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    code: String,
}

/// `POST /api/pairings` with `{"name": NAME, "code": CODE}`: the next unit that knows the code is let in and called so. Without a code
/// one is made and answered: `{"name", "left_s", "code"}`.
pub(super) async fn pair(State(shared): State<Shared>, Json(wanted): Json<Wanted>) -> Response {
    let Wanted { name, code } = wanted;
    let given = !code.trim().is_empty();
    let code = match if given { code.parse() } else { Ok(PairingCode::generate()) } {
        Ok(code) => code,
        Err(error) => return failed(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let shown = (!given).then(|| code.to_string());
    match shared.ask(|answer| Request::Pair { name, code, answer }).await {
        Some(Ok(pairing)) => {
            let body = json!({ "name": pairing.name, "left_s": pairing.left_s, "code": shown });
            ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
        Some(Err(error)) => failed(StatusCode::BAD_REQUEST, &error),
        None => not_now(),
    }
}

/// `DELETE /api/pairings/NAME`: that unit is waited for no more.
pub(super) async fn give_up(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let asked = name.clone();
    match shared.ask(|answer| Request::GiveUp { name, answer }).await {
        Some(true) => StatusCode::NO_CONTENT.into_response(),
        Some(false) => failed(StatusCode::NOT_FOUND, &format!("no unit is waited for that would be called {asked}")),
        None => not_now(),
    }
}

/// `DELETE /api/units/KEY`: that unit may send no more, and its sessions end.
pub(super) async fn revoke(State(shared): State<Shared>, Path(key): Path<String>) -> Response {
    let key: PublicKey = match key.parse() {
        Ok(key) => key,
        Err(error) => return failed(StatusCode::BAD_REQUEST, &format!("{error}")),
    };
    match shared.ask(|answer| Request::Revoke { key, answer }).await {
        Some(Ok(true)) => StatusCode::NO_CONTENT.into_response(),
        Some(Ok(false)) => failed(StatusCode::NOT_FOUND, &format!("no unit {}", key.fingerprint())),
        Some(Err(error)) => failed(StatusCode::CONFLICT, &error),
        None => not_now(),
    }
}
