"""What works a board, tried on played instruments and a made-up box; and that all that is said of a bench is about the same one."""

import os
import pty
import re
import subprocess
import time
from pathlib import Path

import pytest
from environments import HERE
from labgrid import Environment
from labgrid.driver.exception import ExecutionError
from requests import HTTPError

import board
import supply
from played_bench import Instruments

BOARDS = ("rpi5", "rpi4", "orangepi5plus")


class MadeUp:
    """A box that notes what is done to it; its shell is this machine's, of nobody's settings."""

    def __init__(self, folder: Path):
        self.medium, self.seen = folder / "medium.img", folder / "card"
        self.medium.write_bytes(bytes(4096))
        self.is_on, self.card, self.done, self.lights, self.broken = False, "off", [], {}, False
        self._shell, theirs = pty.openpty()
        shell = ["bash", "--norc", "--noprofile", "-i"]
        self._bash = subprocess.Popen(
            shell, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env={**os.environ, "PS1": r"root@bondbox:\w# ", "TERM": "dumb"}
        )

    def switch(self, on):
        if self.broken:
            raise OSError("the relay is welded")
        self.is_on = on

    def give_card(self, where):
        self.card = where
        self.seen.unlink(missing_ok=True)
        if where == "host":
            self.seen.symlink_to(self.medium)

    def lit(self, light):
        self.lights[light] = self.lights[light][1:] + self.lights[light][:1]
        return self.lights[light][0]

    def plug(self, port, there):
        self.done.append(("plug" if there else "pull", port))

    def press(self, key, down):
        self.done.append((key, down, time.monotonic()))

    def signal(self, there):
        self.done.append(("signal", there))

    def mains(self, there):
        self.done.append(("mains", there))

    def pack(self, volts):
        self.done.append(("pack", volts))

    def console(self):
        return self._shell

    def end(self):
        self._bash.kill()
        self._bash.wait()


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The unit of a played bench, and the box on it."""
    folder = tmp_path_factory.mktemp("bench")
    box = MadeUp(folder)
    played = Instruments(box)
    image = folder / "image"
    image.write_bytes(b"an image" * 100)
    with pytest.MonkeyPatch.context() as environ:
        addresses = {"LG_BENCH": played.bench, "LG_SUPPLY": played.supply, "LG_CONSOLE": played.console, "LG_CARD": str(box.seen)}
        for name, value in addresses.items():
            environ.setenv(name, value)
        unit = board.Unit(folder / "unit", Environment(str(HERE / "bench-of-qemu.yaml")), image)
        assert box.done == [("plug", 1), ("plug", 2)], "modems are in before it starts"
        yield unit, box
        unit.close()
    box.end()


@pytest.fixture
def on_bench(bench):
    return bench[0]


@pytest.fixture
def box(bench):
    bench[1].done.clear()
    return bench[1]


def test_its_card_has_the_image_and_is_the_boards_before_it_is_switched_on(on_bench, box):
    assert box.medium.read_bytes().startswith(b"an image" * 100) and box.card == "host"
    on_bench.power.on()
    assert box.is_on and box.card == "dut"
    with pytest.raises(AssertionError, match="not pulled out of a unit that runs"):
        on_bench.disk.write("state", 0, b"")
    on_bench.power.cut()
    assert not box.is_on and on_bench.disk.path.samefile(box.medium) and box.card == "host"


def test_an_outlet_that_does_not_switch_is_an_error(on_bench, box):
    on_bench.power.on()
    box.broken = True
    with pytest.raises(HTTPError, match="/outlets/1/value"):
        on_bench.power.cut()
    box.broken = False


def test_a_clock_is_not_promised(on_bench):
    with pytest.raises(AssertionError, match="1970-01-01"):
        on_bench.power.on("1970-01-01")


def test_modems_are_pulled_and_plugged_in_by_their_links_names(on_bench, box):
    assert [modem.name for modem in on_bench.modem] == ["usb1-1", "usb1-2"]
    on_bench.power.on()
    on_bench.modem[1].unplug()
    on_bench.modem[1].plug()
    assert box.done == [("pull", 2), ("plug", 2)]


def test_what_is_asked_inside_goes_over_the_serial_line(on_bench):
    on_bench.power.on()
    assert on_bench.run("echo $((6 * 7))") == "42"
    assert on_bench.try_run("exit 3 | false")[0] != 0
    assert "root@bondbox" in on_bench.said()


def test_a_key_is_down_for_as_long_as_it_is_held(on_bench, box):
    on_bench.panel.select.hold(0.3)
    (down, pressed, at), (up, still, then) = box.done[-2:]
    assert (down, pressed, up, still) == ("select", True, "select", False) and then - at >= 0.3


@pytest.mark.parametrize("looks, shows", [([True], "lit"), ([False], "dark"), ([True, False, False], "blinks")])
def test_a_light_is_seen_as_an_eye_does(on_bench, box, looks, shows):
    box.lights = {"air": list(looks)}
    assert on_bench.panel.air.shows() == shows


def test_a_cable_is_pulled_and_mains_is_lost(on_bench, box):
    on_bench.hdmi.plug_in()
    on_bench.hdmi.lose()
    on_bench.battery.mains(False)
    on_bench.battery.mains(True)
    assert box.done[-4:] == [("signal", True), ("signal", False), ("mains", False), ("mains", True)]


def test_a_pack_gives_the_voltage_of_what_is_left_in_it_after_it_gave_none(on_bench, box):
    on_bench.battery.set(20)
    assert box.done[-2:] == [("pack", None), ("pack", 3.71)]
    ladder = [supply.volts(percent) for percent in range(101)]
    assert ladder == sorted(set(ladder))
    with pytest.raises(ValueError, match="101"):
        on_bench.battery.set(101)


def test_a_supply_that_refuses_is_named_with_what_it_refused(on_bench):
    driver = on_bench.target.get_driver("ScpiSupplyDriver")
    with pytest.raises(ExecutionError, match=r"127\.0\.0\.1:\d+ does not do VOLT 9\.000: -222"):
        driver.set(9.0)


# -- the environments, the README and the workflow


def said(name: str, what: str):
    return Environment(str(HERE / f"{name}.yaml")).config.data["targets"]["main"][what]


def described(name: str, part: str) -> dict[str, tuple[str, dict]]:
    """Of an environment's `resources` or `drivers`: the kind of each that has a name, and what is said of it."""
    return {body["name"]: (kind, body) for each in said(name, part) for kind, body in each.items() if "name" in body}


