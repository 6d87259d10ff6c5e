"""Fingers, eyes and a cable before a board: outputs and inputs of the bench.

labgrid has one word for both, a digital output, which can be asked what it is.
"""

import time

from labgrid.protocol import DigitalOutputProtocol

import rig

#: How long it is looked at a light: more than a blink of the slowest.
LOOK_S = 1.5


class Button(rig.Button):
    """A key's contact, closed by an output."""

    def __init__(self, target, name: str):
        self._contact = target.get_driver(DigitalOutputProtocol, name=f"key {name}")

    def hold(self, seconds: float) -> None:
        self._contact.set(True)
        try:
            time.sleep(seconds)
        finally:
            self._contact.set(False)


class Light(rig.Light):
    """A light's wire, read by an input."""

    def __init__(self, target, name: str):
        self._wire = target.get_driver(DigitalOutputProtocol, name=f"light {name}")

    def seen(self) -> set[bool]:
        seen, end = {self._wire.get()}, time.monotonic() + LOOK_S
        while len(seen) == 1 and time.monotonic() < end:
            time.sleep(0.02)
            seen.add(self._wire.get())
        return seen


class Hdmi(rig.Hdmi):
    """A generator, and a switch in its cable's line that tells of a source (hot-plug detect)."""

    def __init__(self, target):
        self._cable = target.get_driver(DigitalOutputProtocol, name="hdmi")

    def plug_in(self) -> None:
        self._cable.set(True)

    def lose(self) -> None:
        self._cable.set(False)

    def come_back(self) -> None:
        self._cable.set(True)
