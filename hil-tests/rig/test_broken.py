"""A unit that is built with a mistake fails the tests of a whole unit, and for what the mistake does."""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

import pytest
import unit

HERE = Path(__file__).parent
TOP = HERE.parents[1]
#: What a unit's disk is made of, beside its binaries.
SOURCES = ["board", "overlay", "ota", "hil-tests/rig"]


@dataclass
class Mistake:
    file: str
    right: str
    wrong: str
    #: The first test that fails, and what it says then.
    fails: str
    saying: str


MISTAKES = {
    # A service fails, and nothing that is streamed or shown needs it.
    "a rule of the firewall cannot be read": Mistake(
        "overlay/usr/lib/bondbox/firewall.nft", "icmp type {", "imcp type {",
        "test_it_comes_up_with_no_failed_unit", "'degraded' == 'running'",
    ),
    # The next start would bring the other slot.
    "a slot says that it works, and the boot loader does not hear of it": Mistake(
        "hil-tests/rig/only-here/etc/systemd/system/bondbox-health.service.d/slow.conf",
        "ExecStart=/usr/bin/bondbox-health --patience-s 240", "ExecStart=/bin/echo A works and is marked good",
        "test_it_works_by_its_own_judgement_and_is_marked_good", "'bad' == 'good'",
    ),
    # What cannot be read any more would be an error to whoever reads it, and no reason to start the other slot.
    "a damaged root does not restart the unit": Mistake(
        "board/common/initramfs/init", "veritysetup open --restart-on-corruption", "veritysetup open",
        "test_its_root_is_read_only_and_verified", "'restart_on_corruption' in",
    ),
    "a carrier's network is answered by name": Mistake(
        "overlay/usr/lib/systemd/resolved.conf.d/bondbox.conf", "LLMNR=no", "LLMNR=yes",
        "test_nothing_listens_but_the_resolver_on_the_unit_itself", "0.0.0.0:5355",
    ),
    "sticks get no address": Mistake(
        "overlay/usr/libexec/bondbox/link", "DHCP=yes", "DHCP=no",
        "test_its_stream_reaches_the_gateway_over_all_links_and_loses_nothing", "20 units over 2 links, but",
    ),
}  # fmt: skip


@pytest.fixture
def folder():
    """Of one mistake; next to the unit without it, whose parts it shares."""
    made = unit.folder().resolve() / "broken"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    for part in ["debian", "kernel", "keys"]:
        (made / part).symlink_to(f"../{part}")
    for part in ["debian", "kernel", "more-modules", "keys"]:
        shutil.copy(made.parent / f"{part}.made", made)
    yield made
    shutil.rmtree(made)


def build(folder: Path, binaries: Path, mistake: Mistake | None) -> None:
    """As `make rig-unit` does, of sources that are as these but for the mistake."""
    source = folder / "source"
    for part in SOURCES:
        shutil.copytree(TOP / part, source / part, symlinks=True)
    if mistake:
        text = (source / mistake.file).read_text()
        assert text.count(mistake.right) == 1, f"{mistake.file} has {mistake.right!r} {text.count(mistake.right)} times, must have it once"
        (source / mistake.file).write_text(text.replace(mistake.right, mistake.wrong))
    subprocess.run([source / "hil-tests/rig/build", folder, binaries, "unit"], check=True)


def run(folder: Path) -> dict[str, str]:
    """What each test of a whole unit says, to the first that fails: nothing where it passes."""
    result = folder / "result.xml"
    command = [sys.executable, *"-B -m pytest -p no:cacheprovider -q -x -o faulthandler_timeout=600 test_unit.py".split(), f"--junitxml={result}"]
    done = subprocess.run(command, cwd=HERE, env={**os.environ, "RIG": str(folder)}, capture_output=True, text=True)
    assert result.exists(), done.stdout + done.stderr
    return {case.get("name"): "".join(part.text or "" for part in case) for case in xml.parse(result).iter("testcase")}


def test_a_unit_without_a_mistake_passes(folder, binaries):
    build(folder, binaries, None)
    said = run(folder)
    assert {mistake.fails for mistake in MISTAKES.values()} <= set(said) and not any(said.values()), said


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_found(folder, binaries, what):
    mistake = MISTAKES[what]
    build(folder, binaries, mistake)
    said = run(folder)
    failed = {name: why for name, why in said.items() if why}
    assert list(failed) == [mistake.fails] and mistake.saying in failed[mistake.fails], failed