@pytest.fixture(autouse=True)
def outside(monkeypatch):
    for name in ("LG_OUTSIDE", "LG_BENCH", "LG_SUPPLY", "LG_CONSOLE", "LG_CARD", "LG_DISK"):
        monkeypatch.setenv(name, os.environ.get(name, "203.0.113.7:1"))


def role(name: str) -> str:
    """What a name means on every bench: modems are called by their links, which differ."""
    return re.sub(r"\busb[\d.-]+$", "MODEM", name)


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_has_the_bench_that_is_played(name):
    for part in ("resources", "drivers"):
        assert {role(each) for each in described(name, part)} == {role(each) for each in described("bench-of-qemu", part)}
    assert set(said(name, "features")) == set(said("bench-of-qemu", "features")) - {"grub", "updates"}


def test_the_unit_of_the_played_bench_is_set_up_as_the_virtual_one():
    assert str(said("bench-of-qemu", "options")["settings"]) == str(said("qemu", "options")["settings"])
    assert set(said("bench-of-qemu", "features")) < set(said("qemu", "features"))


@pytest.mark.parametrize("name", BOARDS)
def test_the_readme_says_what_each_name_of_a_board_is(name):
    rows = re.findall(r"^\| ((?:`[^`|]+`(?:, )?)+) \| `(\w+)` \|", (HERE / "README.md").read_text(), re.M)
    wired = {role(each): kind for names, kind in rows for each in re.findall(r"`([^`]+)`", names)}
    assert wired == {role(each): kind for each, (kind, _) in described(name, "resources").items()}


@pytest.mark.parametrize("name", BOARDS)
def test_a_serial_line_is_as_fast_as_its_board_speaks(name):
    speaks = re.search(r'^console = "\w+,(\d+)"', (HERE / f"../../board/{name}/board.toml").read_text(), re.M)
    assert described(name, "resources")["console"][1]["speed"] == int(speaks[1])


def test_the_workflow_plays_boards_that_have_an_environment():
    workflow = (HERE / "../../.github/workflows/bench.yaml").read_text()
    boards = re.search(r"board: \[(.*)\]", workflow)[1].split(", ")
    assert set(boards) == set(BOARDS)
    assert "RIG_YAML=${{ matrix.board }}.yaml" in workflow and "LG_OUTSIDE:" in workflow
