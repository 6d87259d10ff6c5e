//! The model around real packets: a TUN pair a link between two network namespaces, and one thread that moves packets.
//!
//! ```text
//! namespace of the unit                 this process                namespace of the gateway
//! wwan0 10.66.1.2/30   ── TUN ──  Network: up and down  ── TUN ──  wwan0 10.66.1.1/30
//! wwan1 fd66:2::2/64   ── TUN ──                        ── TUN ──  wwan1 fd66:2::1/64
//! …                                                                lo    10.99.0.1/32, fd99::1/128
//! ```
//!
//! A link has addresses of the families that the scenario gives it, and nothing but what somebody sends goes over it: the
//! kernel looks for no routers, neighbours or duplicates.
//!
//! The gateway's address is reached from the unit over every link: the outgoing interface picks it, else the source
//! address, else the first link. Replies find their link by the unit's address. A cut link loses its carrier on the
//! unit's side, and restored it carries again when the kernel has noticed, mostly within milliseconds and at worst after
//! a second; a link in a blackhole looks fine.

mod addresses;
mod lateness;
mod nat;
mod netns;
mod pump;
mod server;
mod tun;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::Context as _;

use crate::Scenario;
pub use netns::enter as enter_netns;
use pump::Emulator;

/// Where, and how, to emulate a scenario.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to emulate.
    pub scenario: Scenario,
    /// Everything random comes from this.
    pub seed: u64,
    /// Namespace of the unit's side, made here.
    pub unit_netns: String,
    /// Namespace of the gateway's side, made here.
    pub gateway_netns: String,
    /// Where to listen for commands.
    pub control: Option<PathBuf>,
    /// Where to leave the last status.
    pub json_stats: Option<PathBuf>,
    /// Whether to end when nobody holds the other end of standard input any more.
    pub until_stdin_closes: bool,
}

/// Builds everything, calls `ready`, emulates until told to stop, and takes everything down again.
pub fn run(settings: &Settings, ready: impl FnOnce()) -> anyhow::Result<()> {
    let mut emulator = Emulator::build(settings)?;
    ready();
    emulator.run()?;
    if let Some(path) = &settings.json_stats {
        let stats = serde_json::to_string_pretty(&emulator.status())?;
        std::fs::write(path, stats + "\n").with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The gateway's address, reached over every link.
pub const GATEWAY_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);

/// The gateway's address of IPv6, reached over every link that has one.
pub const GATEWAY_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1);

/// The unit's address on the link of this index.
pub fn unit_address(link: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 66, subnet(link), 2)
}

/// The gateway's end of the link of this index.
pub fn gateway_link_address(link: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 66, subnet(link), 1)
}

/// The unit's address of IPv6 on the link of this index.
pub fn unit_address_v6(link: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd66, subnet(link).into(), 0, 0, 0, 0, 0, 2)
}

/// The gateway's end of the link of this index, of IPv6.
pub fn gateway_link_address_v6(link: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd66, subnet(link).into(), 0, 0, 0, 0, 0, 1)
}

/// A scenario has at most 64 links, so this never saturates.
fn subnet(link: usize) -> u8 {
    u8::try_from(link + 1).unwrap_or(u8::MAX)
}
