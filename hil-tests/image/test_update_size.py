"""An update of the root is small when little has changed."""

import random
import re

from tree import BOARD, UNITS, run

SORT = BOARD / "common/squashfs.sort"
BLOCK = 4096


def packed(root, name):
    image = root.with_name(f"{name}.squashfs")
    run("mksquashfs", root, image, "-sort", SORT, "-noappend", "-quiet", "-no-progress")
    data = image.read_bytes()
    return [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]


def test_a_new_service_and_version_leave_all_other_blocks_as_they_were(tmp_path):
    root, noise = tmp_path / "root", random.Random(1)
    for name in ["etc/rauc/system.conf", "usr/bin/a", "usr/bin/bondbox-uplink", "usr/bin/z", "usr/lib/os-release", "usr/lib/z.so"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(noise.randbytes(300_000))
    before = packed(root, "before")
    for name in ["etc/rauc/system.conf", "usr/bin/bondbox-uplink", "usr/lib/os-release"]:
        (root / name).write_bytes(noise.randbytes(301_000))
    after, known = packed(root, "after"), set(before)
    new = sum(block not in known for block in after)
    # Half of the bytes have changed.
    assert len(after) * 0.45 < new < len(after) * 0.55, (new, len(after))


def test_every_service_is_among_what_is_packed_last():
    named = {line.split()[0] for line in SORT.read_text().splitlines()}
    services = {found for unit in UNITS for found in re.findall(r"^ExecStart=/(usr/bin/bondbox\S*)", unit.read_text(), re.M)}
    assert services and services <= named, services - named
