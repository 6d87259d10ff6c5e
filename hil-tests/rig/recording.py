"""One update, recorded block by block: of the first start, the update, and the start into it until it is marked good.

The unit starts from slot B and is updated in slot A: the harder way, since GRUB starts slot A when it has lost its environment.
"""

import shutil
from pathlib import Path

from unit import Disk, folder


class Recording:
    """What is left of it: `base`, the disk before, and `log`, what was written to it since."""

    def __init__(self, at: Path):
        self.base, self.log, self._made = at / "base.img", at / "log", at / "made"
        #: Another unit, or another update, is recorded anew.
        self._of = "".join((folder() / f"{step}.made").read_text() for step in ("unit", "updates"))

    def is_there(self) -> bool:
        return self._made.exists() and self._made.read_text() == self._of

    def make(self, a_unit) -> None:
        """Plays it on a unit of a_unit(folder, log=…)."""
        shutil.rmtree(self.base.parent, ignore_errors=True)
        self.base.parent.mkdir(parents=True)
        with a_unit(self.base.parent / "unit", log=self.log) as unit:
            unit.set_up()
            unit.disk.environment(ORDER="B A")
            Disk.copy(unit.disk.path, self.base)
            unit.power.on()
            unit.works("B", "1.0.0-dev")
            unit.update.install("next.raucb")
            unit.restart()
            unit.works("A", "1.0.1-dev")
            unit.run("sync")
        shutil.rmtree(self.base.parent / "unit")
        self._made.write_text(self._of)
