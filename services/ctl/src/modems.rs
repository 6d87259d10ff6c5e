//! What the modem service can be told, as verbs.

use std::str::FromStr;

use anyhow::{Context as _, anyhow};
use bondbox_ipc::modems::{Access, Band, Command, IpFamily, Modems, Plan, Secret, Step, Usage};
use bondbox_units::Bitrate;
use clap::{Args, Subcommand, ValueEnum, value_parser};

use crate::ask::Ask;

/// Without a verb it shows them.
#[derive(Args)]
pub(crate) struct Verb {
    #[command(subcommand)]
    verb: Option<Told>,
}

/// PORT is that of a modem or a link, as `modems` shows it.
#[derive(Subcommand)]
enum Told {
    /// Give modems of one operator bands of their own, one modem after the other; it takes minutes.
    Spread,
    /// Unlock the SIM; its PIN is kept for the next time it asks.
    Pin {
        port: String,
        /// 4 to 8 digits; without it, the first line of standard input, which no list of processes shows.
        pin: Option<String>,
    },
    /// Connect with this from now on; what is not said is left to the modem and the network.
    Access(AccessTold),
    /// Let the modem use these bands only, or all of its bands without any.
    Lock {
        port: String,
        /// B3 of LTE, n78 of NR, legacy1 of older networks.
        bands: Vec<BandTold>,
    },
    /// Take this step of recovery now.
    Recover { port: String, step: StepTold },
    /// Call what is plugged in there so.
    Name {
        port: String,
        label: String,
        /// RRGGBB; without it, the colour that it has.
        #[arg(long, value_parser = colour)]
        colour: Option<Colour>,
    },
    /// Use the link so from now on; what is not said is as for a link of which nothing was ever said.
    Usage(UsageTold),
    /// What this SIM's contract has a month; without it, that there is nothing to count against.
    Plan {
        /// As `modems` shows it: the SIM's number, or port: and the port of what has none.
        iccid: String,
        megabytes: Option<u64>,
        /// The day that a month begins.
        #[arg(long, default_value_t = 1, value_parser = value_parser!(u8).range(1..=28))]
        day: u8,
    },
    /// What this SIM has carried this month, as its bill says.
    Used { iccid: String, megabytes: u64 },
}

#[derive(Args)]
struct AccessTold {
    port: String,
    /// The access point's name.
    #[arg(long, default_value = "")]
    apn: String,
    #[arg(long, default_value = "")]
    user: String,
    /// With - it is the first line of standard input, which no list of processes shows.
    #[arg(long, default_value = "")]
    password: String,
    /// In other networks than its own, too.
    #[arg(long)]
    roaming: bool,
    /// The addresses that are asked for; without it both families, and one of them where that is refused.
    #[arg(long)]
    family: Option<FamilyTold>,
}

#[derive(Args)]
struct UsageTold {
    port: String,
    /// Not at all.
    #[arg(long)]
    off: bool,
    /// Never for more.
    #[arg(long)]
    cap_kbps: Option<u64>,
    /// Each step keeps data away as long as a cheaper link does nearly as well.
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u8).range(0..=7))]
    cost: u8,
    /// Only when the others would be late.
    #[arg(long)]
    backup: bool,
    /// Mark of its packets.
    #[arg(long, value_parser = value_parser!(u8).range(0..=63))]
    dscp: Option<u8>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FamilyTold {
    Ipv4,
    Ipv6,
    Ipv4v6,
}

#[derive(Clone, Copy, ValueEnum)]
enum StepTold {
    /// End its bearer and ask for another.
    Reconnect,
    /// Have ModemManager reset it.
    Reset,
    /// Have the kernel let go of the device and take it again.
    Authorize,
    /// Cut its port's power for some seconds.
    Power,
}

#[derive(Clone, Copy)]
struct BandTold(Band);

type Colour = [u8; 3];

