"""Slots of a Raspberry Pi, against a firmware as its maker describes it and a disk of its own.

The firmware is played here: it reads autoboot.txt off the selector partition, starts the partition named there, or the one of
[tryboot] once after a restart that asked for it, and tells both in the device tree. The rest is the unit's own: the script
that RAUC and the initramfs call, on a selector partition that genimage made.
"""

import configparser
import os
import re
import shutil
import stat
import struct
import subprocess

import pytest
from tree import BOARD, OVERLAY, run

#: What a unit has side by side.
SCRIPTS = [*sorted((BOARD / "rpi/overlay/usr/libexec/bondbox").iterdir()), OVERLAY / "usr/libexec/bondbox/on-disk"]
SLOTS = {2: "A", 3: "B"}


class Pi:
    def __init__(self, folder, shell):
        self.folder, self.shell = folder, shell
        #: Where programs are looked for first.
        self.instead = folder / "instead"
        self.selector = self.disk = folder / "selector.vfat"
        config = (BOARD / "rpi5/genimage.cfg").read_text()
        image = re.search(r"image selector\.vfat \{.*?\n\}\n", config, re.S)[0]
        (folder / "genimage.cfg").write_text(image)
        for name in ["in", "empty", "state", "run", "instead", "scripts", "tree/chosen/bootloader"]:
            (folder / name).mkdir(parents=True)
        for script in SCRIPTS:
            shutil.copy(script, folder / "scripts")
        (folder / "in/autoboot.txt").write_text(run(folder / "scripts/autoboot", "A"))
        run("genimage", "--rootpath", "empty", "--tmppath", "tmp", "--inputpath", "in", "--outputpath", folder,
            "--config", "genimage.cfg", cwd=folder)  # fmt: skip
        self.running = None

    def slots(self, *words: str, refused: bool = False) -> str:
        places = {"BONDBOX_TREE": "tree", "BONDBOX_STATE": "state", "BONDBOX_SELECTOR": self.selector, "BONDBOX_RUN": "run"}
        environment = {name: str(self.folder / place) for name, place in places.items()}
        environment["PATH"] = f"{self.instead}:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run([*self.shell, self.folder / "scripts/slots", *words], capture_output=True, text=True, env=environment)
        assert (done.returncode != 0) == refused, f"{words}: {done.stdout}{done.stderr}"
        return done.stderr if refused else done.stdout.strip()

    def autoboot(self) -> configparser.ConfigParser:
        text = run("mtype", "-i", self.disk, "::/autoboot.txt")
        assert len(text) <= 512
        parser = configparser.ConfigParser(strict=True)
        parser.read_string(text)
        return parser

    @property
    def named(self) -> str:
        return SLOTS[int(self.autoboot()["all"]["boot_partition"])]

    def firmware(self, tryboot: bool) -> str:
        """Starts a partition, as the firmware does."""
        told = self.autoboot()
        assert told["all"]["tryboot_a_b"] == "1"
        partition = int(told["tryboot" if tryboot else "all"]["boot_partition"])
        for name, value in [("partition", partition), ("tryboot", int(tryboot))]:
            (self.folder / "tree/chosen/bootloader" / name).write_bytes(struct.pack(">I", value))
        parameter = self.folder / "run/systemd/reboot-param"
        parameter.unlink(missing_ok=True)
        self.running = SLOTS[partition]
        return self.running

    def start(self, tryboot: bool = False, dead: str = "") -> str:
        """A start up to where services are, with all restarts on the way; a kernel of the slots in `dead` only panics."""
        for _ in range(10):
            if self.firmware(tryboot) in dead:
                tryboot = False
                continue
            tryboot = self.slots("count") == "tryboot"
            if not tryboot:
                return self.running
        raise AssertionError("it restarts for ever")

    def restart(self, dead: str = "") -> str:
        """A restart that systemd does, with the word that it was left."""
        parameter = self.folder / "run/systemd/reboot-param"
        return self.start(parameter.exists() and parameter.read_text() == "0 tryboot\n", dead)

    def install(self, slot: str) -> None:
        """What RAUC asks for when it installs."""
        self.slots("set-state", slot, "bad")
        self.slots("set-primary", slot)


