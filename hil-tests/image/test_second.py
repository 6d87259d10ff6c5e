"""The second set of what `state` keeps: whatever is damaged comes back, and whatever somebody wrote or took away stays so."""

import os
import re
import subprocess

import pytest
from tree import OVERLAY

SCRIPT = OVERLAY / "usr/libexec/bondbox/second"
UNITS = OVERLAY / "usr/lib/systemd/system"
#: Long enough ago that nobody writes it within the same second.
BEFORE = 1_700_000_000
KEPT = {
    "factory": b"claim = \"00\"\n",
    "machine-id": b"0123456789abcdef0123456789abcdef\n",
    "bondbox-capture/intent.toml": b"on_air = true\n",
    "bondbox-uplink/key": bytes(range(256)) + b"\n\n\0",
    "settings/a file.toml": b"gateway = 1\n",
}


class State:
    def __init__(self, folder, shell):
        self.folder, self.shell = folder, shell
        self.at, self.second = folder / "state", folder / "state/second"
        for name in ["state", "tmp", "instead"]:
            (folder / name).mkdir()
        for name, held in KEPT.items():
            self.write(name, held)

    def write(self, name: str, held: bytes, at: int = BEFORE) -> None:
        """As services do: beside its place, and then moved there."""
        (path := self.at / name).parent.mkdir(parents=True, exist_ok=True)
        (beside := path.with_name(f"{path.name}.new")).write_bytes(held)
        os.utime(beside, (at, at))
        beside.rename(path)

    def damage(self, name: str, held: bytes) -> None:
        """As a card does, where nobody wrote."""
        path = self.at / name
        before = path.stat()
        with path.open("r+b") as file:
            file.write(held)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size

    def instead(self, name: str, does: str) -> None:
        (program := self.folder / "instead" / name).write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)

    def call(self, *words: str, code: int = 0) -> list[str]:
        environment = {
            "BONDBOX_STATE": str(self.at),
            "TMPDIR": str(self.folder / "tmp"),
            "PATH": f"{self.folder}/instead:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        done = subprocess.run([*self.shell, SCRIPT, *words], capture_output=True, text=True, env=environment)
        assert done.returncode == code, done
        assert not list((self.folder / "tmp").iterdir())
        return (done.stdout + done.stderr).splitlines()

    def holds(self) -> dict[str, bytes]:
        paths = [path for path in self.at.rglob("*") if path.is_file() and self.second not in path.parents]
        return {str(path.relative_to(self.at)): path.read_bytes() for path in paths}

    def copied(self) -> set[str]:
        return {str(path.relative_to(self.second)) for path in self.second.rglob("*") if path.is_file()}


@pytest.fixture(params=[["dash"], ["busybox", "sh"]], ids=["dash", "busybox"])
def state(request, tmp_path):
    state = State(tmp_path, request.param)
    assert state.call("keep") == []
    return state


@pytest.fixture
def faulty(tmp_path):
    """One whose programs can have others in their place: busybox calls its own, whatever comes first in PATH."""
    return State(tmp_path, ["dash"])


def test_each_small_file_has_a_copy_that_only_root_reads_and_nothing_else_has(state):
    for name in ["factory-reset", "clock.new", "lost+found/#12"]:
        state.write(name, b"x")
    state.write("rauc/index", bytes(100_000))
    (state.at / "link").symlink_to("factory")
    state.call("keep")
    assert state.copied() == set(KEPT)
    assert state.second.stat().st_mode & 0o77 == 0
    assert state.call("mend", "repaired") == [] and state.holds()["machine-id"] == KEPT["machine-id"]


@pytest.mark.parametrize("name", KEPT)
def test_what_is_damaged_where_it_lies_is_brought_back_as_it_was(state, name):
    path = state.at / name
    path.chmod(0o640)
    os.chown(path, 12345, 960)
    state.write("clock", b"17")
    (state.second / name).unlink()
    state.call("keep")
    state.damage(name, b"\xff\0\xff")
    assert state.call("mend") == [f"{name} was damaged: its second copy counts"]
    assert state.holds() == {**KEPT, "clock": b"17"}
    now = path.stat()
    assert (now.st_mode & 0o777, now.st_uid, now.st_gid) == (0o640, 12345, 960)
    assert state.call("mend") == []


def test_what_was_torn_to_nothing_is_brought_back(state):
    (state.at / "factory").write_bytes(b"")
    assert state.call("mend") == ["factory was empty: its second copy counts"]
    assert state.holds() == KEPT


def test_what_a_repair_of_the_file_system_took_away_is_brought_back(state):
    (state.at / "bondbox-uplink/key").unlink()
    (state.at / "bondbox-uplink").rmdir()
    assert state.call("mend", "repaired") == ["bondbox-uplink/key was missing: its second copy counts"]
    assert state.holds() == KEPT


def test_what_somebody_took_away_stays_away(state):
    (state.at / "bondbox-uplink/key").unlink()
    assert state.call("mend") == [] and "bondbox-uplink/key" not in state.holds()
    state.call("keep")
    assert "bondbox-uplink/key" not in state.copied()
    assert state.call("mend", "repaired") == [] and "bondbox-uplink/key" not in state.holds()


def test_what_was_written_after_its_copy_counts_and_is_copied_next(state):
    state.write("factory", b"claim = \"11\"\n", BEFORE + 1)
    assert state.call("mend", "repaired") == [] and state.holds()["factory"] == b"claim = \"11\"\n"
    state.call("keep")
    state.damage("factory", b"\xff")
    state.call("mend")
    assert state.holds()["factory"] == b"claim = \"11\"\n"


@pytest.mark.parametrize("damaged", [b"", b"\xff" * 300, None], ids=["empty", "garbage", "half"])
def test_a_copy_that_is_damaged_costs_nothing_and_is_made_anew(state, damaged):
    copy = state.second / "machine-id"
    copy.write_bytes(copy.read_bytes()[:-9] if damaged is None else damaged)
    assert state.call("mend", "repaired") == ["the second copy of machine-id was damaged: it is made anew"]
    assert state.holds() == KEPT
    state.call("keep")
    state.damage("machine-id", b"\xff")
    state.call("mend")
    assert state.holds() == KEPT


def test_a_state_that_was_lost_has_nothing_to_mend(faulty):
    for name in KEPT:
        (faulty.at / name).unlink()
    assert faulty.call("mend", "repaired") == [] and faulty.holds() == {}


def test_what_is_written_this_second_is_copied_when_the_second_is_over(faulty):
    path = faulty.at / "factory"
    os.utime(path)
    faulty.instead("sleep", f"[ ! -e {faulty.second}/factory ] && printf again >{path} && touch -d @{BEFORE} {path}")
    assert faulty.call("keep") == []
    faulty.damage("factory", b"\xff")
    faulty.call("mend")
    assert path.read_bytes() == b"again"


def test_a_service_cannot_have_anothers_secret_copied_as_its_own(faulty):
    secret, path = faulty.folder / "secret", faulty.at / "bondbox-uplink/key"
    secret.write_bytes(b"another's")
    # Between the look at the file and its reading.
    faulty.instead("cat", f"[ -L {path} ] || ln -sf {secret} {path}; exec /bin/cat \"$@\"")
    faulty.instead("stat", f'/usr/bin/stat "$@"; case "$*" in *%a*key) ln -sf {secret} {path} ;; esac')
    faulty.call("keep")
    assert not [copy for copy in faulty.second.rglob("*") if copy.is_file() and b"another's" in copy.read_bytes()]


def test_a_services_links_are_not_followed_where_something_is_brought_back(state):
    state.write("bondbox-uplink/more/key", b"1")
    state.call("keep")
    (state.at / "bondbox-uplink/key.new").symlink_to(state.at / "machine-id")
    (state.at / "bondbox-uplink/more/key").unlink()
    (state.at / "bondbox-uplink/more").rmdir()
    (state.at / "bondbox-uplink/more").symlink_to(state.at / "settings")
    (state.at / "bondbox-uplink/key").unlink()
    assert state.call("mend", "repaired") == ["bondbox-uplink/key was missing: its second copy counts"]
    assert not (state.at / "bondbox-uplink/key").is_symlink() and not (state.at / "settings/key").exists()
    (state.at / "bondbox-uplink/more").unlink()
    assert state.holds() == KEPT


def test_no_room_for_a_copy_is_said(faulty):
    faulty.instead("dd", "exit 1")
    assert any("cannot be copied" in line for line in faulty.call("keep", code=1))


@pytest.mark.parametrize("words", [[], ["heal"]])
def test_what_is_no_command_is_refused(state, words):
    assert "neither keep nor mend" in state.call(*words, code=2)[0]


def test_changes_are_watched_in_every_folder_that_state_makes():
    script = (OVERLAY / "usr/libexec/bondbox/state").read_text()
    made = {f"/state/{name}" for name in re.findall(r"^keep (\S+)$", script, re.M)}
    made |= set(re.findall(r"^install -d .*(/state/\S+)$", script, re.M)) | {"/state"}
    watched = set(re.findall(r"^PathChanged=(.*)$", (UNITS / "bondbox-second.path").read_text(), re.M))
    assert watched == made
