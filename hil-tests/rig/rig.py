"""What tests of a whole unit can do to it: switch it off, pull its modems, install updates, watch its stream."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

from labgrid import Environment
from labgrid.consoleloggingreporter import ConsoleLoggingReporter

from served import Served
from unit import Disk, text

#: Everything below takes seconds on a free core. More than this is a hang.
PATIENCE_S = 300


def until(what, check, patience_s=PATIENCE_S, every_s=0.5):
    """Asks `check` again and again until it has something, and returns that."""
    end = time.monotonic() + patience_s
    while not (found := check()):
        assert time.monotonic() < end, f"after {patience_s} s still not: {what() if callable(what) else what}"
        time.sleep(every_s)
    return found


def free_port(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """A gateway outside of the unit, which records what comes in."""

    def __init__(self, folder: Path, binaries: Path):
        folder.mkdir(parents=True)
        self.folder, self.binary = folder, binaries / "bondbox-gateway"
        self.port, http = free_port(socket.SOCK_DGRAM), free_port()
        self.address = f"http://127.0.0.1:{http}"
        self.key = self.say("keygen", "--out", folder / "key")
        self.units = folder / "units"
        self.units.touch()
        (folder / "run").mkdir()
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [
                *[self.binary, "--listen", f"127.0.0.1:{self.port}", "--identity", folder / "key"],
                *["--units", self.units, "--http", f"127.0.0.1:{http}", "--run-dir", folder / "run"],
                *["--record", folder / "recordings"],
            ],
            stderr=self.log.open("wb"),
        )  # fmt: skip
        (folder / "recordings").mkdir(exist_ok=True)

    def say(self, *words) -> str:
        return subprocess.run([self.binary, *words], check=True, capture_output=True, text=True).stdout.strip()

    def pair(self, key: str) -> None:
        self.units.write_text(f"{key} unit\n")
        self.process.send_signal(signal.SIGHUP)

    def status(self) -> dict | None:
        """The stream as the gateway sees it."""
        assert self.process.poll() is None, f"the gateway ended:\n{self.log.read_text()}"
        try:
            with urllib.request.urlopen(f"{self.address}/api/status", timeout=5) as answer:
                streams = json.load(answer)["streams"]
        except OSError:
            return None
        return streams[0] if streams else None

    def delivered(self) -> int:
        """Video units put out so far."""
        status = self.status()
        return sum(track["delivered"] for track in status["tracks"] if track["kind"] == "video") if status else 0

    def lost(self) -> int:
        return self.status()["totals"]["lost"]

    def links(self) -> dict[str, str]:
        status = self.status()
        return {link["name"]: link["state"] for link in status["links"]} if status else {}

    def flows(self, units=100, links=0) -> dict:
        """Waits until so many more units came out, over at least so many links."""
        before = self.delivered()

        def check():
            up = [name for name, state in self.links().items() if state == "up"]
            return self.delivered() >= before + units and len(up) >= links

        until(lambda: f"{units} units over {links} links, but {self.status()}", check)
        return self.status()

    def decode(self) -> list[tuple[int, str]]:
        """Of each recording: how many pictures a decoder makes of it, and what it complains of."""
        found = []
        for path in sorted((self.folder / "recordings").glob("**/*.ts")):
            run = subprocess.run(
                ["ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v", "-show_entries",
                 "stream=nb_read_frames", "-of", "csv=p=0", path], check=True, capture_output=True, text=True)  # fmt: skip
            found.append((int(re.search(r"\d+", run.stdout)[0]), run.stderr))
        assert found, "there is no recording"
        return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Modem:
    """A stick in a port of the unit."""

    def __init__(self, unit, port: int):
        self._unit, self._port, self.name = unit, port, f"usb1-{port}"

    def plug(self) -> None:
        network, device = f"net{self._port}", f"stick{self._port}"
        # Sticks of one kind: the same address for all, and the same router.
        self._unit.qmp("netdev_add", type="user", id=network)
        self._unit.qmp("device_add", driver="usb-net", id=device, netdev=network, bus="xhci.0", port=str(self._port))

    def unplug(self) -> None:
        self._unit.qmp("device_del", id=f"stick{self._port}")
        gone = lambda: "DEVICE_GONE" if not self._unit.has_device(f"stick{self._port}") else None
        until("the stick is gone", gone)
        self._unit.qmp("netdev_del", id=f"net{self._port}")


class Update:
    """Updates from a server outside."""

    def __init__(self, unit, folder: Path):
        self._unit, self._folder = unit, folder
        self.served = Served(folder)

    def install(self, bundle: str) -> str:
        """Has the unit fetch and install it, which must succeed."""
        return self._unit.run(f"rauc install http://10.0.2.2:{self.served.port}/{bundle}", timeout=900)

    def size(self, bundle: str) -> int:
        return (self._folder / bundle).stat().st_size


class Power:
    def __init__(self, unit):
        self._unit = unit

    def on(self) -> None:
        self._unit.driver.on()
        self._unit.stick_in()

    def cut(self) -> None:
        """As when the plug is pulled: nothing is told, nothing is written any more."""
        self._unit.leave_shell()
        self._unit.driver.off()


class Unit:
    """One virtual unit with its disk."""

    def __init__(self, folder: Path, image: Path, yaml: Path, modems=2):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.disk = Disk(image, folder / "disk.img")
        # A card is larger than the image: the rest becomes `data`.
        with self.disk.path.open("r+b") as disk:
            disk.truncate(disk.seek(0, 2) + (256 << 20))
        os.environ["LG_DISK"] = str(self.disk.path)
        self.console = folder / "console_main"
        ConsoleLoggingReporter.start(str(folder))
        self.target = Environment(str(yaml)).get_target("main")
        self.features = set(self.target.env.get_target_features())
        self.driver = self.target.get_driver("QEMUDriver")
        self._shell = None
        self.power = Power(self)
        self.modem = [Modem(self, port + 1) for port in range(modems)]
        self.plugged = list(self.modem)

    def qmp(self, command: str, **arguments):
        return self.driver.monitor_command(command, arguments)

    def has_device(self, name: str) -> bool:
        return any(device["name"] == name for device in self.qmp("qom-list", path="/machine/peripheral"))

    def stick_in(self) -> None:
        for modem in self.plugged:
            modem.plug()

    def set_up(self) -> None:
        """What an operator's set-up leaves in `state`: the unit's key, paired with the gateway, and the settings."""
        tree = self.folder / "state"
        (tree / "settings").mkdir(parents=True)
        (tree / "bondbox-uplink").mkdir()
        key = tree / "bondbox-uplink" / "key"
        self.gateway.pair(self.gateway.say("keygen", "--out", key))
        links = ", ".join(f'"{modem.name}"' for modem in self.modem)
        (tree / "settings" / "uplink.toml").write_text(
            f'gateway = "10.0.2.2:{self.gateway.port}"\ngateway_key = "{self.gateway.key}"\nlink = [{links}]\n'
            'latency_ms = 2000\nstart_bitrate_kbps = 500\nmax_bitrate_kbps = 1000\n'
        )
        # What an emulated processor can encode in real time.
        (tree / "settings" / "capture.toml").write_text(
            'size = "160x90"\nrate = 5\naudio = "none"\nbitrate_kbps = 200\nmax_bitrate_kbps = 1000\n'
        )
        self.disk.fill("state", tree, owner={"bondbox-uplink": (962, 960)})

    def restart(self) -> None:
        """As somebody would who asks it to; comes back when there is a shell."""
        self.run("systemctl reboot")
        self.leave_shell()
        self.come_back()

    def come_back(self) -> None:
        until("a shell", lambda: self.try_run("true")[0] == 0)

    def marked_good(self) -> None:
        """Waits until the unit itself says that it works."""
        log = lambda: self.run("journalctl -u bondbox-health -o cat --no-pager")
        until(log, lambda: "is marked good" in log())

    # -- what goes on inside

    def shell(self):
        if self._shell is None:
            self._shell = self.target.get_driver("ShellDriver")
        return self._shell

    def leave_shell(self) -> None:
        if self._shell is not None:
            self.target.deactivate(self._shell)
            self._shell = None

    def run(self, command: str, timeout=120) -> str:
        """What a command says, which must succeed."""
        lines, _, code = self.shell().run(command, timeout=timeout)
        said = "\n".join(lines)
        assert code == 0, f"{command} ended with {code}:\n{said}"
        return said

    def try_run(self, command: str, timeout=120) -> tuple[int, str]:
        lines, _, code = self.shell().run(command, timeout=timeout)
        return code, "\n".join(lines)

    def slot(self) -> str:
        return self.run("cat /run/bondbox-boot/slot")

    def version(self) -> str:
        return re.search(r"^VERSION_ID=(.*)$", self.run("cat /etc/os-release"), re.M)[1]

    def diagnosis(self) -> str:
        """For a person who reads that a test failed."""
        asked = "systemctl --failed --no-pager; journalctl -b -p notice -o short-monotonic --no-pager | tail -n 60; cat /proc/loadavg"
        try:
            return self.try_run(asked)[1] if self.driver.status else self.said()[-4000:]
        except Exception as error:  # the machine is not where it was expected to be
            return f"{error!r}; its console:\n{self.said()[-4000:]}"

    def said(self) -> str:
        """Everything that its serial line said."""
        return text(self.console)

    def slots_started(self) -> list[str]:
        return re.findall(r"Starting slot (\w)\.", self.said())

    def close(self) -> None:
        if self.driver.status:
            self.power.cut()
        self.target.cleanup()
        ConsoleLoggingReporter.stop()
