"""A programmable supply in the place of the pack's cell, spoken to in SCPI over a socket, as supplies of many makers are."""

import socket

import attr
from labgrid import target_factory
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.protocol import DigitalOutputProtocol
from labgrid.resource import Resource
from labgrid.step import step

import rig


@target_factory.reg_resource
@attr.s(eq=False)
class ScpiSupply(Resource):
    """A supply on the network.

    Args:
        address (str): host:port
    """

    address = attr.ib(validator=attr.validators.instance_of(str))


@target_factory.reg_driver
@attr.s(eq=False)
class ScpiSupplyDriver(Driver):
    bindings = {"supply": ScpiSupply}

    @Driver.check_active
    @step(args=["volts"])
    def set(self, volts: float) -> None:
        """Gives that voltage, after it has given none."""
        self._do("OUTP OFF", f"VOLT {volts:.3f}", "OUTP ON")

    def _do(self, *commands: str) -> None:
        host, port = self.supply.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=5) as connection, connection.makefile("rw") as lines:
            for command in commands:
                lines.write(f"{command}\nSYST:ERR?\n")
                lines.flush()
                # A number and why, of which 0 is none.
                said = lines.readline().strip()
                if not said.lstrip("+").startswith("0,"):
                    raise ExecutionError(f"the supply at {self.supply.address} does not do {command}: {said or 'it hangs up'}")


#: Volts of a lithium cell that nothing is drawn from, by the percent left in it.
OPEN_CIRCUIT = ((0, 3.30), (5, 3.55), (10, 3.63), (20, 3.71), (40, 3.79), (60, 3.90), (80, 4.05), (100, 4.20))


def volts(percent: float) -> float:
    """On straight lines between those."""
    for (low, at_low), (high, at_high) in zip(OPEN_CIRCUIT, OPEN_CIRCUIT[1:]):
        if low <= percent <= high:
            return at_low + (at_high - at_low) * (percent - low) / (high - low)
    raise ValueError(f"{percent} is no percent")


class Battery(rig.Battery):
    """A gauge that gets its power anew reckons by the voltage alone: MAX17040's data sheet calls it a quick start."""

    def __init__(self, target):
        self._supply = target.get_driver("ScpiSupplyDriver", name="supply")
        self._mains = target.get_driver(DigitalOutputProtocol, name="mains")

    def mains(self, there: bool) -> None:
        self._mains.set(there)

    def set(self, percent: int) -> None:
        self._supply.set(volts(percent))
