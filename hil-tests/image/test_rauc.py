"""RAUC takes the configuration that each board's image gets, and what it names is there."""

import configparser
import random
import re
import shutil
import subprocess

import pytest
from tree import BOARD, OVERLAY, TOP, run

BOARDS = sorted(path.parent.name for path in BOARD.glob("*/board.toml"))
pytestmark = pytest.mark.skipif(not (BOARD / "common/post-build").exists(), reason="board/common/post-build is not there")


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    run(TOP / "ota/keys/ceremony", folder / "made", "--development")
    return folder / "made"


@pytest.fixture(params=BOARDS)
def root(request, tmp_path, keys):
    """What post-build makes of the overlay alone."""
    shutil.copytree(OVERLAY, tmp_path, symlinks=True, dirs_exist_ok=True)
    for name in ["passwd", "group", "shadow"]:
        (tmp_path / "etc" / name).touch()
    run("env", f"BONDBOX_KEYRING={keys}/root.pem", "BONDBOX_VERSION=1.2.3-dev", BOARD / "common/post-build", tmp_path, request.param)
    return request.param, tmp_path


@pytest.fixture
def conf(root, tmp_path):
    """Its configuration as it is on the board, for this machine's RAUC."""
    _, there = root
    text = (there / "etc/rauc/system.conf").read_text()
    assert "@" not in text, "something was not filled in"
    # An older RAUC, as a build machine may have, knows no floor of versions; and it makes the folder that it keeps its state in,
    # not here, where this is no unit.
    for here, instead in [
        ("min-bundle-version=1.2.3-dev\n", ""),
        ("data-directory=/state/rauc\n", f"data-directory={tmp_path}/rauc\n"),
        ("path=/etc/rauc/keyring.pem\n", f"path={there}/etc/rauc/keyring.pem\n"),
    ]:
        assert text.count(here) == 1
        text = text.replace(here, instead)
    (made := tmp_path / "system.conf").write_text(text)
    return made


def test_rauc_reads_it_and_refuses_what_is_no_bundle(conf, tmp_path):
    (tmp_path / "none.raucb").write_bytes(bytes(4096))
    said = run("sh", "-c", f"! rauc --conf={conf} info {tmp_path}/none.raucb")
    assert f"central status file {tmp_path}/rauc/" in said and "bundle" in said.lower() and "system.conf" not in said


def at(clock: str, *command) -> list:
    """A command whose clock stands there; files keep their times."""
    return ["env", "NO_FAKE_STAT=1", "faketime", clock, *command]


def sign(root, keys, made, clock: str | None = None):
    """A bundle of something, for the board whose root it is."""
    board, there = root
    made.mkdir()
    for part in ["root.img", "boot.vfat"]:
        # No smaller when it is packed: RAUC wants more than a block.
        (made / part).write_bytes(random.Random(part).randbytes(65536))
    bundle = ["env", f"TARGET_DIR={there}", TOP / "ota/bundle", made, board, keys]
    run(*(at(clock, *bundle) if clock else bundle))
    return made / "update.raucb"


def test_a_bundle_that_is_signed_for_it_is_verified_by_its_own_configuration(root, conf, keys, tmp_path):
    _, there = root
    made = sign(root, keys, tmp_path / "made")
    said = run("rauc", f"--conf={conf}", "info", made)
    compatible = re.search(r"^compatible=(.*)$", conf.read_text(), re.M)[1]
    assert f"'{compatible}'" in said and "1.2.3-dev" in said, said
    # By nobody else's keys.
    run(TOP / "ota/keys/ceremony", tmp_path / "others", "--development")
    conf.write_text(conf.read_text().replace(f"path={there}/etc/rauc/keyring.pem", f"path={tmp_path}/others/root.pem"))
    assert "verif" in run("sh", "-c", f"! rauc --conf={conf} info {made}")


#: Of the unit, before the keys were made and after all of them have ended.
CLOCKS = ["1970-01-02 00:00:00", "2020-01-01 00:00:00", "2037-12-31 00:00:00"]


@pytest.mark.parametrize("root", ["rpi5"], indirect=True)
def test_a_units_clock_has_no_say_in_whether_a_bundle_is_good(root, conf, keys, tmp_path):
    made = sign(root, keys, tmp_path / "made")
    # The clock of whoever signs ran ahead of the unit's.
    ahead = sign(root, keys, tmp_path / "ahead", "30 days")
    for bundle, clock in [*((made, clock) for clock in CLOCKS), (ahead, "0 days"), (ahead, "1 day ago")]:
        assert "Verified inline signature" in run(*at(clock, "rauc", f"--conf={conf}", "info", bundle)), clock


