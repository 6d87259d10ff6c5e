"""Updates of a unit, from a server outside."""

from pathlib import Path

from served import Served


class Update:
    def __init__(self, unit, folder: Path):
        self._unit, self._folder = unit, folder
        self.served = Served(folder, unit.option("listen", "127.0.0.1"))

    def command(self, bundle: str) -> str:
        """Fetches and installs it."""
        return f"rauc install http://{self._unit.outside}:{self.served.port}/{bundle}"

    def install(self, bundle: str) -> str:
        """Has the unit fetch and install it, which must succeed."""
        return self._unit.run(self.command(bundle), timeout=900)

    def refused(self, bundle: str) -> str:
        """Has the unit try to install it, and returns why it did not."""
        code, said = self._unit.try_run(self.command(bundle), timeout=300)
        assert code != 0, f"{bundle} was installed:\n{said}"
        return said

    def progress(self) -> str:
        """What RAUC says that it is doing: while it does, it answers nothing else."""
        return self._unit.run("busctl get-property de.pengutronix.rauc / de.pengutronix.rauc.Installer Progress")

    def size(self, bundle: str) -> int:
        return (self._folder / bundle).stat().st_size
