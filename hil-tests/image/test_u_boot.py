"""U-Boot runs the script that chooses a slot: on QEMU's 64-bit Arm, with Debian's U-Boot, the disk of the image, and no kernel.

Every start ends with "nothing that starts" and a reset, so that one run shows how tries are counted from start to start.
"""

import re
import subprocess
import time

import pytest
from tree import BOARD, run

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
#: Seven starts take half a minute on a free core. This is a hang.
PATIENCE_S = 600


class Unit:
    def __init__(self, folder):
        self.folder = folder
        there = folder / "in"
        for name in ["in", "empty"]:
            (folder / name).mkdir()
        run(BOARD / "qemu_aarch64/boot-files", there)
        for name in ["Image", "initramfs.img", "verity.env", "root.img"]:
            (there / name).write_bytes(b"no kernel")
        config = (BOARD / "qemu_aarch64/genimage.cfg").read_text().replace("ROOT_SIZE", "1M")
        (folder / "genimage.cfg").write_text(config)
        run("genimage", "--rootpath", "empty", "--tmppath", "tmp", "--inputpath", there, "--outputpath", folder,
            "--config", "genimage.cfg", cwd=folder)  # fmt: skip
        self.disk = folder / "disk.img"
        # The first partition begins after its table, at the first mebibyte.
        self.loader = f"{self.disk}@@1M"

    def starts(self, count: int) -> list[str]:
        """The slots of so many starts in a row."""
        log = self.folder / "console"
        command = [*"qemu-system-aarch64 -M virt -cpu cortex-a57 -m 256 -nographic -net none -bios".split(), FIRMWARE,
                   "-drive", f"if=none,format=raw,file={self.disk},id=disk", "-device", "virtio-blk-device,drive=disk"]  # fmt: skip
        with log.open("wb") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out) as machine:
            try:
                end = time.monotonic() + PATIENCE_S
                while (text := log.read_bytes()).count(b"has nothing that starts") < count:
                    assert machine.poll() is None and time.monotonic() < end, text.decode(errors="replace")
                    time.sleep(0.2)
            finally:
                machine.kill()
        self.console = text.decode(errors="replace")
        return re.findall(r"Starting slot (\w)\.", self.console)[:count]

    def environment(self) -> dict[str, str]:
        """As RAUC sees it, by fw_printenv."""
        path = self.folder / "uboot.env"
        run("mcopy", "-n", "-o", "-i", self.loader, "::/uboot.env", path)
        (self.folder / "fw_env.config").write_text(f"{path} 0x0 0x10000\n")
        printed = run("fw_printenv", "-c", self.folder / "fw_env.config")
        return dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)

    def set(self, **values: str) -> None:
        """As RAUC writes it, by fw_setenv."""
        self.environment()
        for name, value in values.items():
            run("fw_setenv", "-c", self.folder / "fw_env.config", name, value)
        run("mcopy", "-n", "-o", "-i", self.loader, self.folder / "uboot.env", "::/uboot.env")


@pytest.fixture
def unit(tmp_path):
    return Unit(tmp_path)


def test_each_slot_has_three_tries_then_the_other_and_then_all_over_again(unit):
    assert unit.starts(7) == ["A", "A", "A", "B", "B", "B", "A"], unit.console
    assert "No slot has a try left" in unit.console


def test_u_boot_and_rauc_mean_the_same_by_order_and_tries(unit):
    unit.starts(1)
    told = unit.environment()
    assert (told["BOOT_ORDER"], told["BOOT_A_LEFT"], told["BOOT_B_LEFT"]) == ("A B", "2", "3")
    unit.set(BOOT_ORDER="B A", BOOT_B_LEFT="1", BOOT_A_LEFT="2")
    assert unit.starts(4) == ["B", "A", "A", "A"], unit.console


def test_a_garbled_environment_is_made_anew(unit):
    unit.starts(1)
    (unit.folder / "uboot.env").write_bytes(b"\xff" * 65536)
    run("mcopy", "-n", "-o", "-i", unit.loader, unit.folder / "uboot.env", "::/uboot.env")
    assert unit.starts(4) == ["A", "A", "A", "B"], unit.console
    assert unit.environment()["BOOT_B_LEFT"] == "2"
