"""Which interfaces lead inside is said once, in modems.toml: the firewall, the routes and the modem service go by that."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sticks import run, until

OVERLAY = Path(__file__).parents[2] / "overlay"
#: A neighbour behind each, by the third number of its network.
INTERFACES = {"ap0": 1, "eth1": 2, "eth2": 3}
#: Programs of systemd, of which only what they are asked is written down.
SYSTEMD = ["systemctl", "networkctl"]


class Unit:
    """One in a network namespace, with a page on port 80, and somebody at the other end of each interface."""

    def __init__(self, folder: Path, binaries: Path):
        self.folder, self.name = folder, f"bbi{os.getpid()}"
        (folder / "settings").mkdir()
        (folder / "bin").mkdir()
        shutil.copy(binaries / "bondbox-modems", folder / "bin")
        for name in SYSTEMD:
            (program := folder / "bin" / name).write_text(f'#!/bin/sh\necho "$*" >>{folder}/{name}\n')
            program.chmod(0o755)
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        for interface, number in INTERFACES.items():
            far = f"{self.name}-{number}"
            run("ip", "netns", "add", far)
            run("ip", "link", "add", interface, "netns", self.name, "type", "veth", "peer", "name", "far", "netns", far)
            for netns, name, end in [(self.name, interface, 1), (far, "far", 2)]:
                run("ip", "-n", netns, "address", "add", f"10.97.{number}.{end}/24", "dev", name)
                run("ip", "-n", netns, "link", "set", name, "up")
        self.page = subprocess.Popen(["ip", "netns", "exec", self.name, sys.executable, "-m", "http.server", "80"], cwd=folder / "settings")
        # From here on it has a /run of its own.
        (folder / "network").mkdir()
        self.does("nft", "-f", OVERLAY / "usr/lib/bondbox/firewall.nft")

    def close(self):
        self.page.kill()
        self.page.wait()
        for name in [self.name, *(f"{self.name}-{number}" for number in INTERFACES.values())]:
            run("ip", "netns", "delete", name)

    def set_up(self, *inside: str) -> None:
        (self.folder / "settings/modems.toml").write_text(f"inside = {list(inside)}\n".replace("'", '"'))

    def does(self, *command) -> str:
        """Runs a command as on a unit, and gives what it says."""
        run_of_its_own = 'mount -t tmpfs run /run && mkdir -p /run/systemd/network && mount --bind "$1" /run/systemd/network && shift && exec "$@"'
        outer = ["ip", "netns", "exec", self.name, "unshare", "--mount", "sh", "-ec", run_of_its_own, "sh", self.folder / "network"]
        environment = {**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "BONDBOX_SETTINGS": str(self.folder / "settings")}
        done = subprocess.run([*map(str, outer), *map(str, command)], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def apply(self) -> str:
        return self.does(OVERLAY / "usr/libexec/bondbox/inside", "apply")

    def plug(self, interface: str) -> bool:
        """Does what udev has done for it; whether it has routes of its own."""
        self.does(OVERLAY / "usr/libexec/bondbox/link", interface)
        return (self.folder / f"network/30-{interface}.network").exists()

    def asked(self, program: str) -> list[str]:
        log = self.folder / program
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def served(self) -> set[str]:
        """The interfaces at whose other end the page is."""
        ask = "import socket, sys; socket.create_connection((sys.argv[1], 80), timeout=1)"
        far = lambda number: ["ip", "netns", "exec", f"{self.name}-{number}"]
        # Its way is there, whoever is served.
        assert all(not subprocess.run([*far(n), "ping", "-qc1", "-W9", f"10.97.{n}.1"], capture_output=True).returncode for n in INTERFACES.values())
        asking = {name: subprocess.Popen([*far(n), sys.executable, "-c", ask, f"10.97.{n}.1"], stderr=subprocess.DEVNULL) for name, n in INTERFACES.items()}
        return {name for name, process in asking.items() if process.wait() == 0}


@pytest.fixture
def unit(tmp_path, binaries):
    made = Unit(tmp_path, binaries)
    until("a page", lambda: subprocess.run(["ip", "netns", "exec", made.name, "ss", "-Hltn", "sport = 80"], capture_output=True).stdout)
    yield made
    made.close()


def test_what_the_operator_names_serves_and_has_no_routes_and_nothing_else_does(unit):
    assert unit.served() == set(), "before anybody said who is inside"
    unit.set_up("ap0", "eth1")
    unit.apply()
    assert unit.served() == {"ap0", "eth1"}
    assert {name for name in INTERFACES if unit.plug(name)} == {"eth2"}


def test_a_list_that_has_changed_is_gone_by_as_soon_as_the_modem_service_starts_anew(unit):
    unit.set_up("ap0", "eth1")
    unit.apply()
    for name in INTERFACES:
        unit.plug(name)
    unit.asked("systemctl")
    unit.set_up("ap0", "eth2")
    unit.apply()
    assert unit.served() == {"ap0", "eth2"}
    started = [line for line in unit.asked("systemctl") if " start " in line]
    assert sorted(started) == [f"--no-block start bondbox-link@{name}.service" for name in ("eth1", "eth2")]
    assert unit.plug("eth1") and not unit.plug("eth2")
    # What is as it was is left alone: networkd would configure it anew.
    unit.apply()
    assert not [line for line in unit.asked("systemctl") if " start " in line]


def test_a_list_that_is_refused_is_said_and_as_if_nobody_had_set_it_up(unit):
    unit.set_up("eth*")
    assert 'inside is "eth*"' in unit.apply()
    assert unit.served() == {"ap0"}
    assert unit.plug("eth1") and not unit.plug("ap0")


def test_an_interface_that_is_gone_is_no_failure(unit):
    unit.set_up("ap0")
    assert not unit.plug("eth7")
