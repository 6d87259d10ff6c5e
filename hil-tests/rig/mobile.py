"""A modem that the unit's own kernel plays, the network behind it, and who answers its AT commands outside."""

import json
import os
import subprocess
import sys
from pathlib import Path

from patience import until

AT_MODEM = Path(__file__).parents[1] / "modems" / "at_modem.py"


class Mobile:
    """A modem with a SIM, in a mobile network."""

    #: Its place on the bus of the kernel's own controller, and its network card's name, which is made of that.
    NAME = "usb3-1"
    #: Where the card is plugged in that the mobile network leads outside through.
    CARD = 4

    def __init__(self, unit, folder: Path):
        self._unit = unit
        self._log = folder / "at.log"
        line = f"bondbox-{os.getpid()}-rig"
        self._answers = subprocess.Popen(
            [sys.executable, "-B", AT_MODEM, line], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"AT_LOG": str(self._log)})  # fmt: skip
        assert self._answers.stdout.readline() == "ready\n"
        self.become(maker="u-blox", model="TOBY-L200")
        where = {"type": "unix", "data": {"path": line, "abstract": True}}
        unit.qmp("chardev-add", id="at", backend={"type": "socket", "data": {"addr": where, "server": False}})
        unit.qmp("device_add", driver="virtserialport", id="at", chardev="at", name="at", bus="serial.0")
        unit.qmp("netdev_add", type="user", id="outside")
        unit.qmp("device_add", driver="usb-net", id="outside", netdev="outside", bus="xhci.0", port=str(self.CARD))
        card = f"usb1-{self.CARD}"
        until("the card outside", lambda: unit.try_run(f"test -e /sys/class/net/{card} -a -e /dev/virtio-ports/at")[0] == 0)
        self._do(f"make {card}")

    def _do(self, what: str) -> None:
        self._unit.run(f"/usr/libexec/bondbox/modem-of-the-rig {what}")

    def become(self, **world) -> None:
        """What the radio is from now on (hil-tests/modems/at_modem.py)."""
        self._answers.stdin.write(json.dumps(world) + "\n")
        self._answers.stdin.flush()

    def plug(self) -> None:
        self._do("plug")

    def unplug(self) -> None:
        self._do("unplug")

    def replug(self, **world) -> None:
        """Is pulled, and plugged in again into a world that may be another."""
        self.unplug()
        self.becomes("Gone")
        self.become(**world)
        self.plug()
        self.becomes("Connected")

    def hang(self) -> None:
        """It answers nothing and carries nothing, until it has lost its power."""
        self.become(hangs=True)
        self._do("hang")

    def way(self, netem: str) -> None:
        """Makes the way through the mobile network as `tc` says, in both directions: "loss 20%"; "delay 0" is a good one."""
        self._do(f"way {netem}")

    def modem(self) -> dict:
        """As bondbox-modems shows it."""
        shown = json.loads(self._unit.run("bondboxctl --json modems"))
        return next((modem for modem in shown["modems"] if modem["port"] == self.NAME), {})

    def link(self) -> dict:
        """As bondbox-modems shows the link of its card."""
        shown = json.loads(self._unit.run("bondboxctl --json modems"))
        return next((link for link in shown["links"] if link["port"] == self.NAME), {})

    def becomes(self, state: str) -> dict:
        found = lambda: (modem := self.modem()).get("state") == state and modem
        return until(lambda: f"the modem is {state}, but {self.modem()}; {self.said()}", found)

    def is_leased(self) -> bool:
        """Whether somebody leased its address."""
        return "dynamic" in self._unit.run(f"ip -4 address show dev {self.NAME}")

    def routes(self) -> str:
        """Those that what is bound to it takes."""
        table = self._unit.run(f"ip rule show | sed -n 's/.*oif {self.NAME} lookup \\([0-9]*\\).*/\\1/p'")
        return self._unit.run(f"ip route show table {table}")

    def carried(self) -> dict[str, int]:
        """Bytes that its card has counted, each way."""
        files = [f"/sys/class/net/{self.NAME}/statistics/{way}_bytes" for way in ("tx", "rx")]
        sent, received = self._unit.run(f"cat {' '.join(files)}").split()
        return {"sent": int(sent), "received": int(received)}

    def said(self) -> str:
        return self._log.read_text()[-3000:] if self._log.exists() else "nothing was asked of it"

    def close(self) -> None:
        self._answers.kill()
        self._answers.wait()
