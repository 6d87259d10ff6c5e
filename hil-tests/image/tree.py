"""The files of the image: where they are, and how the checks read them."""

import os
import re
import subprocess
from pathlib import Path

TOP = Path(__file__).parents[2]
EXTERNAL = TOP / "buildroot-external"
BOARD = TOP / "board"
OVERLAY = TOP / "overlay"
KNOWN = EXTERNAL / "known"
#: A tree of the pinned Buildroot, where one is at hand.
BUILDROOT = os.environ.get("BUILDROOT")

CONFIGURATIONS = sorted(path.name.removesuffix("_defconfig") for path in (EXTERNAL / "configs").glob("*_defconfig"))
UNITS = sorted((OVERLAY / "usr/lib/systemd/system").glob("bondbox*.service"))


def run(*command: str | Path, **more) -> str:
    """What a command prints, which has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def options(path: Path) -> dict[str, str | None]:
    """Options of a Kconfig file by name; what `is not set` is None."""
    found = {}
    for line in path.read_text().splitlines():
        if unset := re.fullmatch(r"# (\w+) is not set", line):
            name, value = unset[1], None
        elif line.strip() and not line.startswith("#"):
            name, value = line.split("=", 1)
        else:
            continue
        assert name not in found, f"{path} has {name} twice"
        found[name] = value
    return found


def defconfig(name: str) -> dict[str, str | None]:
    return options(EXTERNAL / "configs" / f"{name}_defconfig")


def resolved(name: str) -> dict[str, str | None]:
    """What the pinned release makes of a configuration, set options only."""
    return options(KNOWN / f"{name}.config")


def scripts() -> list[Path]:
    """Every shell script that makes an image, runs in one, or tries one."""
    listed = run("git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard",
                 "board", "buildroot-external", "overlay", "ota", "hil-tests").split()  # fmt: skip
    found = []
    for name in listed:
        path = TOP / name
        if path.is_file() and re.match(rb"#!.*\b(ba|da|busybox )?sh\b", path.read_bytes()[:64]):
            found.append(path)
    return found
