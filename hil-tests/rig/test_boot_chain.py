"""OVMF, GRUB and our initramfs bring up the right slot, or the other one."""

import time

from unit import start

#: Well inside the root's data, which the small root reads to its end.
INSIDE = 2_000_000


def test_it_starts_slot_a_with_a_verified_root_and_is_the_same_unit_after_each_start(disk):
    first = start(disk)
    first.came_up("A")
    assert first.slots == ["A"] and first.told["state"] == "mounted" and first.told["verity"] == "1", first.console
    disk.environment(A_TRY="0")
    # A clock that stands at 1970, as without a battery, which this kernel reads as 2070: never before the last shutdown, and not
    # in another century.
    again = start(disk, "-rtc", "base=1970-01-01T00:00:00")
    again.came_up("A")
    assert again.told["machine"] == first.told["machine"] and len(first.told["machine"]) == 32, again.console
    assert 0 <= int(again.told["time"]) - int(first.told["time"]) < 86_400, again.console


def test_a_slot_that_does_not_prove_itself_gives_way_to_the_other(disk):
    start(disk).came_up("A")
    start(disk).came_up("B")
    # Both were tried and neither was marked good: they go on taking turns.
    start(disk).came_up("A")


def test_a_flipped_bit_in_the_root_brings_the_other_slot(disk):
    disk.flip("root_a", INSIDE)
    begun = start(disk)
    begun.came_up("B")
    assert begun.slots == ["A", "B"] and "is corrupted" in begun.console, begun.console


def test_a_root_that_is_not_the_one_of_its_boot_slot_brings_the_other_slot(disk, tmp_path):
    lines = disk.fat("boot_a", "mtype", "::/verity.env").decode()
    wrong = tmp_path / "verity.env"
    wrong.write_text(lines.replace("ROOT_HASH=", "ROOT_HASH=0", 1)[:-1])
    disk.fat("boot_a", "mcopy", "-o", str(wrong), "::/verity.env")
    begun = start(disk)
    begun.came_up("B")
    assert "initramfs: FAILED" in begun.console, begun.console


def test_a_boot_slot_without_a_kernel_brings_the_other_slot(disk):
    disk.fat("boot_a", "mdel", "::/vmlinuz")
    begun = start(disk)
    begun.came_up("B")
    assert "has nothing that starts" in begun.console, begun.console


def test_a_lost_boot_environment_and_a_lost_state_do_not_keep_it_from_starting(disk):
    disk.fat("esp", "mdel", "::/EFI/BOOT/grubenv")
    disk.erase("state")
    # Far from now, and after all certificates: the clock is left alone, for it cannot be known to be wrong.
    begun = start(disk, "-rtc", "base=2040-01-01T00:00:00")
    begun.came_up("A")
    assert begun.told["state"] == "lost", begun.console
    assert int(begun.told["time"]) > time.time(), begun.console
