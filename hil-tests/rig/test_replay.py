"""The harness of cut points: a log is read as it was written, a disk is torn as it can be, and what is broken is found."""

import random
import struct
import subprocess

import pytest
import replay
import write_log
from unit import Disk
from wholeness import Judge, regions
from write_log import Flush, Write

GRUB_CFG = "../../board/qemu/grub.cfg"
MIB = 1 << 20
#: In MiB.
SIZES = {"esp": 2, "boot_a": 1, "boot_b": 1, "root_a": 1, "root_b": 1, "state": 4}
KEPT = {"settings/uplink.toml": b"gateway = 1\n"}


def entry(sector, sectors, flags, data=b"", length=0):
    return struct.pack("<QQQQ", sector, sectors, flags, length).ljust(512, b"\0") + data


def log_of(path, *entries, count=None):
    path.write_bytes(
        struct.pack("<QQQI", 0x6A736677736872, 1, len(entries) if count is None else count, 512).ljust(512, b"\0")
        + b"".join(entries)
    )
    return path


def test_a_log_is_read_as_it_was_written(tmp_path):
    log = log_of(
        tmp_path / "log",
        entry(3, 2, 0, b"a" * 1024),
        entry(0, 0, write_log.FLUSH),
        entry(9, 1, write_log.FUA, b"b" * 512),
        entry(0, 0, write_log.MARK, b"name".ljust(512, b"\0"), 4),
        entry(8, 4, write_log.DISCARD),
        entry(1, 1, write_log.FLUSH, b"c" * 512),
    )
    assert write_log.read(log) == [
        Write(1536, b"a" * 1024), Flush(), Write(4608, b"b" * 512, durable=True), Write(4096, bytes(2048)), Flush(), Write(512, b"c" * 512),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "entries, why",
    [
        ([entry(3, 1, 0, b"a" * 512)], "ends in entry 1 of 2"),
        ([entry(3, 1, 0, b"a" * 512), entry(4, 2, 0, b"a" * 512)], "ends in the data of entry 1 of 2"),
        ([entry(3, 1, 0, b"a" * 512), bytes(512)], "entry 1 .* is none"),
        ([entry(3, 1, 0, b"a" * 512), entry(3, 1, 64)], "flags 0x40"),
    ],
)
def test_a_log_that_is_torn_itself_is_refused(tmp_path, entries, why):
    with pytest.raises(AssertionError, match=why):
        write_log.read(log_of(tmp_path / "log", *entries, count=2))


def test_what_is_no_log_is_refused(tmp_path):
    (tmp_path / "log").write_bytes(bytes(512))
    with pytest.raises(AssertionError, match="no log of writes: magic 0x0"):
        write_log.read(tmp_path / "log")


def test_every_point_around_what_matters_is_drawn_and_the_rest_by_the_seed():
    requests = [Write(number * 512, bytes(512)) for number in range(100)]
    matters = lambda request: request.at == 50 * 512
    drawn = replay.draw_cuts(requests, 40, 7, matters)
    assert len(drawn) == 40 and drawn == sorted(drawn) and len({cut.after for cut in drawn}) == 20
    assert {replay.Cut(moment, way) for moment in (0, 50, 51, 100) for way in (0, 1)} < set(drawn)
    assert drawn == replay.draw_cuts(requests, 40, 7, matters) != replay.draw_cuts(requests, 40, 8, matters)
    # There are 101 moments.
    assert len(set(replay.draw_cuts(requests, 1000, 7, matters))) == 1000


def test_torn_is_what_was_not_flushed_at_whole_sectors_and_never_what_is_durable():
    writes = [(0, Write(0, b"a" * 512)), (1, Write(512, b"b" * 512, durable=True)), (2, Write(1024, b"c" * 2048))]
    seen = [dict(replay.torn(writes, random.Random(seed))) for seed in range(200)]
    assert all(left[1] == writes[1][1] for left in seen)
    assert {0 in left for left in seen} == {True, False}
    assert {len(left[2].data) if 2 in left else 0 for left in seen} == {0, 512, 1024, 1536}


