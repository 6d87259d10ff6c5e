//! A package for whoever shall find out what went wrong, without a secret in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use bondbox_ipc::uplink::{Command as Tell, Done, Uplink};
use clap::Args;
use serde_json::Value;

use crate::ask::{Ask, Said};
use crate::show;

/// Where it goes, and where it looks.
#[derive(Args)]
pub(crate) struct Support {
    /// The package: a tar file, compressed.
    #[arg(default_value = "bondbox-support.tar.gz")]
    out: PathBuf,
    /// Where settings are.
    #[arg(long, value_name = "DIR", default_value = "/etc/bondbox")]
    settings: PathBuf,
}

impl Support {
    pub(crate) async fn run(&self, ask: &Ask, json: bool) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let into = folder.path().join("bondbox-support");
        fs::create_dir(&into)?;
        let all = ask.all().await;
        let mut state = serde_json::to_value(&all)?;
        hide(&mut state);
        fs::write(into.join("state.json"), serde_json::to_string_pretty(&state)?)?;
        if matches!(all.uplink, Said::State(_)) {
            fs::write(into.join("uplink.trace"), trace(ask).await?)?;
        }
        for (name, command) in COMMANDS {
            fs::write(into.join(name), output_of(command))?;
        }
        if let Ok(files) = fs::read_dir(&self.settings) {
            for file in files.flatten().filter(|file| file.path().extension().is_some_and(|ext| ext == "toml")) {
                let text = fs::read_to_string(file.path()).unwrap_or_else(|error| error.to_string());
                fs::write(into.join(file.file_name()), without_secrets(&text))?;
            }
        }
        pack(folder.path(), &self.out)?;
        let size = fs::metadata(&self.out)?.len();
        show::print(json, &self.out, |out| format!("{} ({} kB)", out.display(), size.div_ceil(1_000)));
        Ok(())
    }
}

/// What happened on the links lately.
async fn trace(ask: &Ask) -> anyhow::Result<Vec<u8>> {
    let mut trace = Vec::new();
    loop {
        let from = u32::try_from(trace.len())?;
        let Done::Trace { total, bytes } = ask.command::<Uplink>(Tell::Trace { from }).await? else {
            bail!("uplink gave another answer than its trace")
        };
        trace.extend_from_slice(&bytes);
        if bytes.is_empty() || trace.len() >= total as usize {
            return Ok(trace);
        }
    }
}

/// What it prints, or why it does not.
fn output_of(command: &[&str]) -> String {
    let output = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output();
    match output {
        Ok(output) => without_secrets(&format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => format!("{}: {error}\n", command.join(" ")),
    }
}

fn pack(folder: &Path, out: &Path) -> anyhow::Result<()> {
    let tar = Command::new("tar").arg("-czf").arg(out).arg("-C").arg(folder).arg("bondbox-support").output();
    let tar = tar.context("tar")?;
    ensure!(tar.status.success(), "tar: {}", String::from_utf8_lossy(&tar.stderr).trim());
    Ok(())
}

/// `text` without the value of any key that sounds like a secret, whatever stands between the two.
fn without_secrets(text: &str) -> String {
    let hidden = |line: &str| {
        let cut = line.find(['=', ':'])?;
        is_secret(&line[..cut]).then(|| format!("{} (left out)", &line[..=cut]))
    };
    text.lines().map(|line| hidden(line).unwrap_or_else(|| line.to_string()) + "\n").collect()
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if is_secret(name) { *value = "(left out)".into() } else { hide(value) }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether what is called so may be one. Too much is hidden rather than too little.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRETS.iter().any(|secret| name.contains(secret))
}

const SECRETS: [&str; 12] =
    ["key", "pin", "puk", "psk", "passw", "secret", "token", "code", "claim", "iccid", "imsi", "equipment"];

const COMMANDS: [(&str, &[&str]); 8] = [
    ("journal.txt", &["journalctl", "--no-pager", "-o", "short-precise", "-n", "20000"]),
    ("kernel.txt", &["dmesg"]),
    ("services.txt", &["systemctl", "--no-pager", "--full", "status", "bondbox-*"]),
    ("failed.txt", &["systemctl", "--no-pager", "--failed"]),
    ("rauc.txt", &["rauc", "status", "--detailed"]),
    ("addresses.txt", &["ip", "address"]),
    ("rules.txt", &["ip", "rule"]),
    ("routes.txt", &["ip", "route", "show", "table", "all"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_and_the_rest_stays() {
        let text = "gateway = \"a:1\"\ngateway_key = \"abc\"\nsim_pin = 1234\nWPA PSK: hunter2\nlatency_ms = 600";
        let hidden = without_secrets(text);
        assert!(hidden.contains("gateway = \"a:1\"") && hidden.contains("latency_ms = 600"));
        for secret in ["abc", "1234", "hunter2"] {
            assert!(!hidden.contains(secret), "{hidden}");
        }
        let mut state = serde_json::json!({"sim": {"iccid": "8949"}, "links": [{"name": "usb1", "psk": "x"}]});
        hide(&mut state);
        assert_eq!(
            state,
            serde_json::json!({"sim": {"iccid": "(left out)"}, "links": [{"name": "usb1", "psk": "(left out)"}]})
        );
    }
}
