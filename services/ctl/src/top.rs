//! The unit as it goes on, in a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use crate::ask::Ask;
use crate::show;

/// Until Ctrl-C, or so often.
#[derive(Args)]
pub(crate) struct Top {
    /// End after so many looks.
    #[arg(long)]
    looks: Option<u64>,
    /// Between two looks.
    #[arg(long, default_value_t = 500)]
    every_ms: u64,
}

impl Top {
    pub(crate) async fn run(&self, ask: &Ask, json: bool) -> anyhow::Result<()> {
        ensure!(self.every_ms >= 100, "every_ms is {}, must be at least 100", self.every_ms);
        let mut ticks = tokio::time::interval(Duration::from_millis(self.every_ms));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for look in 0.. {
            if self.looks.is_some_and(|looks| look >= looks) {
                break;
            }
            ticks.tick().await;
            let all = ask.all().await;
            if json {
                // One value a line, for whoever follows.
                show::line(&serde_json::to_string(&all)?);
                continue;
            }
            let mut out = std::io::stdout().lock();
            // Drawn over the look before, each line cleared to its end, and what is below cleared, too: nothing flickers.
            let (home, end, rest) = if out.is_terminal() { ("\x1b[H", "\x1b[K\n", "\x1b[J") } else { ("", "\n", "") };
            let text = show::status(&all).replace('\n', end);
            if write!(out, "{home}{text}{rest}").and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        Ok(())
    }
}
