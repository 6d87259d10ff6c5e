"""U-Boot, its counters and our initramfs bring up the right slot of 64-bit Arm, or the other one, and RAUC counts with them."""

import subprocess
from pathlib import Path

import pytest
import unit

HERE = Path(__file__).parent
#: As Debian builds it for this machine.
FIRMWARE = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
MACHINE = f"qemu-system-aarch64 -M virt -cpu cortex-a57 -bios {FIRMWARE}"


class Disk(unit.Disk):
    """The disk of a machine whose boot loader is U-Boot."""

    def environment(self, **values: str) -> dict[str, str]:
        """Sets values in U-Boot's environment, as RAUC does, and returns all of it."""
        block, config = self.path.with_suffix(".env"), self.path.with_suffix(".env.config")
        block.write_bytes(self.fat("loader", "mtype", "::/uboot.env"))
        config.write_text(f"{block} 0x0 0x10000\n")
        for name, value in values.items():
            subprocess.run(["fw_setenv", "-c", config, name, value], check=True)
        if values:
            self.fat("loader", "mcopy", "-o", str(block), "::/uboot.env")
        told = subprocess.run(["fw_printenv", "-c", config], check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in told.splitlines())

    def counters(self) -> tuple[str, str, str]:
        told = self.environment()
        return told["BOOT_ORDER"], told["BOOT_A_LEFT"], told["BOOT_B_LEFT"]

    def rauc_does(self, *what: str, folder: Path) -> None:
        """Has the next start call `rauc status` with these words, before anything else."""
        folder.mkdir(exist_ok=True)
        (folder / "do-rauc").write_text("".join(f"{each}\n" for each in what))
        self.fill("state", folder, {})


@pytest.fixture(scope="session")
def original():
    """The disk with the small root, made once."""
    folder = unit.folder().resolve() / "arm64"
    folder.mkdir(parents=True, exist_ok=True)
    parts, keys, root, out = (folder / name for name in ("parts", "keys", "root", "unit"))
    subprocess.run([HERE / "arm64-parts", parts], check=True)
    if not (keys / "root.pem").exists():
        subprocess.run([HERE / "../../ota/keys/ceremony", keys, "--development"], check=True, capture_output=True)
    subprocess.run([HERE / "arm64-root", parts, keys / "root.pem", root], check=True)
    subprocess.run([HERE / "disk-of", root, parts, out, parts, "qemu_aarch64"], check=True)
    return out / "disk.img"


@pytest.fixture
def disk(original, tmp_path):
    return Disk.copy(original, tmp_path / "disk.img")


def start(disk):
    return unit.start(disk, machine=MACHINE)


def test_it_starts_slot_a_with_a_verified_root_and_takes_one_of_its_tries(disk):
    begun = start(disk)
    begun.came_up("A")
    assert begun.slots == ["A"] and begun.told["state"] == "mounted" and begun.told["verity"] == "1", begun.console
    assert disk.counters() == ("A B", "2", "3")


def test_a_slot_that_does_not_prove_itself_gives_way_to_the_other(disk):
    for left in "210":
        start(disk).came_up("A")
        assert disk.counters() == ("A B", left, "3")
    start(disk).came_up("B")
    assert disk.counters() == ("A B", "0", "2")


def test_a_flipped_bit_in_the_root_takes_all_tries_and_brings_the_other_slot(disk):
    # Where squashfs has its inodes (inode_table_start of its superblock): nothing starts without them.
    disk.flip("root_a", int.from_bytes(disk.read("root_a", 64, 8), "little") + 16)
    begun = start(disk)
    begun.came_up("B")
    assert begun.slots == ["A", "A", "A", "B"] and "is corrupted" in begun.console, begun.console
    assert disk.counters() == ("A B", "0", "2")


def test_a_slot_that_rauc_marks_good_has_all_of_its_tries_again(disk, tmp_path):
    disk.rauc_does("mark-good booted", folder=tmp_path / "state")
    begun = start(disk)
    begun.came_up("A")
    assert begun.told.get("rauc") == "done", begun.console
    assert disk.counters() == ("A B", "3", "3"), begun.console


def test_the_slot_that_rauc_makes_active_is_next(disk, tmp_path):
    disk.rauc_does("mark-good booted", "mark-active other", folder=tmp_path / "state")
    start(disk).came_up("A")
    assert disk.counters() == ("B A", "3", "3")
    begun = start(disk)
    begun.came_up("B")


def test_a_slot_that_rauc_marks_bad_is_not_tried_again(disk, tmp_path):
    disk.rauc_does("mark-bad booted", folder=tmp_path / "state")
    start(disk).came_up("A")
    assert disk.counters()[1] == "0"
    start(disk).came_up("B")
