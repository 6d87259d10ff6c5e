"""U-Boot runs the script that chooses a slot: on QEMU's 64-bit Arm, with Debian's U-Boot, the disk of the image, and a kernel that
says that it runs and restarts the machine.

No slot ever proves itself, so that one run shows how tries are counted from start to start.
"""

import re
import struct
import subprocess
import time

import pytest
from tree import BOARD, run

FIRMWARE = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
#: Seven starts take half a minute on a free core. This is a hang.
PATIENCE_S = 600
RUNS = b"the kernel runs\n"
#: The head that booti asks for (Documentation/arch/arm64/booting.rst), and behind it:
#:     adr x1, words; mov x2, #0x09000000        the serial line of QEMU's `virt`
#:     next: ldrb w0, [x1], #1; cbz w0, end; str w0, [x2]; b next
#:     end: mov w0, #0x84000009; hvc #0; b end   PSCI's SYSTEM_RESET
#:     words:
KERNEL = struct.pack("<IIQQQ24x4s4x", 0x14000010, 0, 0, 0x1000, 0xA, b"ARM\x64") + struct.pack(
    "<10I", 0x10000141, 0xD2A12002, 0x38401420, 0x34000060, 0xB9000040, 0x17FFFFFD, 0x52B08000, 0x72800120, 0xD4000002, 0x17FFFFFD
) + RUNS + bytes(1)  # fmt: skip
STARTS = re.compile(r"Starting slot (\w)\.")
ENDS = re.compile(r"the kernel runs|\bresetting \.\.\.")
NOTHING = "Slot {} has nothing that starts."


class Unit:
    def __init__(self, folder):
        self.folder = folder
        self.there = folder / "in"
        for name in ["in", "empty"]:
            (folder / name).mkdir()
        run(BOARD / "qemu_aarch64/boot-files", self.there)
        for name, content in [("Image", KERNEL), ("initramfs.img", b"no more"), ("verity.env", b"nothing"), ("root.img", b"no root")]:
            (self.there / name).write_bytes(content)
        config = (BOARD / "qemu_aarch64/genimage.cfg").read_text().replace("ROOT_SIZE", "1M")
        (folder / "genimage.cfg").write_text(config)
        run("genimage", "--rootpath", "empty", "--tmppath", "tmp", "--inputpath", self.there, "--outputpath", folder,
            "--config", "genimage.cfg", cwd=folder)  # fmt: skip
        self.disk = folder / "disk.img"
        self.loader = self.partition("loader")

    def partition(self, name: str) -> str:
        """As mtools call it."""
        start = re.search(rf'start=\s*(\d+),.*name="{name}"', run("sfdisk", "--dump", self.disk))[1]
        return f"{self.disk}@@{int(start) * 512}"

    def script(self, change=lambda text: text, settings: str = "") -> None:
        """Has a script that is changed, and these settings behind the board's."""
        common = BOARD / "common/u-boot"
        text = (BOARD / "qemu_aarch64/settings.cmd").read_text() + settings + change((common / "boot.cmd").read_text())
        (self.folder / "boot.cmd").write_text(text)
        run("mkimage", "-q", "-A", "arm64", "-T", "script", "-C", "none", "-d", self.folder / "boot.cmd", self.folder / "boot.scr")
        run("mcopy", "-n", "-o", "-i", self.loader, self.folder / "boot.scr", "::/boot.scr")

    def starts(self, count: int) -> list[str]:
        """The slots of so many starts in a row; those of one start in one word."""
        log = self.folder / "console"
        command = [*"qemu-system-aarch64 -M virt -cpu cortex-a57 -m 256 -nographic -net none -bios".split(), FIRMWARE,
                   "-drive", f"if=none,format=raw,file={self.disk},id=disk", "-device", "virtio-blk-device,drive=disk"]  # fmt: skip
        with log.open("wb") as out, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out) as machine:
            try:
                end = time.monotonic() + PATIENCE_S
                while len(ENDS.findall(text := log.read_text(errors="replace"))) < count:
                    assert machine.poll() is None and time.monotonic() < end, text
                    time.sleep(0.2)
            finally:
                machine.kill()
        self.console = text
        return ["".join(STARTS.findall(start)) for start in ENDS.split(text)[:count]]

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


