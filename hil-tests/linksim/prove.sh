#!/bin/sh
# Proves the link emulator: what ping, iperf3 and time-stamped probes see is what the scenario says. Needs root.
set -eu
cd "$(dirname "$0")"
for tool in ip ping iperf3; do
	command -v "$tool" >/dev/null || { echo "prove.sh: $tool is missing (iproute2, iputils-ping, iperf3)" >&2; exit 1; }
done
cargo build --quiet -p bondbox-linksim --bins
exec cargo run --quiet -p bondbox-linksim --bin bondbox-linksim-prove -- "$@"
