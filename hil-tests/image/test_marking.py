"""What RAUC has written for the boot loader, to mark a slot, is read back from the disk itself: GRUB's environment and U-Boot's.

A Raspberry Pi's is in test_pi_slots.py. That RAUC's refusal is no "marked good" is a test of ota/health.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tree import BOARD, OVERLAY, run

MARKED = {"grub": ["A_OK=1", "A_TRY=0"], "uboot": ["BOOT_A_LEFT", "3"]}
SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"


class Marking:
    """One boot loader's program on a disk of its own: a block device with a file system, or with an environment at its beginning."""

    def __init__(self, kind: str, folder: Path):
        self.kind, self.folder = kind, folder
        wrapper = BOARD / {"grub": "qemu/overlay", "uboot": "common/rauc/uboot"}[kind] / "usr/libexec/bondbox" / kind
        shutil.copytree(wrapper, folder / "bondbox" / kind)
        shutil.copy(OVERLAY / "usr/libexec/bondbox/on-disk", folder / "bondbox")
        (folder / "instead").mkdir()
        self.program = next((folder / "bondbox" / kind).iterdir())
        self.disk = folder / "disk.img"
        self.disk.write_bytes(bytes(4 << 20))
        if kind == "grub":
            run("mke2fs", "-q", "-t", "ext4", self.disk)
        done = subprocess.run(["losetup", "--find", "--show", self.disk], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"no loop device, which only root has: {done.stderr.strip()}")
        self.device = done.stdout.strip()
        #: As on a unit, somebody has it open, so that the kernel keeps its copy.
        self.held = open(self.device)
        if kind == "grub":
            (mount := folder / "efi").mkdir()
            run("mount", self.device, mount)
            self.where = mount / "grubenv"
            run("grub-editenv", self.where, "create")
            run("grub-editenv", self.where, "set", "ORDER=A B", "A_OK=1", "A_TRY=1")
        else:
            self.where = self.device
            (folder / "fw_env.config").write_text(f"# as on a unit\n{self.device} 0x0 0x10000\n")
            (folder / "initial").write_text("BOOT_ORDER=A B\nBOOT_A_LEFT=2\n")
            run("fw_setenv", "-c", folder / "fw_env.config", "-f", folder / "initial", "-s", folder / "initial")
        run("sync")

    def close(self):
        if self.kind == "grub":
            run("umount", self.folder / "efi")
        self.held.close()
        run("losetup", "--detach", self.device)

    def mark(self) -> subprocess.CompletedProcess:
        words = ["-", "set", *MARKED["grub"]] if self.kind == "grub" else MARKED["uboot"]
        if self.kind == "grub":
            words[0] = str(self.where)
        path = f"{self.folder}/instead:{SYSTEM}"
        environment = {"PATH": path, "BONDBOX_PATH": path, "BONDBOX_FW_ENV": str(self.folder / "fw_env.config")}
        return subprocess.run([self.program, *words], capture_output=True, text=True, env={**os.environ, **environment})

    def kept(self) -> str:
        """What the boot loader's own program reads."""
        if self.kind == "grub":
            return run("grub-editenv", self.where, "list")
        return run("fw_printenv", "-c", self.folder / "fw_env.config")

    def instead(self, does: str) -> None:
        """Has the program that writes do something else; the right one is `real`."""
        name = {"grub": "dd", "uboot": "fw_setenv"}[self.kind]
        program = self.folder / "instead" / name
        program.write_text(f'#!/bin/sh\nreal() {{ {shutil.which(name)} "$@"; }}\ncase "$*" in *iflag=direct*) real "$@" && exit ;; esac\n{does}\n')
        program.chmod(0o755)


@pytest.fixture(params=MARKED)
def marking(request, tmp_path):
    made = Marking(request.param, tmp_path)
    yield made
    made.close()


def test_what_is_marked_is_on_the_disk(marking):
    done = marking.mark()
    assert done.returncode == 0, done.stderr
    assert ("A_TRY=0" if marking.kind == "grub" else "BOOT_A_LEFT=3") in marking.kept().splitlines()


def test_a_disk_that_cannot_be_written_is_no_mark(marking):
    if marking.kind == "grub":
        run("mount", "-o", "remount,ro", marking.folder / "efi")
    else:
        run("blockdev", "--setro", marking.device)
    assert marking.mark().returncode != 0
    assert ("A_TRY=1" if marking.kind == "grub" else "BOOT_A_LEFT=2") in marking.kept().splitlines()
    run("blockdev", "--setrw", marking.device)


def test_a_program_that_says_that_it_has_written_and_has_not_is_no_mark(marking):
    marking.instead("exit 0")
    done = marking.mark()
    assert done.returncode != 0 and ("not what was written" in done.stderr or "the disk has 2" in done.stderr), done.stderr


def test_a_disk_that_has_something_else_than_the_kernels_copy_is_no_mark(marking):
    # Behind the kernel's back, once it has written.
    marking.instead(f'real "$@" && sync && python3 {marking.folder}/behind')
    (marking.folder / "behind").write_text(
        f"file = open({str(marking.disk)!r}, 'r+b')\nheld = file.read()\n"
        "for mark in [b'A_TRY=0', b'BOOT_A_LEFT=3']:\n"
        "    if mark in held:\n        file.seek(held.index(mark))\n        file.write(mark[:-1] + b'7')\n"
    )
    done = marking.mark()
    assert done.returncode != 0 and ("not what was written" in done.stderr or "the disk has nothing" in done.stderr), done.stderr
    # By the kernel's copy, all is well.
    assert ("A_TRY=0" if marking.kind == "grub" else "BOOT_A_LEFT=3") in marking.kept().splitlines()
