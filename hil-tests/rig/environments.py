"""Which unit a labgrid environment is about, and what it needs to know of this run."""

import contextlib
import os
from pathlib import Path

from labgrid import Environment

import unit as machine
import virtual

KINDS = {"virtual": virtual.Unit}


@contextlib.contextmanager
def unit_of(yaml: Path, folder: Path, image: Path | None, **more):
    """The unit of that environment, with this image on its disk, or the virtual unit's; nobody has set it up, and it is off."""
    os.environ["LG_DISK"] = str(virtual.disk_in(folder).path)
    environment = Environment(str(yaml))
    kind = KINDS[environment.config.get_target_option("main", "kind")]
    built = kind(folder, environment, image or machine.folder().resolve() / "unit" / "disk.img", **more)
    try:
        yield built
    finally:
        built.close()
