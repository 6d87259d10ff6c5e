"""The panel service takes the settings that each board's image gets, and until it runs the lights say that the box starts."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tree import BOARD, OVERLAY, TOP, run

BOARDS = sorted(path.parent.name for path in BOARD.glob("*/board.toml"))
#: Where the programs of this tree are, where they were built.
PROGRAM = Path(os.environ.get("BINARIES", TOP / "target/debug")) / "bondbox-panel"
RULES = (OVERLAY / "usr/lib/udev/rules.d/70-bondbox-panel.rules").read_text()


@pytest.fixture(params=BOARDS)
def settings(request, tmp_path):
    """The board's name, and the panel's settings as post-build leaves them."""
    run("cp", "-a", f"{OVERLAY}/.", tmp_path)
    for name in ["passwd", "group", "shadow"]:
        (tmp_path / "etc" / name).touch()
    (keyring := tmp_path / "root.pem").touch()
    run("env", f"BONDBOX_KEYRING={keyring}", "BONDBOX_VERSION=1.2.3-dev", BOARD / "common/post-build", tmp_path, request.param)
    return request.param, tmp_path / "etc/bondbox/panel.toml"


def test_raw_lines_are_reached_as_the_board_says(settings):
    board, path = settings
    wanted = run(BOARD / "common/setting", board, "lines_by").strip()
    assert re.findall(r"^lines_by = .*$", path.read_text(), re.M) == [f'lines_by = "{wanted}"']


@pytest.mark.skipif(not PROGRAM.exists(), reason="bondbox-panel was not built: cargo build --workspace, or BINARIES")
def test_the_service_takes_the_settings_of_each_board(settings):
    _, path = settings
    run(PROGRAM, "--config", path, "--check")
    path.write_text(path.read_text().replace("lines_by = ", "lines_by = \"sysfs\" #"))
    refused = subprocess.run([PROGRAM, "--config", path, "--check"], capture_output=True, text=True)
    assert refused.returncode != 0 and 'lines_by is "sysfs"' in refused.stdout + refused.stderr


def test_once_its_lights_are_there_a_box_that_starts_looks_as_it_did_from_the_kernels_first_second(tmp_path):
    shown = {}
    for light in ["red:air", "blue:link", "green:power"]:
        (led := tmp_path / light).mkdir()
        # What the kernel makes of a timer that is told nothing.
        for file, value in [("trigger", "none"), ("delay_on", "500"), ("delay_off", "500")]:
            (led / file).write_text(f"{value}\n")
        for names, command in re.findall(r'^SUBSYSTEM=="leds".*KERNEL=="(.*?)", RUN\+="/bin/sh -c \'(.*)\'"$', RULES, re.M):
            if any(Path(light).match(name) for name in names.split("|")):
                # Whose files they are is asked on a unit.
                done = re.sub(r"; ch(own|mod) [^;]*", "", command)
                run("sh", "-euc", done.replace("/sys%p", str(led)))
        assert (led / "trigger").read_text() == "timer\n"
        shown[light] = [int((led / file).read_text()) for file in ("delay_on", "delay_off")]
    # Meaning::Starting of firmware/panel/src/lights.rs.
    assert shown == {"red:air": [0, 1000], "blue:link": [0, 1000], "green:power": [500, 500]}
