"""What board/README.md tells people to wire, type and look up is what the files say."""

import re
import tomllib

import pytest
from tree import BOARD, EXTERNAL, TOP

TEXT = (BOARD / "README.md").read_text()
#: Of the 40-pin header that all of a Raspberry Pi's kind have: the pin of each line (raspberrypi.com, GPIO and the 40-pin header).
PINS = {2: 3, 3: 5, 6: 31, 12: 32, 17: 11, 22: 15, 23: 16, 24: 18, 27: 13}
#: What the table calls the lines of board.toml.
LINES = {
    "air": "light *air*, red", "link": "light *link*, blue", "power": "light *power*, green", "start": "key *start*", "select": "key *select*",
    "mains": "mains there", "fan": "fan, through a transistor",
}  # fmt: skip


def told(board: str) -> dict:
    return tomllib.loads((BOARD / board / "board.toml").read_text())


def row(name: str) -> list[str]:
    """The cells of a line of the wiring table: Raspberry Pi and pin, Orange Pi and pin."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", TEXT, re.M)
    return [cell.strip() for cell in line.split("|")]


@pytest.mark.parametrize("line", LINES)
def test_a_raspberry_pi_is_wired_as_its_device_tree_has_it(line):
    wired, pin, *_ = row(LINES[line])
    number = int(re.match(r"GPIO (\d+)", wired)[1])
    having = [board for board in ("rpi4", "rpi5") if line in told(board)["panel"]]
    assert having and all(told(board)["panel"][line] == number for board in having)
    assert ("Pi 4 only" in wired) == (having == ["rpi4"])
    assert int(pin) == PINS[number]


@pytest.mark.parametrize("line", sorted(set(LINES) - {"fan"}))
def test_an_orange_pi_is_wired_as_its_device_tree_has_it(line):
    bank, group, number = re.fullmatch(r"GPIO(\d)_([A-D])(\d)", row(LINES[line])[2]).groups()
    assert int(bank) * 32 + "ABCD".index(group) * 8 + int(number) == told("orangepi5plus")["panel"][line]


def test_the_gauge_is_at_the_address_of_every_board():
    (address,) = re.findall(r"at I2C address (0x[0-9a-f]+)", TEXT)
    assert {told(board)["panel"]["gauge_i2c"] for board in ("rpi4", "rpi5", "orangepi5plus")} == {int(address, 16)}
    assert row("gauge SDA, SCL")[1] == f"{PINS[2]}, {PINS[3]}"


def test_the_serial_console_is_as_fast_as_the_kernel_talks():
    (rate,) = re.findall(r"([\d,]+) baud", row("serial console")[2])
    assert told("orangepi5plus")["console"].endswith(f",{rate.replace(',', '')}")


def test_every_board_is_in_the_table_with_what_chooses_its_slots():
    rows = re.findall(r"^\| `(\w+)` \|.*\|(.*)\|$", TEXT, re.M)
    assert {folder for folder, _ in rows} == {path.parent.name for path in BOARD.glob("*/board.toml")}
    for folder, chosen in rows:
        for path in re.findall(r"`([\w./-]+/[\w./-]+)`", chosen):
            assert (BOARD / path).is_file(), path
        named = {"grub": "grub.cfg", "uboot": "boot.cmd", "custom": ("slots", "the same")}[told(folder)["bootloader"]]
        assert any(name in chosen for name in ([named] if isinstance(named, str) else named)), folder


def test_what_is_flashed_is_what_make_image_gives():
    (name,) = re.findall(r"target/image/rpi5/out/(\S+)\.img\.xz", TEXT)
    assert name == "bondbox-rpi5-*" and "bondbox-BOARD-VERSION.img.xz" in (EXTERNAL / "image").read_text()
    for script in re.findall(r"^(ota/\S+) ", TEXT, re.M):
        assert (TOP / script).stat().st_mode & 0o111


def test_what_the_power_supply_is_said_to_be_is_what_config_txt_claims():
    claimed = [board for board in ("rpi4", "rpi5") if "\nusb_max_current_enable=1\n" in (BOARD / board / "config.txt").read_text()]
    assert claimed == ["rpi5"] and "`config.txt` claims 5 A" in " ".join(TEXT.split())
    charging = [path for path in BOARD.glob("rpi*/config.txt") if "rtc_bbat_vchg" in path.read_text()]
    assert not charging and "which we do not" in " ".join(TEXT.split())


def test_every_file_that_it_links_to_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links and all((BOARD / link).exists() for link in links)
