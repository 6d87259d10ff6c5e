//! `GET /metrics`: the report for Prometheus, in OpenMetrics text.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Shared;
use super::api::{current, not_now};
use crate::report::Report;
use crate::report::status::{LinkState, Session, Stream};

pub(super) async fn metrics(State(shared): State<Shared>) -> Response {
    let Some(report) = current(&shared) else { return not_now() };
    let mut registry = Registry::with_prefix("bondbox");
    registry.register_collector(Box::new(Scrape(report)));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return not_now();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

struct Scrape(Arc<Report>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let report = &*self.0;
        let rejected = report.rejected.iter().map(|(reason, count)| ([("reason", (*reason).to_owned())], *count));
        counters(&mut encoder, "rejected_datagrams", "Datagrams that were not taken", rejected)?;
        let commands = report.commands.iter().map(|(outcome, count)| ([("outcome", (*outcome).to_owned())], *count));
        counters(&mut encoder, "commands", "What units were asked to do, by how it ended", commands)?;
        let pairings = report.pairings.iter().map(|(outcome, count)| ([("outcome", (*outcome).to_owned())], *count));
        counters(&mut encoder, "pairings", "Units that were waited for, by what came of it", pairings)?;
        let none: [(&str, String); 0] = [];
        counters(&mut encoder, "unsent_datagrams", "Answers that the system did not send", [(none, report.unsent)])?;
        self.streams(&mut encoder)?;
        self.tracks(&mut encoder)?;
        self.links(&mut encoder)
    }
}

impl Scrape {
    fn streams(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let streams = || self.0.status.streams.iter().map(|stream| (of_stream(stream), stream));
        let gauge = |get: fn(&Stream) -> f64| streams().map(move |(labels, stream)| (labels, get(stream)));
        gauges(encoder, "session_open", "Whether media flows", gauge(|s| flag(s.session == Session::Open)))?;
        gauges(encoder, "session_uptime_seconds", "Since the session opened", gauge(|s| s.uptime_s))?;
        gauges(encoder, "delay_seconds", "From the camera to the output", gauge(|s| s.delay.total_ms / 1e3))?;
        gauges(encoder, "latency_seconds", "From the unit to the live output", gauge(|s| s.latency_ms / 1e3))?;
        let lost = streams().filter_map(|(labels, s)| Some((labels, s.recording?.late + s.recording?.lost)));
        counters(encoder, "recording_lost_units", "Units that are not in the recording", lost)?;
        gauges(encoder, "received_bits_per_second", "Over all links", gauge(|s| s.wire.received_bps as f64))?;
        gauges(encoder, "wire_cost", "Bytes on the wire by bytes of media", gauge(|s| s.wire.cost))?;
        let encoders = || gauge(|s| s.encoder.map_or(0.0, |encoder| encoder.target_bps as f64));
        gauges(encoder, "encoder_target_bits_per_second", "What the encoder was told", encoders())?;
        let encoders = || gauge(|s| s.encoder.map_or(0.0, |encoder| encoder.actual_bps as f64));
        gauges(encoder, "encoder_actual_bits_per_second", "What came from the encoder", encoders())?;
        let outputs = self.0.status.streams.iter().map(of_stream).zip(&self.0.outputs);
        let outputs: Vec<_> = outputs.collect();
        let viewers = outputs.iter().map(|(labels, output)| (labels.clone(), output.viewers as f64));
        gauges(encoder, "viewers", "Who watches the live stream", viewers)?;
        let lost = outputs.iter().flat_map(|(labels, output)| {
            let reasons = [
                ("unwritable", output.unwritable),
                ("before_keyframe", output.before_keyframe),
                ("datagram_dropped", output.datagrams_dropped),
                ("recording_dropped", output.recording_dropped),
                ("recording_unwritable", output.recording_unwritable),
                ("viewer_skipped", output.viewers_skipped),
            ];
            reasons.map(|(reason, count)| (with(labels.clone(), "reason", reason), count))
        });
        counters(encoder, "output_losses", "What was delivered and did not come out everywhere", lost)
    }

    fn tracks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let units = self.0.status.streams.iter().flat_map(|stream| {
            stream.tracks.iter().flat_map(|track| {
                let labels = with(of_stream(stream), "track", &track.id.to_string());
                let fates = [
                    ("delivered", track.delivered),
                    ("late", track.late),
                    ("repaired", track.repaired),
                    ("lost", track.lost),
                ];
                fates.map(|(fate, count)| (with(labels.clone(), "fate", fate), count))
            })
        });
        counters(encoder, "units", "What became of a track's units; repaired ones are among the delivered", units)
    }

    fn links(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let links: Vec<_> = self
            .0
            .status
            .streams
            .iter()
            .flat_map(|stream| stream.links.iter().map(|link| (with(of_stream(stream), "link", &link.name), link)))
            .collect();
        let gauge = |get: fn(&crate::report::status::Link) -> f64| {
            links.iter().map(move |(labels, link)| (labels.clone(), get(link)))
        };
        gauges(encoder, "link_up", "Whether the link carries media", gauge(|l| flag(l.state == LinkState::Up)))?;
        gauges(encoder, "link_received_bits_per_second", "Over the last second", gauge(|l| l.rate_bps as f64))?;
        gauges(encoder, "link_capacity_bits_per_second", "As proven", gauge(|l| l.capacity_bps as f64))?;
        gauges(encoder, "link_round_trip_seconds", "Without queue", gauge(|l| l.rtt_ms / 1e3))?;
        gauges(encoder, "link_queue_seconds", "Standing queue", gauge(|l| l.queue_ms / 1e3))?;
        gauges(encoder, "link_loss_ratio", "Before repair", gauge(|l| l.loss_percent / 1e2))?;
        let lost = links.iter().map(|(labels, link)| (labels.clone(), link.lost));
        counters(encoder, "link_lost_packets", "Before repair", lost)
    }
}

type Labels = Vec<(&'static str, String)>;

fn of_stream(stream: &Stream) -> Labels {
    vec![("stream", stream.name.clone()), ("unit", stream.unit.clone())]
}

fn with(mut labels: Labels, name: &'static str, value: &str) -> Labels {
    labels.push((name, value.to_owned()));
    labels
}

const fn flag(set: bool) -> f64 {
    if set { 1.0 } else { 0.0 }
}

fn counters<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauges<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, f64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
