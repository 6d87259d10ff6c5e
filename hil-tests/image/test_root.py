"""What lands on the root: services that are boxed in, scripts without known mistakes, paths of a merged /usr."""

import re
import shutil
from pathlib import Path

import pytest
from tree import BOARD, OVERLAY, TOP, UNITS, run, scripts

#: Ten times the exposure that systemd's own judge may find.
EXPOSURE = 22
#: They make, repair and mount partitions for everybody: a box of their own would keep these to themselves.
MOUNTS_FOR_ALL = {"bondbox-data.service", "bondbox-state.service"}
OVERLAYS = [OVERLAY, *sorted(BOARD.glob("*/overlay"))]


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """The overlay on this machine's units, with something executable where a unit names a program of ours."""
    there = tmp_path_factory.mktemp("root")
    shutil.copytree("/usr/lib/systemd/system", there / "usr/lib/systemd/system", symlinks=True)
    for overlay in OVERLAYS:
        # As post-build does, and twice: boards have links of the same name.
        run("cp", "-a", f"{overlay}/.", there)
    for unit in (there / "usr/lib/systemd/system").glob("*.service"):
        for program in re.findall(r"^Exec\w+=[-@:+!]*(/\S+)", unit.read_text(), re.M):
            path = there / program.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text("#!/bin/sh\n")
                path.chmod(0o755)
    return there


@pytest.mark.parametrize("script", scripts(), ids=lambda path: str(path.relative_to(TOP)))
def test_shellcheck_finds_nothing(script):
    dash = re.match(rb"#!/bin/(busybox )?sh\b", script.read_bytes())
    run("shellcheck", *(["--shell=dash"] if dash else []), script)


def test_systemd_understands_every_unit_of_ours(root):
    ours = sorted({path.name for overlay in OVERLAYS for path in overlay.glob("usr/lib/systemd/system/*.*") if path.is_file()})
    said = run("systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no",
               *[f"{root}/usr/lib/systemd/system/{name.replace('@.', '@usb1-1.')}" for name in ours])  # fmt: skip
    about_ours = [line for line in said.splitlines() if any(name in line for name in ours)]
    assert not about_ours


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.name not in MOUNTS_FOR_ALL], ids=lambda path: path.stem)
def test_every_service_of_ours_is_boxed_in(unit, root):
    name = unit.name.replace("@.", "@usb1-1.")
    run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", f"--root={root}", name)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: str(path.relative_to(TOP)))
def test_nothing_is_put_where_a_merged_usr_has_links(overlay):
    merged = [Path(name) for name in ["bin", "lib", "lib32", "lib64", "sbin", "usr/sbin"]]
    assert not [path for path in merged if (overlay / path).exists()]


def test_one_place_says_which_interfaces_lead_inside():
    inside = re.findall(r"[a-z]+\d", re.search(r"(?m)^inside = (.*)$", (OVERLAY / "etc/bondbox/modems.toml").read_text())[1])
    assert inside
    names = re.compile(rf"\b({'|'.join(inside)})\b")
    others = [path for top in OVERLAYS for path in top.rglob("*") if path.is_file() and path.name != "modems.toml"]
    assert not [path for path in others if names.search(path.read_text(errors="replace"))]
