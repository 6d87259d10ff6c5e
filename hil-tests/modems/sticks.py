"""A unit with sticks, in network namespaces: each stick is a router of its own with a network behind it.

            unit ── veth ── stick (router, relay) ── veth ── gateway

Sticks of one kind have one MAC address on the unit's side, name one router and lease one address. What a stick's network
translates (NAT) a relay does here: it takes what is sent to the gateway's address, counts it, and sends it on.
"""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

#: As the unit knows the gateway, on every stick.
GATEWAY = ("10.99.0.1", 7000)
INGEST, DELIVER = 9000, 9001
#: As a unit sets it.
SYSCTL = Path(__file__).parents[2] / "overlay/usr/lib/sysctl.d/60-bondbox.conf"
#: What one stick takes: half of what the tests send, so that no link stands idle.
RATE_OF_A_STICK = "900kbit"
#: Longer than anything takes that works.
HANG_S = 90


def run(*command, check=True) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"
    return done.stdout


def until(what, true, hang_s=HANG_S):
    """Waits for something to become true, and gives how long that took."""
    start = time.monotonic()
    while True:
        seen = true()
        if seen:
            return time.monotonic() - start
        assert time.monotonic() - start < hang_s, f"{what}: not within {hang_s} s"
        time.sleep(0.05)


