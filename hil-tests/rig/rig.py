"""What tests of a whole unit see of it: its power, modems, panel, battery, picture and disk, and a shell inside.

The same tests play on a virtual unit (virtual.py) and on a board on a bench (board.py); the labgrid environment says which it
is, what it can do (`features`), and what is true of it alone (`options`).
"""

import json
import re
from abc import ABC, abstractmethod
from pathlib import Path

from labgrid.consoleloggingreporter import ConsoleLoggingReporter
from labgrid.driver.exception import ExecutionError
from pexpect import TIMEOUT

from patience import PATIENCE_S, until
from unit import text

# An emulated firmware takes 15 s on a busy machine.
FIRMWARE_S = 120


class Power(ABC):
    """What a unit lives on."""

    @abstractmethod
    def on(self, clock: str | None = None) -> None:
        """Switches it on, with its clock at the real time or, where the rig has a `clock`, at the one given: 1970-01-01."""

    @abstractmethod
    def cut(self) -> None:
        """As when the plug is pulled: nothing is told, nothing is written any more."""

    @abstractmethod
    def goes_off(self) -> None:
        """Waits until the unit has switched itself off, and pulls the plug then."""


class Modem(ABC):
    """A stick in a port of the unit."""

    #: Of its link, which is named after the port.
    name: str

    @abstractmethod
    def plug(self) -> None: ...

    @abstractmethod
    def unplug(self) -> None:
        """Returns when it is gone."""


class Hdmi(ABC):
    """The picture that comes in."""

    #: Where the unit captures it from.
    DEVICE = "/dev/video0"

    @abstractmethod
    def plug_in(self) -> None:
        """There is a signal, of a source that was not there before."""

    @abstractmethod
    def lose(self) -> None: ...

    @abstractmethod
    def come_back(self) -> None: ...


class Button(ABC):
    """A key of the front panel, and the finger on it."""

    def press(self) -> None:
        self.hold(0.1)

    @abstractmethod
    def hold(self, seconds: float) -> None: ...


class Light(ABC):
    """A light of the front panel, as an eye sees it."""

    @abstractmethod
    def seen(self) -> set[bool]:
        """Whether it is lit, looked at again and again for more than a blink of the slowest."""

    def shows(self) -> str:
        """What it does: dark, lit, or blinks."""
        seen = self.seen()
        return {False: "dark", True: "lit"}[seen.pop()] if len(seen) == 1 else "blinks"


class Battery(ABC):
    """The pack of the unit, and its mains."""

    @abstractmethod
    def mains(self, there: bool) -> None: ...

    @abstractmethod
    def set(self, percent: int) -> None:
        """What is left in the pack: to the percent, or as near as a gauge comes to it."""


class Panel:
    """The front panel."""

    def __init__(self, unit, button, light):
        """`button` and `light` make those of a name."""
        self._unit = unit
        self.start, self.select = button("start"), button("select")
        self.air, self.link, self.power = light("air"), light("link"), light("power")

    def state(self) -> dict:
        """As its service serves it."""
        return json.loads(self._unit.run("bondboxctl --json panel status"))

    def means(self, meaning: str) -> None:
        """Waits until the lights mean this."""
        until(lambda: f"{meaning}: {self.state()}", lambda: self.state()["meaning"] == meaning)

    def charge(self) -> float | None:
        """Percent of the pack, as the unit has read it."""
        permille = (self.state()["battery"] or {}).get("charge_permille")
        return permille and permille / 10