/// How bands of a kind begin, and what makes one of a number.
type Kind = (&'static str, fn(u16) -> Band);

impl Verb {
    pub(crate) const fn patience_s(&self) -> u64 {
        match self.verb {
            // A modem may look for a network for a minute and a half, and there are several.
            Some(Told::Spread) => 1_800,
            // The service itself gives up after two minutes.
            Some(Told::Pin { .. } | Told::Access(_) | Told::Lock { .. } | Told::Recover { .. }) => 130,
            _ => 30,
        }
    }

    /// What to tell the service, if it is to be told anything.
    ///
    /// # Errors
    /// Where standard input or the service has not what is missing.
    pub(crate) async fn command(self, ask: &Ask) -> anyhow::Result<Option<Command>> {
        let Some(told) = self.verb else { return Ok(None) };
        Ok(Some(match told {
            Told::Spread => Command::SpreadBands,
            Told::Pin { port, pin } => {
                let pin = pin.map_or_else(|| read_line("PIN"), Ok)?;
                Command::EnterPin { port, pin: Secret(pin) }
            }
            Told::Access(AccessTold { port, apn, user, password, roaming, family }) => {
                let password = if password == "-" { read_line("password")? } else { password };
                let family = family.map(|family| match family {
                    FamilyTold::Ipv4 => IpFamily::Ipv4,
                    FamilyTold::Ipv6 => IpFamily::Ipv6,
                    FamilyTold::Ipv4v6 => IpFamily::Ipv4v6,
                });
                let access = Access { apn, user, password: Secret(password), roaming, family };
                Command::SetAccess { port, access }
            }
            Told::Lock { port, bands } => {
                Command::LockBands { port, bands: bands.into_iter().map(|BandTold(band)| band).collect() }
            }
            Told::Recover { port, step } => Command::Recover {
                port,
                step: match step {
                    StepTold::Reconnect => Step::Reconnect,
                    StepTold::Reset => Step::Reset,
                    StepTold::Authorize => Step::Authorize,
                    StepTold::Power => Step::Power,
                },
            },
            Told::Name { port, label, colour } => {
                let colour = match colour {
                    Some(colour) => colour,
                    None => {
                        let state = ask.state::<Modems>().await?;
                        let link = state.links.iter().find(|link| link.port == port);
                        link.with_context(|| format!("no link is in port {port:?}: --colour has to be given"))?.colour
                    }
                };
                Command::Name { port, label, colour }
            }
            Told::Usage(UsageTold { port, off, cap_kbps, cost, backup, dscp }) => {
                let usage = Usage { off, cap: cap_kbps.map(Bitrate::from_kbps), cost, backup, dscp };
                Command::SetUsage { port, usage }
            }
            Told::Plan { iccid, megabytes, day } => {
                let plan = megabytes.map(bytes).transpose()?.map(|bytes| Plan { bytes, day });
                Command::SetPlan { iccid, plan }
            }
            Told::Used { iccid, megabytes } => Command::SetUsed { iccid, bytes: bytes(megabytes)? },
        }))
    }
}

fn bytes(megabytes: u64) -> anyhow::Result<u64> {
    megabytes.checked_mul(1_000_000).with_context(|| format!("{megabytes} MB are more than can be counted"))
}

fn read_line(what: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).with_context(|| format!("no {what} on standard input"))?;
    Some(line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .ok_or_else(|| anyhow!("no {what} on standard input"))
}

impl FromStr for BandTold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let read = |(kind, band): &Kind| Some(band(lower.strip_prefix(kind)?.parse().ok()?));
        KINDS.iter().find_map(read).map(Self).ok_or_else(|| "must be like B3, n78 or legacy1".into())
    }
}

fn colour(text: &str) -> Result<Colour, String> {
    let number = u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| text.len() == 6 && text.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let [_, red, green, blue] = number.ok_or("must be six hexadecimal digits, RRGGBB")?.to_be_bytes();
    Ok([red, green, blue])
}

const KINDS: [Kind; 3] = [("b", Band::Lte), ("n", Band::Nr), ("legacy", Band::Legacy)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_and_colours_are_read_as_people_write_them() {
        let band = |text: &str| text.parse::<BandTold>().map(|BandTold(band)| band).ok();
        assert_eq!(
            ["B3", "b20", "n78", "legacy1"].map(band),
            [Band::Lte(3), Band::Lte(20), Band::Nr(78), Band::Legacy(1)].map(Some)
        );
        assert_eq!(["3", "B", "B-3", "x7", "B70000"].map(band), [None; 5]);
        assert_eq!(colour("0072b2"), Ok([0x00, 0x72, 0xb2]));
        assert!(["72b2", "0072b2ff", "+072b2", "green "].iter().all(|text| colour(text).is_err()));
    }
}