@pytest.mark.parametrize("root", ["rpi5"], indirect=True)
@pytest.mark.parametrize("clock", ["1970-01-02 00:00:00", "10 years"], ids=["before-the-keys", "after-the-keys"])
def test_whoever_signs_by_a_clock_that_the_keys_do_not_cover_is_told_so_then(root, keys, tmp_path, clock):
    with pytest.raises(AssertionError, match="not yet valid|has expired"):
        sign(root, keys, tmp_path / "made", clock)


def test_no_keys_are_made_by_a_clock_that_stands_at_1970(tmp_path):
    ceremony = at("1970-01-02 00:00:00", TOP / "ota/keys/ceremony", tmp_path / "keys", "--development")
    assert "the clock says 1970-01-02" in run("sh", "-c", '! "$@"', "sh", *ceremony)
    assert not (tmp_path / "keys").exists()


def test_a_key_for_development_is_refused_in_an_image_for_keeps(keys, tmp_path):
    build = f"env BONDBOX_KEYRING={keys}/root.pem BONDBOX_VERSION=1.2.3 {BOARD}/common/post-build {tmp_path} rpi5"
    assert "is for development" in run("sh", "-c", f"! {build}")


def test_its_slots_are_partitions_of_the_disk(root):
    board, there = root
    disk = (BOARD / board / "genimage.cfg").read_text()
    devices = re.findall(r"^device=/dev/disk/by-partlabel/(\w+)$", (there / "etc/rauc/system.conf").read_text(), re.M)
    assert sorted(devices) == ["boot_a", "boot_b", "root_a", "root_b"]
    assert all(f"partition {name} {{" in disk for name in devices)


def is_mounted_at_the_start(there, path) -> bool:
    """Whether the partition that a file is on has its place before anybody asks for the file."""
    folder = path.split("/")[1]
    mount = there / f"usr/lib/systemd/system/local-fs.target.wants/{folder}.mount"
    return mount.exists() and f"\nWhere=/{folder}\n" in mount.read_text()


def first_in_raucs_path(there, program) -> None:
    """RAUC calls ours, which reads back what it has written."""
    (setting,) = (there / "usr/lib/systemd/system/rauc.service.d").iterdir()
    first = re.search(r"^Environment=PATH=/([^:]+):", setting.read_text(), re.M)[1]
    assert (there / first / program).stat().st_mode & 0o111


def test_its_boot_loaders_part_is_there(root):
    _, there = root
    text = (there / "etc/rauc/system.conf").read_text()
    match re.search(r"^bootloader=(\w+)$", text, re.M)[1]:
        case "custom":
            backend = re.search(r"^bootloader-custom-backend=(/\S+)$", text, re.M)[1]
            assert (there / backend.lstrip("/")).stat().st_mode & 0o111
        case "uboot":
            keeps = (there / "etc/fw_env.config").read_text()
            assert keeps.startswith("#")
            for path in re.findall(r"^(/\S+)", keeps, re.M):
                assert path.startswith("/dev/") or is_mounted_at_the_start(there, path), path
            tries = re.search(r"^boot-attempts=(\d+)$", text, re.M)[1]
            assert f"setenv BOOT_A_LEFT {tries}\n" in (BOARD / "common/u-boot/boot.cmd").read_text()
            first_in_raucs_path(there, "fw_setenv")
        case "grub":
            assert is_mounted_at_the_start(there, re.search(r"^grubenv=(/\S+)$", text, re.M)[1])
            first_in_raucs_path(there, "grub-editenv")
        case other:
            raise AssertionError(f"nobody knows {other}")


def test_what_it_calls_before_it_installs_is_there_and_decides(root, tmp_path):
    _, there = root
    # As RAUC's reader does, it takes a section that comes twice for one.
    settings = configparser.ConfigParser(strict=False)
    settings.read(there / "etc/rauc/system.conf")
    handler = there / settings["handlers"]["pre-install"].lstrip("/")
    assert handler.stat().st_mode & 0o111
    # The program's exit status is the answer, and what it says is told.
    said_by = tmp_path / "bondboxctl"
    for code in [0, 1]:
        said_by.write_text(f'#!/bin/sh\necho "$1 at 7.0 %"\nexit {code}\n')
        said_by.chmod(0o755)
        called = handler.read_text().replace("/usr/bin/bondboxctl", str(said_by))
        assert called != handler.read_text()
        done = subprocess.run(["sh", "-c", called], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (code, "may-install at 7.0 %\n")


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3 dev", "890f119"])
def test_a_version_that_cannot_be_compared_is_refused(version, tmp_path, keys):
    command = ["env", f"BONDBOX_KEYRING={keys}/root.pem", f"BONDBOX_VERSION={version}", BOARD / "common/post-build"]
    said = run("sh", "-c", '! "$@" 2>&1', "sh", *command, tmp_path, "qemu")
    assert "must be like 1.2.3" in said
