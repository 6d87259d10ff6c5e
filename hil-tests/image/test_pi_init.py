"""The initramfs of a Raspberry Pi: its own init and slots, on a firmware and a disk that are played.

What it asks of a kernel (mounts, verity, restarts) is written down and answered as each test says.
"""

import os
import shutil
import stat
import struct

import pytest
from tree import BOARD, OVERLAY, run

PARTITIONS = ["boot_a", "boot_b", "root_a", "root_b", "state"]
#: Programs that write down how they were called. What a test says of each comes first, and may end it.
PLAYED = ["mount", "umount", "e2fsck", "veritysetup", "restart", "reboot", "switch_root", "sleep"]
SAY = "#!/bin/busybox sh\necho \"${0##*/} $*\" >>/calls\n"


class Pi:
    def __init__(self, initramfs, there):
        self.there = there
        run("sh", "-c", f"zcat {initramfs} | (cd {there} && cpio --quiet -id)")
        for name in ["dev", "state", "boot", "proc/device-tree/chosen/bootloader", "proc/sys/kernel/random", "sysroot/etc"]:
            (there / name).mkdir(parents=True)
        os.mknod(there / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (there / "dev/console").touch()
        (there / "proc/sys/kernel/random/uuid").write_text("00000000-0000-4000-8000-000000000000\n")
        for name in PARTITIONS:
            (block := there / "sys/class/block" / name).mkdir(parents=True)
            (block / "uevent").write_text(f"DEVNAME={name}\nPARTNAME={name}\n")
        (there / "boot/verity.env").write_text("ROOT_HASH=00ff\nHASH_OFFSET=4096\n")
        for name in PLAYED:
            self.plays(name)

    def plays(self, name: str, answer: str = "") -> None:
        (program := self.there / "bin" / name).write_text(SAY + answer)
        program.chmod(0o755)

    def start(self, partition: int = 2, tryboot: int = 0) -> list[str]:
        """What it does, call by call, until it goes on in the root or gives up."""
        for name, value in [("partition", partition), ("tryboot", tryboot)]:
            (self.there / "proc/device-tree/chosen/bootloader" / name).write_bytes(struct.pack(">I", value))
        shutil.rmtree(self.there / "run", ignore_errors=True)
        (self.there / "calls").unlink(missing_ok=True)
        # Nobody is told how it ends: the first program never does.
        run("sh", "-c", f"chroot {self.there} /init || true")
        return (self.there / "calls").read_text().splitlines()


@pytest.fixture(scope="session")
def initramfs(tmp_path_factory):
    made = tmp_path_factory.mktemp("initramfs") / "initramfs.img"
    run(BOARD / "common/initramfs/build", "/", made)
    return made


@pytest.fixture
def pi(initramfs, tmp_path):
    return Pi(initramfs, tmp_path)


def restarts(calls: list[str]) -> list[str]:
    return [call for call in calls if call.startswith(("restart", "reboot"))]


def test_it_goes_on_in_the_root_of_the_slot_that_the_firmware_started(pi):
    calls = pi.start(partition=3)
    assert calls[-1] == "switch_root /sysroot /sbin/init" and not restarts(calls), calls
    assert "veritysetup open --restart-on-corruption --hash-offset=4096 /dev/root_b root /dev/root_b 00ff" in calls
    assert (pi.there / "run/bondbox-boot/slot").read_text() == "B\n"


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ("veritysetup", "exit 1\n"),
        # The kernel dies of it, a moment after.
        ("veritysetup", "kill -9 $PPID\n"),
        ("mount", "case $* in *squashfs*) exit 1 ;; esac\n"),
        ("mount", "case $* in *vfat*) exit 1 ;; esac\n"),
    ],
    ids=["root-refused", "kernel-dies", "root-not-mounted", "boot-not-mounted"],
)
def test_a_slot_whose_root_does_not_open_gives_way_after_three_starts(pi, program, answer):
    pi.plays(program, answer)
    for _ in range(3):
        assert "switch_root" not in (calls := "\n".join(pi.start())) and "restart" not in calls.split(), calls
    calls = pi.start()
    assert restarts(calls)[0] == "restart 0 tryboot" and not [call for call in calls if call.startswith("veritysetup")], calls


def test_where_nothing_can_be_counted_a_slot_that_fails_gives_way_at_once(pi):
    pi.plays("mount", "case $* in *ext4*) exit 1 ;; esac\n")
    assert pi.start()[-1] == "switch_root /sysroot /sbin/init", "it goes on air without state, too"
    pi.plays("veritysetup", "exit 1\n")
    assert restarts(pi.start()) == ["restart 0 tryboot", "reboot -f"]
    # The other one, which the firmware tries once and leaves by itself.
    assert restarts(pi.start(partition=3, tryboot=1)) == ["reboot -f"]


@pytest.mark.parametrize("repaired", [False, True])
def test_what_state_has_lost_is_brought_back_before_it_is_read(pi, repaired):
    machine = pi.there / "state/machine-id"
    machine.write_text("0123456789abcdef0123456789abcdef\n")
    os.utime(machine, (1_700_000_000, 1_700_000_000))
    run("env", f"BONDBOX_STATE={machine.parent}", OVERLAY / "usr/libexec/bondbox/second", "keep")
    if repaired:
        pi.plays("e2fsck", "exit 1\n")
        machine.unlink()
    else:
        machine.write_bytes(b"")
    assert pi.start()[-1] == "switch_root /sysroot /sbin/init"
    assert (pi.there / "run/bondbox-boot/machine-id").read_text() == "0123456789abcdef0123456789abcdef\n"
    said = f"machine-id was {'missing' if repaired else 'empty'}: its second copy counts\n"
    assert (pi.there / "run/bondbox-boot/mended").read_text() == said
