"""Whatever happens to it, a unit comes back to the air."""

import pytest
from patience import until

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("on_the_air")]


def cut_and_start(unit, clock=None):
    unit.power.cut()
    unit.power.on(clock)


def test_the_power_fails_while_it_streams(unit):
    slot = unit.slot()
    cut_and_start(unit)
    unit.works(slot)


def test_the_power_fails_while_it_starts(unit):
    slot = unit.slot()
    cut_and_start(unit)
    unit.until_said(f"slot {slot}, state mounted")
    cut_and_start(unit)
    # What was cut off had its one try: the other slot is next, and it works as well.
    unit.come_back()
    unit.works(unit.slot())


@pytest.mark.needs("updates")
def test_the_power_fails_while_an_update_is_written(unit, update):
    slot = unit.slot()
    other = {"A": "B", "B": "A"}[slot]
    unit.run(f"systemd-run --quiet {update.command('next.raucb')}")
    # Megabytes are fetched before anything is written: what the bundle tells of itself.
    until("something is written", lambda: "Copying image" in update.progress())
    update.served.until(update.served.bytes + 1_000_000)
    cut_and_start(unit)
    unit.works(slot)
    # Half of an update is nothing that may be started; all of it is.
    assert unit.boot_states()[other] == "bad"
    update.install("next.raucb")
    unit.restart()
    unit.works(other)


@pytest.mark.parametrize("full", ["of bytes", "of files"])
def test_data_is_full(unit, full):
    slot = unit.slot()
    fill = {
        "of bytes": "dd if=/dev/zero of=/data/full bs=1M",
        "of files": "mkdir -p /data/full && seq 60000 | (cd /data/full && xargs -n 500 touch)",
    }
    _, said = unit.try_run(f"{fill[full]} 2>&1 | tail -n 1", timeout=600)
    code, refused = unit.try_run("dd if=/dev/zero of=/data/more bs=64k count=1 conv=fsync")
    assert code != 0 and "No space left" in refused, said + refused
    cut_and_start(unit)
    unit.works(slot)
    unit.run("rm -rf /data/full /data/more", timeout=300)


@pytest.mark.needs("clock")
@pytest.mark.parametrize("clock", ["1970-01-02", "2040-01-01"])
def test_the_clock_is_wrong(unit, clock):
    slot, before = unit.slot(), int(unit.run("date +%s"))
    cut_and_start(unit, clock)
    unit.come_back(slot)
    # Nobody starts the stream again: what was meant is meant still, where the clocks do not tell for how long it was dark.
    unit.works(slot)
    assert int(unit.run("date +%s")) >= before - 3600
    # A wrong year that was kept would be the year of each start from now on.
    unit.run("rm -f /state/clock")


@pytest.mark.needs("disk", "grub")
def test_the_boot_environment_is_garbage(unit):
    unit.power.cut()
    unit.disk.environment_is(bytes(1024))
    unit.power.on()
    unit.works("A")
    assert unit.boot_states()["A"] == "good"


@pytest.mark.needs("disk", "updates")
def test_a_bit_of_the_root_flips(unit, update):
    slot = unit.slot()
    other = {"A": "B", "B": "A"}[slot]
    unit.power.cut()
    root = f"root_{slot.lower()}"
    # Where squashfs has its inodes (inode_table_start of its superblock): nothing starts without them.
    unit.disk.flip(root, int.from_bytes(unit.disk.read(root, 64, 8), "little") + 16)
    unit.power.on()
    unit.works(other)
    # An update mends it, for it compares what is there.
    update.install("next.raucb")
    unit.restart()
    unit.works(slot)


@pytest.mark.needs("disk")
def test_data_is_garbage(unit):
    slot = unit.slot()
    unit.power.cut()
    unit.disk.write("data", 0, b"\x5a" * (64 << 20))
    unit.power.on()
    unit.works(slot)
    assert "made anew" in unit.run("journalctl -b -u bondbox-data -o cat --no-pager")
    assert "/data" in unit.run("findmnt -no TARGET /data")


def test_a_setting_is_damaged_where_it_lies(unit):
    slot, file = unit.slot(), "/state/settings/uplink.toml"
    unit.run("systemctl start bondbox-second")
    before = unit.run(f"cat {file}")
    unit.run(f"at=$(stat -c %Y {file}) && printf '\\377' | dd of={file} conv=notrunc && touch -d @$at {file} && sync")
    cut_and_start(unit)
    unit.works(slot)
    assert unit.run(f"cat {file}") == before
    assert "settings/uplink.toml was damaged" in unit.run("journalctl -b -u bondbox-state -o cat --no-pager")


@pytest.mark.needs("disk")
def test_state_is_lost(unit, gateway):
    slot = unit.slot()
    unit.power.cut()
    unit.disk.erase("state")
    unit.power.on()
    unit.come_back()
    unit.marked_good()
    assert unit.slot() == slot
    assert "made anew" in unit.run("journalctl -b -u bondbox-state -o cat --no-pager")
    assert "ext4" in unit.run("findmnt -no FSTYPE /state")
    # It is a new unit now, which nobody has set up.
    assert unit.run("cat /state/machine-id") == unit.run("cat /etc/machine-id")
    unit.power.cut()
    unit.set_up()
    unit.power.on()


def test_it_is_reset_to_the_factorys_state(unit):
    unit.run("echo serial=1 >/state/factory && touch /data/film && cp -a /state/bondbox-uplink/key /tmp/key")
    machine, key = unit.run("cat /state/machine-id"), unit.run("sha256sum </state/bondbox-uplink/key")
    code, said = unit.try_run("setpriv --reuid=bondbox-capture --clear-groups busctl call org.freedesktop.systemd1 "
                           "/org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss bondbox-factory-reset.service replace")  # fmt: skip
    assert code != 0 and "ccess denied" in said, said
    unit.restart("systemctl start bondbox-factory-reset")
    unit.come_back()
    unit.marked_good()
    assert unit.run("cat /state/factory /state/machine-id").split() == ["serial=1", machine]
    assert unit.run("sha256sum </state/bondbox-uplink/key") != key
    assert unit.run("ls /state/settings /data/film /state/factory-reset 2>&1; true").count("No such file") == 2
    assert unit.run("ls /state/settings") == ""
    unit.power.cut()
    unit.set_up()
    unit.power.on()
