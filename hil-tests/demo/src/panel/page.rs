//! The panel's page: what its lights show, ten times a second, and what is done to it.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::devices::{Battery, Key, Light, lock};
use super::{Desk, Power, Wish};

pub(super) async fn serve(listener: std::net::TcpListener, desk: Arc<Desk>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/api/state", get(state))
        .route("/api/key", post(key))
        .route("/api/battery", post(battery))
        .route("/api/on", post(on))
        .with_state(desk);
    axum::serve(listener, routes).await
}

/// What the page draws.
#[derive(Serialize)]
struct Shown {
    power: &'static str,
    lights: [Light; 3],
    battery: Battery,
}

#[derive(Deserialize)]
struct Press {
    key: Key,
    down: bool,
}

#[derive(Deserialize)]
struct Charge {
    percent: u8,
    mains: bool,
}

type Answer = Result<(), (StatusCode, String)>;

async fn state(State(desk): State<Arc<Desk>>) -> Json<Shown> {
    let power = match desk.power() {
        Power::On => "on",
        Power::Ending => "ending",
        Power::Off => "off",
    };
    let mut devices = lock(&desk.devices);
    Json(Shown { power, lights: devices.lights(), battery: devices.battery() })
}

async fn key(State(desk): State<Arc<Desk>>, Json(press): Json<Press>) -> Answer {
    // A unit that is off hears nothing.
    if desk.power() == Power::Off {
        return Ok(());
    }
    lock(&desk.devices).key(press.key, press.down).map_err(failed)
}

async fn battery(State(desk): State<Arc<Desk>>, Json(charge): Json<Charge>) -> Answer {
    let Charge { percent, mains } = charge;
    if percent > 100 {
        return Err((StatusCode::BAD_REQUEST, format!("percent is {percent}, must be 0 to 100")));
    }
    lock(&desk.devices).set_battery(Battery { percent, mains }).map_err(failed)
}

async fn on(State(desk): State<Arc<Desk>>) {
    desk.wish(Wish::On);
}

fn failed(error: io::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}