@pytest.fixture(params=[["dash"], ["busybox", "sh"]], ids=["dash", "busybox"])
def pi(request, tmp_path):
    return Pi(tmp_path, request.param)


@pytest.fixture
def faulty(tmp_path):
    """One whose programs can have others in their place: busybox calls its own, whatever comes first in PATH."""
    return Pi(tmp_path, ["dash"])


def proven(pi):
    pi.slots("set-state", pi.running, "good")


def test_a_new_unit_starts_slot_a_and_stays_there(pi):
    for _ in range(6):
        assert pi.start() == "A"
        proven(pi)
    assert pi.slots("get-current") == pi.slots("get-primary") == "A"
    assert pi.slots("get-state", "A") == pi.slots("get-state", "B") == "good"


def test_an_update_is_named_only_after_it_proved_itself(pi):
    pi.start()
    proven(pi)
    pi.install("B")
    assert pi.slots("get-primary") == "B" and pi.named == "A"
    assert pi.restart() == "B"
    assert pi.named == "A", "named before it proved itself"
    proven(pi)
    assert pi.named == pi.slots("get-primary") == "B"
    assert pi.restart() == "B" and pi.start() == "B"
    pi.install("A")
    assert pi.restart() == "A"
    proven(pi)
    assert pi.named == "A" and pi.start() == "A"


@pytest.mark.parametrize("dead", ["", "B"], ids=["unhealthy", "panicking"])
def test_an_update_that_does_not_prove_itself_is_left_by_any_restart_and_not_tried_again(pi, dead):
    pi.start()
    proven(pi)
    pi.install("B")
    first = pi.restart(dead)
    assert first == ("A" if dead else "B")
    for _ in range(6):
        assert pi.start(dead=dead) == "A"
        proven(pi)
    assert pi.slots("get-state", "B") == "bad" and pi.slots("get-primary") == "A" and pi.named == "A"


def test_a_power_cut_between_install_and_restart_loses_no_update(pi):
    pi.start()
    proven(pi)
    pi.install("B")
    assert pi.start() == "B"
    proven(pi)
    assert pi.named == "B"


def test_a_half_installed_slot_is_not_started(pi):
    pi.start()
    proven(pi)
    pi.slots("set-state", "B", "bad")
    assert pi.restart() == "A" and pi.slots("get-state", "B") == "bad" and pi.slots("get-primary") == "A"


def test_a_named_slot_that_stops_proving_itself_gives_way_after_three_starts(pi):
    assert [pi.start() for _ in range(3)] == ["A", "A", "A"]
    assert pi.start() == "B"
    proven(pi)
    assert pi.named == "B" and pi.start() == "B"


def test_two_slots_that_never_prove_themselves_take_turns_for_ever(pi):
    seen = "".join(pi.start() for _ in range(24))
    assert re.fullmatch(r"(A{1,4}B)+A*", seen) and seen.count("B") >= 4, seen


def test_a_slot_that_was_found_bad_gives_way_at_once_to_a_good_one(pi):
    pi.start()
    proven(pi)
    pi.slots("set-state", "A", "bad")
    assert pi.start() == "B"


def test_naming_another_slot_changes_one_sector_of_the_selector(pi):
    pi.start()
    pi.install("B")
    pi.restart()
    before = pi.selector.read_bytes()
    proven(pi)
    after = pi.selector.read_bytes()
    changed = {at // 512 for at in range(len(before)) if before[at] != after[at]} if before != after else set()
    assert len(changed) == 1 and len(before) == len(after)
    run("fsck.vfat", "-n", pi.selector)


def test_a_garbled_autoboot_txt_is_written_anew_by_the_next_proof(pi):
    whole = pi.selector.read_bytes()
    at = whole.index(b"[all]\n")
    pi.start()
    pi.selector.write_bytes(whole[:at] + b"\xff" * 512 + whole[at + 512 :])
    pi.slots("get-primary", refused=True)
    proven(pi)
    assert pi.selector.read_bytes() == whole


def instead(pi, name: str, does: str) -> None:
    (program := pi.instead / name).write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)


def after_dd(pi, of: str, does: str) -> None:
    """Has something happen right after each write to a file or device."""
    instead(pi, "dd", f'/bin/dd "$@" || exit\ncase " $* " in *" of={of} "*) {does} ;; esac')