@pytest.mark.parametrize("missing", ["Image", "initramfs.img"])
def test_what_cannot_be_loaded_is_not_started_and_the_other_slot_is_in_the_same_start(unit, missing):
    run("mdel", "-i", unit.partition("boot_a"), f"::/{missing}")
    assert unit.starts(1) == ["AB"], unit.console
    assert NOTHING.format("A") in unit.console and "rauc.slot=A" not in unit.console
    assert unit.environment()["BOOT_B_LEFT"] == "2"


def test_where_neither_can_be_loaded_each_is_tried_again_and_again(unit):
    for slot in "ab":
        run("mdel", "-i", unit.partition(f"boot_{slot}"), "::/Image")
    assert unit.starts(4) == ["AB"] * 4, unit.console
    assert RUNS.decode() not in unit.console


def test_both_counters_at_zero_start_a_slot_at_once_even_where_nothing_can_be_written(unit):
    unit.starts(1)
    unit.set(BOOT_A_LEFT="0", BOOT_B_LEFT="0")
    unit.script(settings="\nsetenv keep false\n")
    assert unit.starts(2) == ["A", "A"], unit.console
    assert unit.console.count("No slot has a try left") == 2 and "not counted" in unit.console


def test_a_u_boot_without_setexpr_gives_each_slot_one_try(unit):
    # To U-Boot a command that it was built without is a word that it does not know.
    unit.script(lambda text: text.replace("setexpr BOOT", "setexpr_is_not_built BOOT"))
    assert unit.starts(4) == ["A", "B", "A", "B"], unit.console
    assert "Unknown command 'setexpr_is_not_built'" in unit.console


def test_addresses_that_the_environment_has_lost_are_named_and_have_their_defaults(unit):
    names = ["kernel_addr_r", "ramdisk_addr_r", "scriptaddr"]
    unit.script(settings="".join(f"\nsetenv {name}" for name in names) + "\n")
    assert unit.starts(1) == ["A"] and RUNS.decode().strip() in unit.console, unit.console
    assert all(f"{name} is not set" in unit.console for name in names)


def test_an_address_that_u_boot_does_not_know_starts_nothing_and_says_so(unit):
    unit.script(lambda text: text.replace("env default", "true"), settings="\nsetenv kernel_addr_r\n")
    assert unit.starts(1) == ["AB"], unit.console
    assert "kernel_addr_r is not set" in unit.console and all(NOTHING.format(slot) in unit.console for slot in "AB")


@pytest.mark.parametrize("overlay", ["missing", "refused"])
def test_a_panel_that_is_not_described_does_not_keep_a_board_from_starting(unit, overlay):
    run("qemu-system-aarch64", "-M", f"virt,dumpdtb={unit.folder}/board.dtb", *"-cpu cortex-a57 -m 256 -net none -nographic".split())
    run("mcopy", "-i", unit.partition("boot_a"), unit.folder / "board.dtb", "::/")
    # Between the kernel and the initramfs, where this machine's U-Boot names no place.
    settings = "\nsetenv fdtfile_slot board.dtb\nsetenv overlay_slot panel.dtbo\nsetenv fdt_addr_r 0x43000000\n"
    if overlay == "refused":
        (unit.folder / "panel.dtbo").write_bytes(b"of another board")
        run("mcopy", "-i", unit.partition("boot_a"), unit.folder / "panel.dtbo", "::/")
        # It has no overlays. One that is refused costs the tree its first word (fdt_overlay_apply of libfdt).
        settings += "setenv refuse 'mw.l ${fdt_addr_r} 0xffffffff; false'\n"
    unit.script(lambda text: text.replace("fdt apply ${scriptaddr}", "run refuse"), settings)
    assert unit.starts(1) == ["A"] and RUNS.decode().strip() in unit.console, unit.console
