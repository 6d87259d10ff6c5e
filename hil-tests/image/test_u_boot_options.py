"""U-Boot is built with what our script is written with, and keeps its environment where Linux and the disk have it."""

import re

import pytest
from tree import BOARD, KNOWN, defconfig, options

BOARDS = sorted(path.parent.name for path in BOARD.glob("*/settings.cmd"))
COMMON = BOARD / "common/u-boot"
#: The option that brings each word a line may begin with; those without one are always there.
COMMANDS = {
    "booti": "CMD_BOOTI", "echo": "CMD_ECHO", "env default": None, "env export": "CMD_EXPORTENV", "env import": "CMD_IMPORTENV",
    "fatwrite": "FAT_WRITE", "fdt apply": "OF_LIBFDT_OVERLAY", "fdt": "CMD_FDT", "load": "CMD_FS_GENERIC", "reset": None, "run": "CMD_RUN",
    "saveenv": "CMD_SAVEENV", "setenv": None, "setexpr": "CMD_SETEXPR", "sleep": "CMD_SLEEP", "source": "CMD_SOURCE",
    **dict.fromkeys(["do", "done", "else", "fi", "for", "if", "test", "then"], "HUSH_PARSER"),
}  # fmt: skip
#: Of the board's own configuration, which has nothing else that starts.
OF_THE_BOARD = {"virtio"}
UNIT = {"K": 1 << 10, "M": 1 << 20}


def asked(board: str) -> dict[str, str | None]:
    return options(COMMON / "u-boot.fragment") | options(BOARD / board / "u-boot.fragment")


def commands(text: str) -> set[str]:
    """What each part of a script begins with, two words where the table has them."""
    found = set()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for part in re.split(r"[;\n]|&&|\|\|", "\n".join(lines)):
        words = part.replace("'", " ").split()
        while words and words[0] in ("if", "then", "else", "do"):
            found.add(words.pop(0))
        # A setting may be a script itself.
        if words[:1] == ["setenv"] and len(words) > 2 and words[2] in {*COMMANDS, "env"}:
            found |= commands(" ".join(words[2:]))
        if words:
            found.add(" ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0])
    return found


@pytest.mark.parametrize("board", BOARDS)
def test_every_command_of_the_script_is_built(board):
    options = asked(board)
    script = (COMMON / "boot.cmd").read_text() + (BOARD / board / "settings.cmd").read_text()
    used = commands(script) | commands(options["CONFIG_BOOTCOMMAND"].strip('"'))
    assert {"setexpr", "test", "run", "booti", "source"} <= used
    assert not used - set(COMMANDS) - OF_THE_BOARD, "which option brings them?"
    missing = {word: option for word in used & set(COMMANDS) if (option := COMMANDS[word]) and options.get(f"CONFIG_{option}") != "y"}
    assert not missing


@pytest.mark.parametrize("board", [path.name.removeprefix("u-boot-") for path in sorted(KNOWN.glob("u-boot-*"))])
def test_the_pinned_release_takes_every_option(board):
    known = KNOWN / f"u-boot-{board}"
    version = defconfig(f"bondbox_{board}")["BR2_TARGET_UBOOT_CUSTOM_VERSION_VALUE"].strip('"')
    name = defconfig(f"bondbox_{board}")["BR2_TARGET_UBOOT_BOARD_DEFCONFIG"].strip('"')
    assert known.read_text().startswith(f"# What U-Boot {version} makes of {name}_defconfig"), "make refresh-symbols UBOOT=its tree"
    result = options(known)
    lost = {option: result.get(option) for option, value in asked(board).items() if result.get(option) != value}
    assert not lost, "changed since? make refresh-symbols UBOOT=a tree of that release"


def test_every_board_that_pins_u_boot_has_been_asked():
    pinned = {board for board in BOARDS if "BR2_TARGET_UBOOT_CUSTOM_VERSION_VALUE" in defconfig(f"bondbox_{board}")}
    assert pinned == {path.name.removeprefix("u-boot-") for path in KNOWN.glob("u-boot-*")}


def test_u_boot_linux_and_the_disk_mean_the_same_places_by_the_environment():
    options = asked("orangepi5plus")
    assert options["CONFIG_ENV_IS_IN_MMC"] == options["CONFIG_SYS_REDUNDAND_ENVIRONMENT"] == "y"
    disk = (BOARD / "orangepi5plus/genimage.cfg").read_text()
    lines = (BOARD / "orangepi5plus/overlay/etc/fw_env.config").read_text().splitlines()
    linux = [line.split() for line in lines if not line.startswith("#")]
    # Two lines, or Linux writes what U-Boot takes for torn.
    assert [device for device, _, _ in linux] == ["/dev/disk/by-partlabel/env_a", "/dev/disk/by-partlabel/env_b"]
    ends = []
    for (device, offset, size), option in zip(linux, ["CONFIG_ENV_OFFSET", "CONFIG_ENV_OFFSET_REDUND"], strict=True):
        partition = re.search(rf"partition {device.rsplit('/', 1)[1]} \{{(.*?)\}}", disk, re.S)[1]
        at, room = (int(n) * UNIT[u] for n, u in (re.search(rf"{key} = (\d+)([KM])", partition).groups() for key in ("offset", "size")))
        assert int(offset, 16) == 0 and at == int(options[option], 16)
        assert int(size, 16) == room == int(options["CONFIG_ENV_SIZE"], 16)
        ends.append((at, at + room))
    # Neither over the other, nor over U-Boot before them or the first partition behind.
    number, unit = re.search(r"partition u-boot \{.*?offset = (\d+)([KM])", disk, re.S).groups()
    assert int(number) * UNIT[unit] + (10 << 20) <= ends[0][0] and ends[0][1] <= ends[1][0]
    number, unit = re.search(r"partition loader \{.*?offset = (\d+)([KM])", disk, re.S).groups()
    assert ends[1][1] <= int(number) * UNIT[unit]


@pytest.mark.parametrize("board", BOARDS)
def test_the_environment_that_linux_writes_is_as_long_as_u_boots(board):
    text = (BOARD / board / "overlay/etc/fw_env.config").read_text() + (BOARD / board / "settings.cmd").read_text()
    sizes = {int(size, 16) for size in re.findall(r"0x[0-9a-f]{3,}", text)}
    assert sizes == {0x10000}
