"""The card of a board, which an SD multiplexer gives to the board or to the bench's machine."""

import subprocess
from pathlib import Path

from patience import until
from unit import Disk


class Card(Disk):
    """Comes to the bench's machine whenever it is looked at, and goes back before the board is switched on."""

    def __init__(self, unit, folder: Path):
        self._unit, self._folder = unit, folder
        self._mux = unit.target.get_driver("USBSDMuxDriver", name="card")

    @property
    def path(self) -> Path:
        assert not self._unit.power.is_on(), "the card is not pulled out of a unit that runs"
        if self._mux.get_mode() != "host":
            self._mux.set_mode("host")
        until("the card is at the bench's machine", self._size, patience_s=30)
        return Path(self._mux.mux.path)

    def _size(self) -> int:
        try:
            with open(self._mux.mux.path, "rb") as card:
                return card.seek(0, 2)
        except OSError:
            # No medium, or no device yet.
            return 0

    def insert(self) -> None:
        """Gives it to the board, with all that was written."""
        subprocess.run(["sync"], check=True)
        self._mux.set_mode("dut")

    def be(self, original: Path) -> None:
        # All of it: what was on a card before is no hole.
        subprocess.run(["dd", f"if={original}", f"of={self.path}", "bs=4M", "conv=fsync,notrunc", "status=none"], check=True)

    def beside(self, suffix: str) -> Path:
        return self._folder / f"card{suffix}"
