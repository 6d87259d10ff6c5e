"""What only the virtual unit has is listed, each with a reason, and nothing else gets in."""

import re
import shutil
import subprocess

import pytest
from tree import TOP

RIG = TOP / "hil-tests/rig"
ONLY_HERE = RIG / "only-here"


@pytest.fixture
def rig(tmp_path):
    """The rig's own files, and a root with something of everything in it that counts for how a unit behaves."""
    for name in ["only-here-root", "only-here.txt"]:
        shutil.copy(RIG / name, tmp_path)
    shutil.copytree(ONLY_HERE, tmp_path / "only-here")
    for name in ["etc/passwd", "usr/lib/systemd/system/bondbox-uplink.service", "usr/bin/busybox", "v4l2-ctl"]:
        (path := tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of the image\n")
    return tmp_path


def adds(rig) -> subprocess.CompletedProcess:
    return subprocess.run([rig / "only-here-root", rig / "root"], capture_output=True, text=True)


def test_what_is_listed_is_added_and_is_all_that_is_added(rig):
    assert adds(rig).returncode == 0
    listed = re.findall(r"^(/\S+)", (RIG / "only-here.txt").read_text(), re.M)
    assert all((rig / "root" / path.lstrip("/")).is_file() for path in listed)


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/systemd/system/more.service",
        "etc/systemd/system/bondbox-uplink.service.d/lax.conf",
        "usr/lib/sysusers.d/more.conf",
        "usr/lib/udev/rules.d/99-more.rules",
        "usr/lib/sysctl.d/99-more.conf",
        "usr/lib/tmpfiles.d/more.conf",
        "usr/lib/systemd/system-preset/00-more.preset",
        "usr/share/polkit-1/rules.d/00-more.rules",
        # In the place of what the image has.
        "usr/lib/systemd/system/bondbox-uplink.service",
        "etc/passwd",
    ],
)
def test_what_is_not_listed_is_refused_by_name(rig, path):
    (more := rig / "only-here" / path).parent.mkdir(parents=True, exist_ok=True)
    more.write_text("of the rig's\n")
    done = adds(rig)
    assert done.returncode != 0 and f"> /{path}" in done.stderr, done


def test_what_is_listed_and_not_there_is_refused_by_name(rig):
    (rig / "only-here/usr/libexec/bondbox/panel-of-the-rig").unlink()
    done = adds(rig)
    assert done.returncode != 0 and "< /usr/libexec/bondbox/panel-of-the-rig" in done.stderr, done


def test_each_has_a_reason_and_none_is_in_the_place_of_a_file_of_the_image():
    lines = [line for line in (RIG / "only-here.txt").read_text().splitlines() if line.startswith("/")]
    assert lines and all(len(line.split(maxsplit=1)) == 2 for line in lines)
    for line in lines:
        for overlay in [TOP / "overlay", *TOP.glob("board/*/overlay")]:
            assert not (overlay / line.split()[0].lstrip("/")).exists(), line


def test_the_rig_gets_its_root_from_nowhere_else():
    """What is copied into the root: Debian's packages, our programs and overlay, the kernel's modules, post-build, and this list."""
    body = re.search(r"^root\(\) \{\n(.*?)^\}", (RIG / "build").read_text(), re.S | re.M)[1]
    writes = [line.strip() for line in body.splitlines() if '"$out/root' in line and not line.strip().startswith(("rm ", "mkdir "))]
    made_by = ["cp -a \"$out/debian/.\"", "install -m 755 \"$binaries/$service\"", "strip ", "\"$here/kernel-modules\"",
               "cp -a --no-preserve=ownership \"$top/overlay/.\"", "BONDBOX_KEYRING=", "\"$top/board/common/plugins\"",
               "\"$here/only-here-root\"", "systemctl --root="]  # fmt: skip
    assert len(writes) == len(made_by)
    assert all(line.startswith(how) for line, how in zip(writes, made_by, strict=True)), writes
