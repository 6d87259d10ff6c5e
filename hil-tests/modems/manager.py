"""ModemManager as Debian has it, on a bus of its own, with an emulated modem; and the modem service that watches it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from sticks import run, until, used_s

HERE = Path(__file__).parent
ROOT, SERVICE = "/org/freedesktop/ModemManager1", "org.freedesktop.ModemManager1"
#: Where ModemManager's test interface puts a modem, and another.
PORT, OTHER = "vmodem0", "vmodem1"


class Bench:
    def __init__(self, folder: Path, binaries: Path):
        self.folder, self.binaries = folder, binaries
        self.processes = {}
        #: Which plugin of ModemManager has the modem of each port.
        self.plugins = {}
        said = self.begin("dbus-daemon", ["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE)
        self.bus = said.stdout.readline().strip()

    def begin(self, name, command, **how):
        log = open(self.folder / f"{name}.log", "a")
        environment = os.environ | {"DBUS_SESSION_BUS_ADDRESS": getattr(self, "bus", ""), "AT_LOG": str(self.folder / "at.log")}
        how = {"stdout": log, "stderr": log, "text": True, "env": environment} | how
        self.processes[name] = subprocess.Popen([str(part) for part in command], **how)
        return self.processes[name]

    def kill(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait()

    def plug(self, port=PORT, plugin="generic", **world):
        """An emulated modem on its line. ModemManager is told of it where it runs."""
        command = [sys.executable, "-B", HERE / "at_modem.py", line(port)]
        modem = self.begin(port, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert modem.stdout.readline() == "ready\n"
        self.plugins[port] = plugin
        self.become(port, **world)
        if "ModemManager" in self.processes:
            self.tell(port)

    def become(self, port=PORT, **world):
        self.processes[port].stdin.write(json.dumps(world) + "\n")
        self.processes[port].stdin.flush()

    def start_manager(self):
        command = ["ModemManager", "--test-session", "--test-enable", "--test-no-udev", "--test-no-qrtr", "--test-no-suspend-resume"]
        self.begin("ModemManager", [*command, "--debug"])
        until("ModemManager is there", lambda: self.ask(f"{SERVICE}", "org.freedesktop.DBus.Peer.Ping", check=False) is not None)
        for port in self.plugins.keys() & self.processes.keys():
            self.tell(port)

    def tell(self, port):
        self.ask(ROOT, f"{SERVICE}.Test.SetProfile", port, self.plugins[port], f"['{line(port)}']")

    def ask(self, path, method, *arguments, check=True):
        path = path if path.startswith("/") else ROOT
        command = ["gdbus", "call", "--address", self.bus, "-d", SERVICE, "-o", path, "-m", method, *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if done.returncode == 0 else None

    def start_modems(self):
        (self.folder / "unit").mkdir(exist_ok=True)
        # It sees to the routes of what it finds: of this machine's own network it shall find nothing.
        command = ["unshare", "--net", self.binaries / "bondbox-modems", "--run-dir", self.folder / "unit", "--state", self.folder, "--bus", self.bus]
        self.begin("bondbox-modems", command)
        until("the service is there", self.state)

    def keep(self, **place):
        """What an operator said of the modem's port before."""
        (self.folder / "kept.json").write_text(json.dumps({"places": {PORT: place}}))

    def state(self):
        shown = subprocess.run([self.binaries / "bondboxctl", "--json", "--run-dir", self.folder / "unit", "modems"], capture_output=True)
        return json.loads(shown.stdout) if shown.returncode == 0 else None

    def words(self):
        """The same as people read it."""
        return run(self.binaries / "bondboxctl", "--run-dir", self.folder / "unit", "modems")

    def used_s(self, name):
        """Seconds of a core that a program of this bench has taken."""
        return used_s(self.processes[name].pid)

    def command(self, *verb):
        """Has the service do something, and gives what it says in the end."""
        return self.answer(self.begin_command(*verb))

    def begin_command(self, *verb):
        command = [self.binaries / "bondboxctl", "--json", "--run-dir", self.folder / "unit", "modems", *verb]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def answer(self, command):
        said, refused = command.communicate()
        return json.loads(said) if command.returncode == 0 else refused

    def modem(self, port=PORT):
        return next((modem for modem in (self.state() or {"modems": []})["modems"] if modem["port"] == port), {})

    def told(self, what):
        """What the modem was told that begins so."""
        log = self.folder / "at.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.removeprefix("b'").partition("' [")[0] for line in lines if line.startswith(f"b'{what}")]

    def asked(self, what):
        """How often it was told something that begins so."""
        return len(self.told(what))

    def close(self):
        for process in reversed(self.processes.values()):
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


def line(port):
    # The name is the kernel's to share: two runs at once must not meet.
    return f"abstract:bondbox-{os.getpid()}-{port}"


__all__ = ["Bench", "OTHER", "PORT", "run", "until"]