def test_a_disk_is_at_each_cut_what_was_written_by_then_and_no_more(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(bytes(2048))
    requests = [Write(0, b"a" * 512), Flush(), Write(0, b"b" * 512), Write(512, b"c" * 512), Flush(), Write(512, b"d" * 512)]
    image = replay.Image(path, {"first": (0, 512), "second": (512, 512)})
    look = lambda: (image.read(0, 1), image.read(512, 1))
    seen = {}
    every = replay.draw_cuts(requests, 100, 1, lambda request: True)
    for cut, before, after in replay.replay(image, requests, every, 1, look):
        if not cut.draw:
            seen[cut.after] = look()
        assert all(now in (was, will) for now, was, will in zip(look(), before, after))
    zero = b"\0"
    assert seen == {
        0: (zero, zero),
        1: (b"a", zero),
        2: (b"a", zero),
        3: (b"b", zero),
        4: (b"b", b"c"),
        5: (b"b", b"c"),
        6: (b"b", b"d"),
    }


# -- a small disk, and an update of its slot A while slot B runs


def fat(path, mib, **files):
    path.write_bytes(bytes(mib * MIB))
    subprocess.run(["mkfs.vfat", path], check=True, capture_output=True)
    for name, content in files.items():
        subprocess.run(["mcopy", "-i", path, "-", f"::/{name}"], input=content, check=True)
    return path


@pytest.fixture
def disk(tmp_path):
    disk = Disk(tmp_path / "disk.img")
    disk.path.write_bytes(bytes((sum(SIZES.values()) + 2) * MIB))
    table = "label: gpt\n" + "".join(f"size={mib}MiB, name={name}\n" for name, mib in SIZES.items())
    subprocess.run(["sfdisk", "--quiet", disk.path], input=table, text=True, check=True)
    esp = fat(tmp_path / "esp", SIZES["esp"])
    environment = tmp_path / "grubenv"
    subprocess.run(["grub-editenv", environment, "create"], check=True)
    (tmp_path / "BOOTX64.EFI").write_bytes(b"grub")
    subprocess.run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"], check=True)
    subprocess.run(["mcopy", "-i", esp, environment, tmp_path / "BOOTX64.EFI", GRUB_CFG, "::/EFI/BOOT"], check=True)
    disk.write("esp", 0, esp.read_bytes())
    disk.environment(ORDER="B A", A_OK="1", A_TRY="0", B_OK="1", B_TRY="0")
    for slot in "ab":
        for part, image in zip(("boot", "root"), build(tmp_path, "old")):
            disk.write(f"{part}_{slot}", 0, image.read_bytes())
    for path, content in KEPT.items():
        (tmp_path / "tree" / path).parent.mkdir(parents=True)
        (tmp_path / "tree" / path).write_bytes(content)
    disk.fill("state", tmp_path / "tree", owner={})
    return disk


def build(folder, name):
    boot, root = folder / f"{name}-boot", folder / f"{name}-root"
    if not root.exists():
        root.write_bytes(random.Random(name).randbytes(MIB // 2))
        fat(boot, SIZES["boot_a"], vmlinuz=name.encode() * 2000)
    return boot, root


def written(disk, tmp_path, name, change):
    """The writes that a change of a partition makes, sector by sector."""
    other = Disk.copy(disk.path, tmp_path / "changed.img")
    change(other)
    at, length = disk.partition(name)
    was, now = disk.read(name, 0, length), other.read(name, 0, length)
    disk.be(other.path)
    return [Write(at + n, now[n : n + 512]) for n in range(0, length, 512) if was[n : n + 512] != now[n : n + 512]]


@pytest.fixture
def update(disk, tmp_path):
    """Its parts, as writes; and a judge of the disk before it."""
    boot, root = build(tmp_path, "new")
    empty = tmp_path / "empty"
    empty.mkdir()
    before = Disk.copy(disk.path, tmp_path / "judged.img")
    parts = {
        "bad": written(disk, tmp_path, "esp", lambda it: it.environment(A_OK="0")),
        "root": written(disk, tmp_path, "root_a", lambda it: it.write("root_a", 0, root.read_bytes())),
        "boot": written(disk, tmp_path, "boot_a", lambda it: it.write("boot_a", 0, boot.read_bytes())),
        "good": written(disk, tmp_path, "esp", lambda it: it.environment(A_OK="1", ORDER="A B")),
        "anew": written(disk, tmp_path, "state", lambda it: it.fill("state", empty, owner={})),
        "lost": written(disk, tmp_path, "state", lambda it: it.erase("state")),
    }
    image = replay.Image(before.path, regions(before))
    return parts, Judge(image, [build(tmp_path, "old"), (boot, root)], tmp_path), image


def found(update, *order):
    """The faults at every point of an update in this order, with a flush after each part."""
    parts, judge, image = update
    requests = [request for part in order for request in (*parts[part], Flush())]
    # Of a long part, the middle says what all of it does.
    cuts = replay.draw_cuts(requests, 80, 1, lambda request: isinstance(request, Flush))
    return {fault for _, *seen in replay.replay(image, requests, cuts, 1, judge.state) for fault in judge.faults(*seen)}


def test_an_update_in_the_right_order_is_whole_at_every_point(update):
    assert found(update, "bad", "root", "boot", "good") == set()


@pytest.mark.parametrize(
    "order",
    [
        # What is written is never said to be bad.
        ["root", "boot", "good"],
        # It is said to be good before all of it is there.
        ["bad", "boot", "good", "root"],
    ],
)
def test_a_boot_choice_that_does_not_wait_for_the_slot_is_found(update, order):
    faults = found(update, *order)
    assert any("root_a, which are not whole" in fault for fault in faults), faults


@pytest.mark.parametrize("part, why", [("lost", "e2fsck -fy ends with 8"), ("anew", "settings/uplink.toml of state holds None")])
def test_a_state_that_is_lost_or_made_anew_is_found(update, part, why):
    faults = found(update, part)
    assert any(why in fault for fault in faults), faults