def test_a_start_is_on_the_disk_when_it_is_counted(faulty):
    state, synced = faulty.folder / "state", faulty.folder / "synced"
    instead(faulty, "sync", f'[ "$*" != {state} ] || cp {state}/slots {synced}')
    for starts in range(1, 4):
        faulty.start()
        assert f"starts={starts}\n" in synced.read_text()


@pytest.fixture
def card(faulty):
    """The selector as a block device, which the kernel keeps its copy of while somebody has it open."""
    made = subprocess.run(["losetup", "--find", "--show", faulty.disk], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no loop device, which only root has: {made.stderr.strip()}")
    faulty.selector = made.stdout.strip()
    with open(faulty.selector):
        yield faulty
    run("losetup", "--detach", faulty.selector)


def test_a_card_that_has_something_else_than_was_written_is_not_believed(card):
    card.start()
    proven(card)
    card.install("B")
    card.restart()
    # What the kernel keeps of the device stays as it was written.
    sector = card.disk.read_bytes().index(b"[all]\n")
    after_dd(card, card.selector, f"printf lost | /bin/dd of={card.disk} bs=1 seek={sector} conv=notrunc,fsync 2>/dev/null")
    assert "autoboot.txt is not what was written" in card.slots("set-state", "B", "good", refused=True)
    (card.instead / "dd").unlink()
    run("blockdev", "--flushbufs", card.selector)
    proven(card)
    assert card.named == "B" and card.start() == "B"


def test_a_verdict_that_state_does_not_keep_is_not_believed(faulty):
    faulty.start()
    after_dd(faulty, f"{faulty.folder}/state/slots.new", f"echo lost >{faulty.folder}/state/slots.new")
    assert "slots is not what was written" in faulty.slots("set-state", "A", "good", refused=True)


def test_a_selector_without_the_file_is_refused_and_not_written(pi):
    pi.start()
    run("mdel", "-i", pi.selector, "::/autoboot.txt")
    without = pi.selector.read_bytes()
    assert "no autoboot.txt" in pi.slots("set-state", "A", "good", refused=True)
    assert pi.selector.read_bytes() == without


@pytest.mark.parametrize("memory", [None, b"", b"\xff" * 100, b"wanted=C\ntrial=../x\nstarts=99999999999\nA=$(reboot)\n"])
def test_what_state_has_lost_or_garbled_is_as_on_a_new_unit(pi, memory):
    pi.start()
    if memory is None:
        (pi.folder / "state/slots").unlink()
    else:
        (pi.folder / "state/slots").write_bytes(memory)
    assert pi.start() == "A" and pi.slots("get-primary") == "A" and pi.slots("get-state", "A") == "good"


@pytest.mark.parametrize("words", [[], ["set-primary"], ["set-primary", "C"], ["set-state", "A", "fine"], ["get-state", ""], ["bless", "A"]])
def test_what_is_no_command_is_refused(pi, words):
    pi.start()
    pi.slots(*words, refused=True)
    assert pi.named == "A"


def test_the_initramfs_has_all_that_the_script_is_written_with(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    run(BOARD / "common/initramfs/build", "/", tmp_path / "initramfs.img")
    run("sh", "-c", f"zcat {tmp_path}/initramfs.img | (cd {tree} && cpio --quiet -id)")
    told = tree / "fake/chosen/bootloader"
    told.mkdir(parents=True)
    (tree / "state").mkdir()
    # As init mounts them.
    (tree / "dev").mkdir()
    os.mknod(tree / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    for name, value in [("partition", 3), ("tryboot", 0)]:
        (told / name).write_bytes(struct.pack(">I", value))

    def inside(command: str) -> list[str]:
        there = "export PATH=/bin BONDBOX_TREE=/fake"
        return run("chroot", tree, "/bin/busybox", "sh", "-c", f"{there}; {command}").split()

    assert inside("/bin/busybox --install -s /bin") == []
    assert inside("slots get-current") == ["B"]
    assert [inside("slots count") for _ in range(4)] == [[], [], [], ["tryboot"]]
    assert inside("autoboot B | wc -c") == ["512"]
