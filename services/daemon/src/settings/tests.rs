use std::io::Write;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Example {
    gateway: Option<String>,
    latency_ms: u32,
    link: Vec<String>,
    demo: bool,
    radio: Radio,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Radio {
    floor_kbps: u32,
}

impl Default for Radio {
    fn default() -> Self {
        Self { floor_kbps: 300 }
    }
}

impl Default for Example {
    fn default() -> Self {
        Self { gateway: None, latency_ms: 600, link: Vec::new(), demo: false, radio: Radio::default() }
    }
}

impl Settings for Example {
    fn check(&self, rules: &mut Rules<'_>) {
        rules.given("gateway", self.gateway.is_some());
        rules.range("latency_ms", self.latency_ms, 100..=10_000);
        rules.range("radio.floor_kbps", self.radio.floor_kbps, 100..=1_000);
        rules.holds("link", self.link.len() <= 2, self.link.len(), "at most 2 links");
    }
}

#[derive(Default, Serialize)]
struct Flags {
    gateway: Option<&'static str>,
    latency_ms: Option<u32>,
    link: Vec<&'static str>,
    demo: bool,
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().prefix("example").suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// The refusal of `text` under `flags`, with the file's path cut to `FILE`.
fn refusal(text: &str, flags: &Flags) -> String {
    let file = file(text);
    let error = load::<Example>(Some(file.path()), flags).unwrap_err();
    error.to_string().replace(&file.path().display().to_string(), "FILE")
}

#[test]
fn flags_win_over_the_file_and_the_file_over_the_defaults() {
    let file = file("gateway = \"10.0.0.1:7000\"\nlatency_ms = 400\ndemo = true\nlink = [\"wwan0\"]\n");
    let flags = Flags { latency_ms: Some(1_000), ..Flags::default() };
    let settings: Example = load(Some(file.path()), &flags).unwrap();
    assert_eq!(settings.gateway.as_deref(), Some("10.0.0.1:7000"));
    assert_eq!((settings.latency_ms, settings.demo), (1_000, true));
    assert_eq!(settings.link, ["wwan0"]);
    assert_eq!(settings.radio.floor_kbps, 300);
}

#[test]
fn flags_alone_are_enough() {
    let flags = Flags { gateway: Some("gw:7000"), link: vec!["wwan0", "wwan1"], demo: true, ..Flags::default() };
    let settings: Example = load(None, &flags).unwrap();
    assert_eq!(settings.link, ["wwan0", "wwan1"]);
    assert!(settings.demo);
}

#[test]
fn a_value_out_of_range_is_named_with_file_line_key_value_and_range() {
    let text = "gateway = \"g:1\"\n\nlatency_ms = 50\n[radio]\nfloor_kbps = 20\n";
    let expected =
        "FILE:3: latency_ms is 50, must be 100 to 10000\nFILE:5: radio.floor_kbps is 20, must be 100 to 1000";
    assert_eq!(refusal(text, &Flags::default()), expected);
}

#[test]
fn a_flag_out_of_range_is_named_as_the_flag() {
    let flags = Flags { latency_ms: Some(50), link: vec!["a", "b", "c"], ..Flags::default() };
    let expected = "--latency-ms is 50, must be 100 to 10000\n--link is 3, must be at most 2 links";
    assert_eq!(refusal("gateway = \"g:1\"\nlatency_ms = 600\n", &flags), expected);
}

#[test]
fn what_is_missing_names_both_ways_to_set_it() {
    assert_eq!(
        refusal("latency_ms = 600\n", &Flags::default()),
        "FILE: gateway is missing: set it there or by --gateway"
    );
}

#[test]
fn a_wrong_type_is_named_with_line_key_and_value() {
    let text = "gateway = \"g:1\"\nlatency_ms = \"fast\"\n";
    let expected = "FILE:2: latency_ms is \"fast\": invalid type: string \"fast\", expected u32";
    assert_eq!(refusal(text, &Flags::default()), expected);
    let negative = refusal("[radio]\nfloor_kbps = -5\n", &Flags::default());
    assert!(negative.starts_with("FILE:2: radio.floor_kbps is -5: "), "{negative}");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let refusal = refusal("gateway = \"g:1\"\nlatency = 600\n", &Flags::default());
    assert!(
        refusal.starts_with("FILE:2: unknown field `latency`, expected one of `gateway`, `latency_ms`"),
        "{refusal}"
    );
}

#[test]
fn what_is_not_toml_is_named_with_its_line() {
    let refusal = refusal("gateway = \"g:1\"\nlatency_ms 600\n", &Flags::default());
    assert!(refusal.starts_with("FILE:2: "), "{refusal}");
    assert_eq!(refusal.lines().count(), 1);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load::<Example>(Some(Path::new("/nonexistent/uplink.toml")), &Flags::default()).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/uplink.toml: "), "{error}");
}
