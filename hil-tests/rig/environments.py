"""Which unit a labgrid environment is about, and what it needs to know of this run."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

from labgrid import Environment

import board
import unit as machine
import virtual

HERE = Path(__file__).parent
KINDS = {"virtual": virtual.Unit, "board": board.Unit}


@contextlib.contextmanager
def unit_of(yaml: Path, folder: Path, image: Path | None, **more):
    """The unit of that environment, with this image on its disk, or the virtual unit's; nobody has set it up, and it is off."""
    os.environ["LG_DISK"] = str(virtual.disk_in(folder).path)
    # An environment that asks where the played bench is has one played.
    is_played = "$LG_BENCH" in yaml.read_text()
    if image is None:
        assert is_played or yaml.name == "qemu.yaml", f"IMAGE= names none, and the virtual unit's is not for {yaml.name}"
        image = machine.folder().resolve() / "unit" / "disk.img"
    with _played(folder, image) if is_played else contextlib.nullcontext():
        environment = Environment(str(yaml))
        kind = KINDS[environment.config.get_target_option("main", "kind")]
        built = kind(folder, environment, image, **more)
        try:
            yield built
        finally:
            built.close()


@contextlib.contextmanager
def _played(folder: Path, image: Path):
    box = folder / "box"
    box.mkdir(parents=True)
    # Its card is larger than the image: the rest becomes `data`.
    size = image.stat().st_size + (256 << 20)
    command = [sys.executable, "-B", HERE / "played_box.py", box, str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as played:
        os.environ.update(json.loads(played.stdout.readline()))
        yield
        played.stdin.close()
        played.wait(30)
