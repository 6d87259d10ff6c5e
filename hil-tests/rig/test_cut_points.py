"""One update, cut off at a thousand moments of what it wrote: each leaves a unit that starts, and three of them are started."""

import functools
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import a_unit
from recording import Recording
from replay import Cut, Image, draw_cuts, replay
from unit import Disk, folder
from wholeness import Judge, regions
from write_log import Flush, Write, read

#: `make rig-cut-points POINTS=5000 SEED=7`
POINTS, SEED = int(os.environ.get("POINTS", "1000")), int(os.environ.get("SEED", "1"))


@pytest.fixture(scope="session")
def recording(binaries):
    recording = Recording(folder().resolve() / "recorded")
    if not recording.is_there():
        recording.make(functools.partial(a_unit, binaries))
    return recording


@pytest.fixture
def image(recording, tmp_path):
    disk = Disk.copy(recording.base, tmp_path / "replayed.img")
    yield Image(disk.path, regions(disk))
    disk.path.unlink()


@pytest.fixture
def builds(tmp_path):
    """What may be in a slot: the unit's own build, and the update."""
    made, update = folder().resolve(), tmp_path / "update"
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-d", update, made / "updates" / "next.raucb"], check=True)
    return [(made / "unit" / "boot.vfat", made / "unit" / "root.img"), (update / "boot.img", update / "root.img")]


def journal(image: Image, scratch: Path) -> tuple[int, int]:
    """Where the journal of `state` is on the disk."""
    state = scratch / "state.img"
    state.write_bytes(image.region("state"))
    told = lambda what: subprocess.run(["debugfs", "-R", what, state], check=True, capture_output=True, text=True).stdout
    blocks = [int(block) for block in told("blocks <8>").split()]
    size = next(int(line.split(":")[1]) for line in told("stats -h").splitlines() if line.startswith("Block size:"))
    return image.regions["state"][0] + min(blocks) * size, (max(blocks) + 1 - min(blocks)) * size


def test_whenever_the_power_fails_a_slot_is_whole_and_nothing_is_lost(recording, image, builds, tmp_path):
    begun, requests = time.monotonic(), read(recording.log)
    places = [image.regions["table"], image.regions["copy"], image.regions["esp"], journal(image, tmp_path)]
    matters = lambda request: isinstance(request, Write) and any(request.touches(*place) for place in places)
    cuts = draw_cuts(requests, POINTS, SEED, matters)
    judge, found = Judge(image, builds, tmp_path), Counter()
    for cut, before, after in replay(image, requests, cuts, SEED, judge.state):
        for fault in judge.faults(before, after):
            found[fault] += 1
            print(f"seed {SEED}, {cut}: {fault}")
    writes = sum(isinstance(request, Write) for request in requests)
    print(f"{writes} writes and {len(requests) - writes} flushes, cut {len(cuts)} times in {time.monotonic() - begun:.0f} s")
    assert not found, found.most_common()


@pytest.fixture(scope="session")
def machine(binaries, tmp_path_factory):
    with a_unit(binaries, tmp_path_factory.mktemp("cut")) as unit:
        yield unit


def moments(image: Image, requests) -> dict[str, int]:
    """Requests by what they do: GRUB counts a try of slot B, the root of slot A is half there, and is the one to start."""
    of = lambda *names: [
        n for n, it in enumerate(requests) if isinstance(it, Write) and any(it.touches(*image.regions[name]) for name in names)
    ]
    slot, chosen = of("boot_a", "root_a"), of("esp")
    choice = next(number for number in chosen if number > slot[-1])
    return {"first": 0, "middle": of("root_a")[len(of("root_a")) // 2], "chosen": choice}


@pytest.mark.parametrize(
    "moment, slot, version", [("first", "A", "1.0.0-dev"), ("middle", "B", "1.0.0-dev"), ("chosen", "A", "1.0.1-dev")]
)
def test_a_unit_that_was_cut_off_comes_up(recording, image, machine, moment, slot, version):
    requests = read(recording.log)
    after = moments(image, requests)[moment] + 1
    for _ in replay(image, requests, [Cut(after)], SEED, lambda: None):
        machine.disk.be(image.path)
    print(f"starts after request {after} of {len(requests)}")
    machine.power.on()
    machine.come_back(slot)
    assert machine.version() == version
    machine.marked_good()
    assert machine.run("systemctl --failed --no-legend --plain; cat /run/bondbox-boot/state") == "mounted"
    machine.power.cut()
