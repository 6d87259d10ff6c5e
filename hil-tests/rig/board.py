"""A unit that is a board on a bench, worked by the bench's instruments.

The environment names each instrument by what it does here: `outlet`, `card`, `console`, `supply`, `hdmi`, `mains`, `key start`,
`light air`, and each modem's power by the modem's link. What kind of instrument that is, is the environment's business alone:
anything that labgrid switches on and off.
"""

from pathlib import Path

from labgrid.protocol import ConsoleProtocol, PowerProtocol

import front
import rig
import supply
from card import Card
from patience import until


class Outlet(rig.Power):
    """One of the outlets of a PDU."""

    def __init__(self, unit):
        self._unit = unit
        self._outlet = unit.target.get_driver(PowerProtocol, name="outlet")

    def is_on(self) -> bool:
        return self._outlet.get()

    def on(self, clock=None) -> None:
        assert clock is None, f"the clock of a board is not set from outside, and this wants {clock}"
        self._unit.disk.insert()
        self._outlet.on()

    def cut(self) -> None:
        self._unit.leave_shell()
        self._outlet.off()

    def goes_off(self) -> None:
        # A board that has halted draws current as before: only its serial line tells.
        self._unit.until_said("reboot: Power down")
        self.cut()


class Modem(rig.Modem):
    """A modem in a hub's port, whose 5 V are cut outside of the hub: the unit has no hand in it, and hears of it as of a pull."""

    def __init__(self, unit, name: str):
        self._unit, self.name = unit, name
        self._power = unit.target.get_driver(PowerProtocol, name=name)

    def plug(self) -> None:
        self._power.on()

    def unplug(self) -> None:
        self._power.off()
        until(f"{self.name} is gone", lambda: self._unit.try_run(f"test -e /sys/class/net/{self.name}")[0] != 0)


class Unit(rig.Unit):
    def __init__(self, folder: Path, environment, image: Path):
        super().__init__(folder, environment, ConsoleProtocol)
        self.power = Outlet(self)
        # A test that was broken off may have left it running.
        self.power.cut()
        self.disk = Card(self, folder)
        self.disk.be(image)
        powered = [driver.name for driver in self.target.drivers if isinstance(driver, PowerProtocol)]
        self.modem = [Modem(self, name) for name in powered if name != "outlet"]
        for modem in self.modem:
            modem.plug()
        self.hdmi = front.Hdmi(self.target) if "hdmi" in self.features else None
        self.battery = supply.Battery(self.target) if "battery" in self.features else None
        self.panel = None
        if "panel" in self.features:
            self.panel = rig.Panel(self, lambda name: front.Button(self.target, name), lambda name: front.Light(self.target, name))

    def close(self) -> None:
        self.power.cut()
        super().close()