def used_s(pid):
    """Seconds of a core that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


class Stick:
    """One stick: what it leases, and what went through it."""

    def __init__(self, number, mac, router, leased):
        self.number, self.mac, self.router, self.leased = number, mac, router, leased
        self.name = f"stick{number}"


class Sticks:
    def __init__(self, folder: Path, binaries: Path):
        self.folder, self.binaries = folder, binaries
        self.mark = f"bbm{os.getpid()}"
        self.unit, self.far = f"{self.mark}-unit", f"{self.mark}-far"
        self.processes = {}
        self.relays = {}
        self.all = [
            Stick(1, "02:00:00:00:00:01", "192.168.8.1", "192.168.8.100"),
            Stick(2, "02:00:00:00:00:01", "192.168.8.1", "192.168.8.100"),
            Stick(3, "02:00:00:00:00:03", "192.168.9.1", "192.168.9.50"),
            Stick(4, "02:00:00:00:00:04", "10.42.0.1", "10.42.0.7"),
        ]
        for name in [self.unit, self.far]:
            self.add(name)
        for stick in self.all:
            self.build(stick)

    def add(self, name):
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        for line in SYSCTL.read_text().splitlines():
            if line.startswith("net."):
                run("ip", "netns", "exec", name, "sysctl", "-qw", line.replace(" ", ""))

    def inside(self, stick):
        return f"{self.mark}-{stick.name}"

    def build(self, stick):
        """The router, and what is behind it. The unit's side is plugged in later."""
        inside, wan = self.inside(stick), f"10.98.{stick.number}"
        self.add(inside)
        run("ip", "link", "add", f"w{os.getpid()}", "netns", inside, "type", "veth", "peer", "name", stick.name, "netns", self.far)
        run("ip", "-n", inside, "link", "set", f"w{os.getpid()}", "name", "wan", "up")
        run("ip", "-n", inside, "addr", "add", f"{wan}.2/24", "dev", "wan")
        run("tc", "-n", inside, "qdisc", "add", "dev", "wan", "root", "tbf", "rate", RATE_OF_A_STICK, "burst", "4k", "latency", "300ms")
        run("ip", "-n", self.far, "link", "set", stick.name, "up")
        run("ip", "-n", self.far, "addr", "add", f"{wan}.1/24", "dev", stick.name)
        run("ip", "-n", inside, "addr", "add", f"{GATEWAY[0]}/32", "dev", "lo")
        self.relays[stick.number] = self.helper(inside, "relay", f"{wan}.1")

    def plug(self, stick, lease=True):
        """Plugs it in, as a kernel would; then it gets its address, as a DHCP client sets it."""
        inside = self.inside(stick)
        run("ip", "link", "add", f"u{os.getpid()}", "netns", self.unit, "type", "veth", "peer", "name", "lan", "netns", inside)
        run("ip", "-n", inside, "addr", "add", f"{stick.router}/24", "dev", "lan")
        run("ip", "-n", inside, "link", "set", "lan", "up")
        unit = ["ip", "-n", self.unit]
        run(*unit, "link", "set", f"u{os.getpid()}", "address", stick.mac, "name", stick.name)
        run(*unit, "link", "set", stick.name, "up")
        if lease:
            self.lease(stick)

    def lease(self, stick):
        unit = ["ip", "-n", self.unit]
        run(*unit, "addr", "add", f"{stick.leased}/24", "dev", stick.name)
        run(*unit, "route", "add", "default", "via", stick.router, "dev", stick.name, "metric", 2000 + stick.number)

    def asks_for_the_unit(self, stick) -> str:
        """What the stick knows of who has the address that it leased, after it has forgotten it and asked anew."""
        inside = self.inside(stick)
        run("ip", "-n", inside, "neigh", "flush", "dev", "lan")
        ask = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'', ('{stick.leased}', 9))"
        run("ip", "netns", "exec", inside, sys.executable, "-c", ask)
        known = lambda: run("ip", "-n", inside, "neigh", "show", stick.leased, "dev", "lan")  # noqa: E731
        until("an answer, or none", lambda: "INCOMPLETE" not in known())
        return known()

    def unplug(self, stick):
        run("ip", "-n", self.unit, "link", "del", stick.name)

    def helper(self, netns, *arguments):
        """One of the small programs below, which says a line when it is ready and one a tenth of a second after."""
        command = ["ip", "netns", "exec", netns, sys.executable, "-B", __file__, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.processes[f"{netns} {arguments}"] = process
        return Said(process)

    def start(self, name, netns, *arguments):
        log = open(self.folder / f"{name}.log", "a")
        command = ["ip", "netns", "exec", netns, self.binaries / name, *map(str, arguments)]
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait()

    def start_modems(self):
        (self.folder / "unit").mkdir(exist_ok=True)
        also = [part for stick in self.all for part in ["--also", stick.name]]
        self.start("bondbox-modems", self.unit, "--run-dir", self.folder / "unit", "--state", self.folder, *also)

    def start_bond(self):
        """Uplink and gateway, and nothing in the uplink's settings that names a link."""
        keys = {}
        for name in ["bondbox-uplink", "bondbox-gateway"]:
            keys[name] = run(self.binaries / name, "keygen", "--out", self.folder / f"{name}.key").strip()
        self.start(
            "bondbox-gateway", self.far, "--run-dir", self.folder / "far", "--identity", self.folder / "bondbox-gateway.key",
            "--listen", f"0.0.0.0:{GATEWAY[1]}", "--latency-ms", 2000, "--unit", keys["bondbox-uplink"],
            "--deliver", f"udp://127.0.0.1:{DELIVER}", "--http", "127.0.0.1:0",
        )  # fmt: skip
        self.start(
            "bondbox-uplink", self.unit, "--run-dir", self.folder / "unit", "--identity", self.folder / "bondbox-uplink.key",
            "--gateway", f"{GATEWAY[0]}:{GATEWAY[1]}", "--gateway-key", keys["bondbox-gateway"],
            "--latency-ms", 2000, "--ingest", f"udp://127.0.0.1:{INGEST}",
        )  # fmt: skip

    def state(self):
        """What the modem service serves; nothing while it is not there."""
        shown = subprocess.run([self.binaries / "bondboxctl", "--json", "--run-dir", self.folder / "unit", "modems"], capture_output=True)
        return json.loads(shown.stdout) if shown.returncode == 0 else None

    def command(self, *verb):
        """What an operator says of modems and links, and what is answered."""
        return json.loads(run(self.binaries / "bondboxctl", "--json", "--run-dir", self.folder / "unit", "modems", *verb))

    def link(self, stick):
        state = self.state() or {"links": []}
        return next((link for link in state["links"] if link["name"] == stick.name), {})

    def close(self):
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        for name in run("ip", "netns", "list").split():
            if name.startswith(f"{self.mark}-"):
                run("ip", "netns", "del", name)


class Said:
    """The last line that a helper said, as JSON."""

    def __init__(self, process):
        self.process, self.line = process, None
        # All the time: a helper that nobody listens to stands still when its pipe is full.
        threading.Thread(target=self.listen, daemon=True).start()
        until("a helper is ready", self.last, 20)

    def listen(self):
        for line in self.process.stdout:
            self.line = json.loads(line)

    def last(self):
        return self.line


def say(**what):
    print(json.dumps(what), flush=True)


def relay(far):
    """A stick's NAT: what comes for the gateway goes on from a port of its own, and answers go back to who asked."""
    inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inner.bind(GATEWAY)
    outer, by_client = {}, {}
    count, told = 0, 0
    while True:
        if time.monotonic() - told > 0.1:
            told = time.monotonic()
            say(passed=count, clients=len(by_client))
        readable, _, _ = select.select([inner, *outer], [], [], 0.1)
        for ready in readable:
            if ready is inner:
                datagram, client = inner.recvfrom(4096)
                if client not in by_client:
                    by_client[client] = fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    fresh.connect((far, GATEWAY[1]))
                    # What select saw may be an error that a send has taken since: nothing may wait here.
                    fresh.setblocking(False)
                    outer[fresh] = client
                count += 1
                with suppress(OSError):
                    by_client[client].send(datagram)
            else:
                with suppress(OSError):
                    inner.sendto(ready.recv(4096), outer[ready])


def source(rate):
    """Numbered datagrams at a steady pace, for ever."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    number, start, told = 0, time.monotonic(), 0
    while True:
        with suppress(ConnectionRefusedError):
            out.sendto(struct.pack(">Q", number) + bytes(992), ("127.0.0.1", INGEST))
        number += 1
        if time.monotonic() - told > 0.1:
            told = time.monotonic()
            say(sent=number)
        time.sleep(max(0.0, start + number / float(rate) - time.monotonic()))


def sink():
    """Which numbers came, and which are missing between the first and the last."""
    into = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    into.bind(("127.0.0.1", DELIVER))
    into.settimeout(0.1)
    came, told = set(), 0
    while True:
        with suppress(TimeoutError):
            came.add(struct.unpack(">Q", into.recv(2048)[:8])[0])
        if time.monotonic() - told > 0.1:
            told = time.monotonic()
            first, last = (min(came), max(came)) if came else (0, 0)
            missing = sorted(set(range(first, last + 1)) - came) if came else []
            say(came=len(came), first=first, last=last, missing=missing[:20])


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    {"relay": relay, "source": source, "sink": sink}[sys.argv[1]](*sys.argv[2:])
