//! `bondbox-demo`: the whole product on one machine, without hardware.
//!
//! It emulates the links of a scenario between two network namespaces, makes keys, and runs the gateway in one namespace and
//! uplink, capture, modems and panel in the other, each under the settings of its real unit file: restarted, watched and stopped
//! as systemd would. Each link has an emulated modem on its AT port, which Debian's ModemManager serves on a bus of ours and whose
//! signal follows the link. The panel's lights, keys and battery are files like the kernel's, on a page of their own; logind is
//! played, so that a power-off ends the unit's services and nothing else. The gateway's page is reached at
//! `http://localhost:PORT`, the panel at the port after it. However this program ends, the kernel ends its children, and the
//! emulator takes namespaces and devices with it.

mod bus;
mod child;
mod console;
mod forward;
mod life;
mod modems;
mod network;
mod notify;
mod panel;
mod places;
mod plan;
mod policy;
mod radio;
mod report;
mod service;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Runs the whole product on this machine: a live picture over emulated cellular links into a browser.
///
/// Needs root. Ends on Ctrl-C; logs of the services are in target/demo, warnings appear here.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to send: `test`, `/dev/videoN` or a file.
    #[arg(long, default_value = "test")]
    source: String,
    /// The links: a scenario file; without it, three wandering LTE links.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Picture size.
    #[arg(long, default_value = "640x360")]
    size: String,
    /// Frames a second.
    #[arg(long, default_value_t = 25)]
    rate: u32,
    /// The page is at http://localhost:PORT.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The front panel is at http://localhost:PORT; without it, the port after the page's.
    #[arg(long, value_name = "PORT")]
    panel_port: Option<u16>,
    /// Links without modems: ModemManager is not needed then.
    #[arg(long)]
    no_modems: bool,
    /// From the camera's unit to the gateway's output.
    #[arg(long, default_value_t = 1_000)]
    latency_ms: u32,
    /// Record into this folder what comes within 5 s, beside the live picture.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// What the encoder leaves free: `survive_one` for the loss of the largest link, or `none`.
    #[arg(long, default_value = "survive_one")]
    headroom: String,
    /// Several demonstrations run beside each other under several names.
    #[arg(long, default_value = "demo")]
    name: String,
    /// Where logs go; without it, target/demo.
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

fn main() -> ExitCode {
    match supervisor::run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bondbox-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
