//! The web server of a running gateway.

mod common;

use common::{Events, Pair, PairSettings, get, in_time, request};

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