class Unit(ABC):
    """One unit with its disk: what both kinds have. The rest is its kind's to set: `power`, `disk`, `modem`, `hdmi`, `panel`, `battery`."""

    def __init__(self, folder: Path, environment, console):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        ConsoleLoggingReporter.start(str(folder))
        self.target = environment.get_target("main")
        self.features = set(environment.get_target_features())
        self._options = environment.config.data["targets"]["main"]["options"]
        #: How it reaches this machine: gateway and updates are there.
        self.outside = self.option("outside")
        assert self.outside, "LG_OUTSIDE is empty, must be the address at which units reach this machine"
        #: What its serial line says when a slot is chosen, whose name is in brackets.
        self.starts = self.option("starts", r"Starting slot (\w)\.")
        self.driver = self.target.get_driver(console)
        self.console = folder / "_".join(filter(None, ["console", self.target.name, self.driver.name]))
        self._shell = None

    @property
    def plugged(self) -> list[Modem]:
        """The modems that are in when it starts."""
        return self.modem

    def set_up(self) -> None:
        """What an operator's set-up leaves in `state`: the unit's key, paired with the gateway, and the settings."""
        tree = self.folder / "state"
        for part in ("settings", "bondbox-uplink"):
            (tree / part).mkdir(parents=True, exist_ok=True)
        key = tree / "bondbox-uplink" / "key"
        key.unlink(missing_ok=True)
        self.gateway.pair(self.gateway.say("keygen", "--out", key))
        (tree / "settings" / "uplink.toml").write_text(
            f'gateway = "{self.outside}:{self.gateway.port}"\ngateway_key = "{self.gateway.key}"\n{self.settings("uplink")}'
        )
        for service in ("capture", "panel"):
            (tree / "settings" / f"{service}.toml").write_text(self.settings(service))
        self.disk.fill("state", tree, owner={"bondbox-uplink": (962, 960)})

    def settings(self, service: str) -> str:
        """Those that this kind of unit needs, of the environment."""
        return str(self._options["settings"].get(service, ""))

    def option(self, name: str, default: str = "") -> str:
        """What the environment says of this kind of unit."""
        return str(self._options.get(name, default))

    # -- starts

    def restart(self, command="systemctl reboot") -> None:
        """Gives a command that restarts it, and waits until it has begun to start."""
        self.shell().console.sendline(command)
        # A prompt of before is no prompt.
        self.leave_shell()
        self.begins()

    def begins(self) -> None:
        """Waits until a slot is chosen."""
        self.driver.expect(self.starts, timeout=FIRMWARE_S)

    def come_back(self, slot: str | None = None) -> None:
        """Waits for a shell, from this slot if one is named: what does not work may start, and give way later."""
        slots = [slot] if slot else ["A", "B"]
        there = lambda: self._answer("cat /run/bondbox-boot/slot") in slots
        until(lambda: f"a shell, but {self.said()[-4000:]}", there)

    def works(self, slot: str, version: str | None = None) -> None:
        """It has come up from this slot, says itself that it works, and its stream arrives."""
        self.come_back(slot)
        assert version is None or self.version() == version
        self.marked_good()
        self.gateway.flows(units=20, links=len(self.plugged))

    def _answer(self, command: str) -> str | None:
        """What a command says, if there is a shell that ends it."""
        try:
            code, said = self.try_run(command, timeout=20)
        except (TIMEOUT, ExecutionError):
            code, said = 1, ""
        if code:
            # A shell of before the last start is none.
            self.leave_shell()
        return None if code else said

    def marked_good(self) -> None:
        """Waits until the unit itself says that it works."""
        log = lambda: self.run("journalctl -u bondbox-health -o cat --no-pager")
        until(log, lambda: "is marked good" in log())

    def slots_started(self) -> list[str]:
        return re.findall(self.starts, self.said())

    # -- what is set while it runs

    def captures(self, source: str) -> None:
        """Has the picture come from there; a setting, and the capture service started anew."""
        # The file itself is mounted where the service reads it.
        self.run(f"printf '%s\\nsource = \"{source}\"\\n' '{self.settings('capture')}' >/state/settings/capture.toml")
        self.run("systemctl restart bondbox-capture")

    def wires(self, panel: str = "") -> None:
        """Has these settings of the panel beside its own, which they come before; and its service started anew."""
        own = self.settings("panel")
        named = {line.split(" = ")[0] for line in panel.splitlines()}
        kept = "\n".join(line for line in own.splitlines() if line.split(" = ")[0] not in named)
        self.run(f"printf '%s\\n' '{kept}' '{panel}' >/state/settings/panel.toml")
        self.run("systemctl restart bondbox-panel")

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

    def boot_states(self) -> dict[str, str]:
        """Of each slot, whether it is good by what the boot loader keeps of it, as RAUC reads that: "good" or "bad"."""
        slots = json.loads(self.run("rauc status --output-format=json", timeout=300))["slots"]
        return {slot["bootname"]: slot["boot_status"] for named in slots for slot in named.values() if slot["bootname"]}

    def version(self) -> str:
        return re.search(r"^VERSION_ID=(.*)$", self.run("cat /etc/os-release"), re.M)[1]

    def diagnosis(self) -> str:
        """For a person who reads that a test failed."""
        asked = "systemctl --failed --no-pager; journalctl -b -p notice -o short-monotonic --no-pager | tail -n 60; cat /proc/loadavg"
        try:
            return self.try_run(asked)[1] if self.driver.status else self.said()[-4000:]
        except Exception as error:  # the machine is not where it was expected to be
            return f"{error!r}; its console:\n{self.said()[-4000:]}"

    # -- its serial line

    def said(self) -> str:
        """Everything that its serial line said."""
        return text(self.console)

    def until_said(self, pattern: str) -> None:
        """Waits for words that its serial line has not said yet."""
        self.driver.expect(pattern, timeout=PATIENCE_S)

    def let_run(self, seconds: float) -> None:
        """Lets time pass in it. Its serial line is read meanwhile: a machine that nobody listens to stands still."""
        self.driver.expect([TIMEOUT], timeout=seconds)

    def close(self) -> None:
        self.target.cleanup()
        ConsoleLoggingReporter.stop()
