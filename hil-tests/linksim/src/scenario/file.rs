//! The shape of a scenario file, before anybody asks whether its values make sense.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Table;

use crate::model::Family;

/// As written.
pub(super) struct File {
    pub(super) description: String,
    pub(super) links: Vec<RawLink>,
    pub(super) cells: Vec<RawLink>,
    pub(super) events: Vec<RawEvent>,
}

pub(super) struct RawLink {
    pub(super) name: String,
    pub(super) cell: Option<String>,
    pub(super) families: Option<Vec<Family>>,
    pub(super) up: RawDirection,
    pub(super) down: RawDirection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDirection {
    pub(super) rate_kbps: Option<u64>,
    pub(super) delay_ms: f64,
    pub(super) buffer_ms: Option<u64>,
    pub(super) buffer_bytes: Option<u64>,
    #[serde(default)]
    pub(super) jitter_ms: f64,
    #[serde(default)]
    pub(super) reorder: bool,
    #[serde(default)]
    pub(super) loss_percent: f64,
    pub(super) burst_packets: Option<f64>,
    pub(super) mtu_bytes: Option<usize>,
    pub(super) steps: Option<Vec<RawRateStep>>,
    pub(super) walk: Option<RawWalk>,
    pub(super) trace: Option<String>,
    pub(super) outages: Option<RawOutages>,
    #[serde(default)]
    pub(super) delay_steps: Vec<RawDelayStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRateStep {
    pub(super) at_s: f64,
    pub(super) rate_kbps: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDelayStep {
    pub(super) at_s: f64,
    pub(super) extra_ms: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWalk {
    pub(super) min_kbps: u64,
    pub(super) max_kbps: u64,
    pub(super) step_ms: u64,
    pub(super) step_percent: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOutages {
    pub(super) mean_interval_s: f64,
    pub(super) min_ms: u64,
    pub(super) max_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvent {
    pub(super) at_s: f64,
    pub(super) link: String,
    #[serde(rename = "do")]
    pub(super) action: Action,
    pub(super) way: Option<crate::Way>,
    pub(super) family: Option<Family>,
    pub(super) for_s: Option<f64>,
    pub(super) rate_kbps: Option<u64>,
    pub(super) delay_ms: Option<f64>,
    pub(super) loss_percent: Option<f64>,
    pub(super) burst_packets: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Cut,
    Blackhole,
    Restore,
    Rate,
    Delay,
    Loss,
    NatRebind,
}

/// Reads the text; the error says where it departs from the shape.
pub(super) fn parse(text: &str) -> Result<File, String> {
    let top: Top = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let links = top.link.into_iter().enumerate().map(|(index, table)| link(index, table)).collect::<Result<_, _>>()?;
    let cells = top.cell.into_iter().enumerate().map(|(index, mut table)| {
        table.entry("delay_ms").or_insert(toml::Value::Integer(0));
        link(index, table)
    });
    let cells = cells.collect::<Result<_, _>>()?;
    Ok(File { description: top.description, links, cells, events: top.event })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Top {
    #[serde(default)]
    description: String,
    #[serde(default)]
    link: Vec<Table>,
    #[serde(default)]
    cell: Vec<Table>,
    #[serde(default)]
    event: Vec<RawEvent>,
}

/// Splits one `[[link]]` into its directions: what both share, with what each says itself laid over it.
fn link(index: usize, mut table: Table) -> Result<RawLink, String> {
    let anonymous = format!("link {}", index + 1);
    let name = take::<String>(&mut table, "name", &anonymous)?
        .ok_or_else(|| format!("{anonymous}: name is missing, must be an interface name"))?;
    let cell = take(&mut table, "cell", &name)?;
    let families = take(&mut table, "families", &name)?;
    let up = take(&mut table, "up", &name)?.unwrap_or_default();
    let down = take(&mut table, "down", &name)?.unwrap_or_default();
    let (up, down) = (direction(&name, "up", &table, up)?, direction(&name, "down", &table, down)?);
    Ok(RawLink { name, cell, families, up, down })
}

fn direction(link: &str, way: &str, shared: &Table, own: Table) -> Result<RawDirection, String> {
    let mut merged = shared.clone();
    for alternatives in ALTERNATIVES {
        if alternatives.iter().any(|key| own.contains_key(*key)) {
            merged.retain(|key, _| !alternatives.contains(&key));
        }
    }
    merged.extend(own);
    merged.try_into().map_err(|error: toml::de::Error| format!("link {link}, {way}: {}", one_line(&error)))
}

fn take<T: DeserializeOwned>(table: &mut Table, key: &str, place: &str) -> Result<Option<T>, String> {
    let Some(value) = table.remove(key) else { return Ok(None) };
    value.try_into().map(Some).map_err(|error: toml::de::Error| format!("link {place}: {key}: {}", one_line(&error)))
}

/// What is wrong, and in which key.
fn one_line(error: &toml::de::Error) -> String {
    error.to_string().trim_end().replace('\n', " ")
}

/// Keys that stand for each other: naming one in a direction replaces what the link said with another.
const ALTERNATIVES: [&[&str]; 2] = [&["buffer_ms", "buffer_bytes"], &["steps", "walk", "trace"]];
