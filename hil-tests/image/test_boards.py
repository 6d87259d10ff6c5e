"""What is said of each board in one place holds in the others: its board.toml, disk, device tree and boot files."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from tree import BOARD, OVERLAY, TOP, defconfig, options, run

#: Keys of board.toml, and what their values have to be; then those of the panel.
SCHEMA = {
    "compatible": lambda value: re.fullmatch(r"bondbox-[a-z0-9_-]+", value),
    "bootloader": lambda value: value in ("custom", "grub", "uboot"),
    "root_mib": lambda value: 64 <= value <= 1024,
    "console": lambda value: re.fullmatch(r"tty[A-Z]+\d+(,\d+)?", value),
    "watchdog": lambda value: re.fullmatch(r"[A-Z0-9_]+", value),
    "watchdog_s": lambda value: 5 <= value <= 2046,
}
PANEL = {"lines_by", "gauge_i2c", "air", "link", "power", "start", "select", "mains", "fan"}

BOARDS = sorted(path.parent.name for path in BOARD.glob("*/board.toml"))
each = pytest.mark.parametrize("board", BOARDS)
ON_GENIMAGE = sorted(path.parent.name for path in BOARD.glob("*/genimage.cfg"))
PANELS = sorted(BOARD.glob("*/overlays/*.dtso"))
UBOOTS = sorted(path.parent.name for path in BOARD.glob("*/settings.cmd"))
PIS = ["rpi4", "rpi5"]
#: What systemd's manager is told, on all boards and on some.
MANAGER = [path for top in [OVERLAY, *BOARD.glob("*/overlay")] for path in top.glob("**/system.conf*/*.conf")]


def told(board: str) -> dict:
    return tomllib.loads((BOARD / board / "board.toml").read_text())


@each
def test_board_toml_has_what_its_readers_need(board):
    have = told(board)
    panel = have.pop("panel", {})
    assert set(have) == set(SCHEMA)
    wrong = {key: value for key, value in have.items() if not SCHEMA[key](value)}
    assert not wrong
    assert set(panel) <= PANEL and panel["lines_by"] in ("gpiocdev", "rppal")
    # board/common/setting reads it line by line.
    for key, value in (have | {"lines_by": panel["lines_by"]}).items():
        read = run(BOARD / "common/setting", board, key) if (BOARD / "common/setting").exists() else f"{value}\n"
        assert read == f"{value}\n"


def test_only_a_raspberry_pi_reaches_lines_by_its_registers():
    assert [board for board in BOARDS if told(board)["panel"]["lines_by"] == "rppal"] == PIS


def test_no_two_boards_take_each_others_bundles():
    names = [told(board)["compatible"] for board in BOARDS]
    assert len(set(names)) == len(names)


@each
def test_the_kernel_has_the_watchdog_that_the_board_names(board):
    # Built in: nothing loads it before systemd asks.
    assert options(BOARD / board / "linux.fragment")[f"CONFIG_{told(board)['watchdog']}"] == "y"


def test_systemd_is_told_of_the_watchdog_in_one_place_and_a_hung_start_is_restarted_too():
    said = re.findall(r"^(\w+WatchdogSec)=(\S+)$", "\n".join(path.read_text() for path in MANAGER), re.M)
    assert sorted(said) == [("RebootWatchdogSec", "2min"), ("RuntimeWatchdogSec", "30s")]
    kernel = options(BOARD / "common/linux.fragment")
    assert kernel["CONFIG_WATCHDOG_HANDLE_BOOT_ENABLED"] == "y"
    # Longer than the initramfs waits for a disk and repairs `state`.
    assert 30 <= int(kernel["CONFIG_WATCHDOG_OPEN_TIMEOUT"]) <= 120


@each
def test_a_kernel_that_panics_restarts_whoever_started_it(board):
    lines = [BOARD / board / name for name in ("cmdline.txt", "grub.cfg")]
    texts = [path.read_text() for path in lines if path.exists()]
    if (BOARD / board / "settings.cmd").exists():
        texts.append((BOARD / "common/u-boot/boot.cmd").read_text())
    assert len(texts) == 1 and re.findall(r"\bpanic=(\d+)", texts[0]) == ["5"]
    assert options(BOARD / "common/linux.fragment")["CONFIG_PANIC_TIMEOUT"] == "5"
    assert re.findall(r"^kernel\.panic = (\d+)$", (OVERLAY / "usr/lib/sysctl.d/60-bondbox.conf").read_text(), re.M) == ["5"]


@each
def test_the_kernel_talks_where_the_board_says(board):
    said = [path for path in (BOARD / board).glob("*") if path.name in ("cmdline.txt", "settings.cmd", "grub.cfg")]
    assert said and all(f"console={told(board)['console']}" in path.read_text() for path in said)


@each
def test_every_file_that_a_configuration_names_is_there(board):
    for fragment in (BOARD / board).glob("bondbox_*.fragment"):
        for option, value in defconfig(fragment.stem).items():
            for path in re.findall(r"\$\(BR2_EXTERNAL_BONDBOX_PATH\)/\.\./(\S+?)[\"\s]", f"{value} "):
                if path not in ("board/common/post-build", "board/common/post-image"):
                    assert (TOP / path).exists(), f"{option} names {path}"


def test_grub_rauc_and_whoever_mends_it_mean_one_file_by_the_environment():
    board = BOARD / "qemu"
    (path,) = re.findall(r"^grubenv=(\S+)$", (BOARD / "common/rauc/grub.conf").read_text(), re.M)
    mount = (board / "overlay/usr/lib/systemd/system/efi.mount").read_text()
    assert "\nWhat=/dev/disk/by-partlabel/esp\nWhere=/efi\n" in mount and path.startswith("/efi/")
    folder, name = path.removeprefix("/efi").rsplit("/", 1)
    laid_out = (board / "boot-files").read_text()
    # GRUB looks for `grubenv` in its prefix, which Buildroot's has, too (boot/grub2/grub2.mk).
    assert name == "grubenv" and re.search(rf"grub-mkimage .* -p {folder} ", laid_out) and f'"$out{folder}/{name}" create' in laid_out
    assert re.search(r"partition esp \{[^}]*image = \"esp.vfat\"", (board / "genimage.cfg").read_text())
    service = (board / "overlay/usr/lib/systemd/system/bondbox-grubenv.service").read_text()
    assert f"\nExecStart=/usr/libexec/bondbox/grubenv {path}\n" in service
    assert not re.search(r"^\s*(load_env|save_env) .*(-f|--file)", (board / "grub.cfg").read_text(), re.M)


def test_the_health_gate_reaches_nobody_outside_and_runs_at_each_start():
    unit = (OVERLAY / "usr/lib/systemd/system/bondbox-health.service").read_text()
    assert re.findall(r"^IPAddress\w+=(.*)$", unit, re.M) == ["any", "localhost"]
    assert not re.search(r"^Condition|network-online", unit, re.M)
    assert "\nenable bondbox-health.service\n" in (OVERLAY / "usr/lib/systemd/system-preset/10-bondbox.preset").read_text()
    # Nobody waits for a network, and whoever asks for that gets nothing.
    assert (OVERLAY / "etc/systemd/system/systemd-networkd-wait-online.service").resolve() == Path("/dev/null")
    units = [path for top in [OVERLAY, *BOARD.glob("*/overlay")] for path in top.glob("usr/lib/systemd/system/**/*.*")]
    assert not [path for path in units if path.is_file() and "network-online" in path.read_text()]


def lines(disk: str) -> list[tuple[str, int, int]]:
    """Name, start and size of each partition, in order of their numbers."""
    table = run("sfdisk", "--dump", disk)
    found = re.findall(r"\D(\d+) : start=\s*(\d+), size=\s*(\d+).*name=\"(\w+)\"", table)
    return [(name, int(start) * 512, int(size) * 512) for _, start, size, name in sorted(found, key=lambda one: int(one[0]))]


@pytest.fixture(params=ON_GENIMAGE)
def made(request, tmp_path):
    """A disk of the board with its boot files, and something small in the place of what is built."""
    board = request.param
    config = (BOARD / board / "genimage.cfg").read_text().replace("ROOT_SIZE", "8M")
    there = tmp_path / "in"
    for listed in re.findall(r"files = \{(.*?)\}", config, re.S):
        for name in re.findall(r'"([^"]+)"', listed):
            path = there / name
            if name.endswith(("overlays", "EFI")):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(name.encode())
    (there / "root.img").write_bytes(bytes(1 << 20))
    (there / "u-boot-rockchip.bin").write_bytes(b"U-Boot" * 1000)
    if board in PIS + UBOOTS:
        for overlay in (BOARD / board).glob("overlays/*.dtso"):
            run("dtc", "-@", "-I", "dts", "-O", "dtb", "-o", there / f"{overlay.stem}.dtbo", overlay)
        run(BOARD / board / "boot-files", there)
    (tmp_path / "empty").mkdir()
    (tmp_path / "genimage.cfg").write_text(config)
    run("genimage", "--rootpath", "empty", "--tmppath", "tmp", "--inputpath", there, "--outputpath", there,
        "--config", "genimage.cfg", cwd=tmp_path)  # fmt: skip
    return board, there


def test_every_disk_has_the_same_slots_at_the_same_numbers(made):
    board, there = made
    names = [name for name, _, _ in lines(there / "disk.img")]
    first = {"qemu": "esp", "rpi4": "selector", "rpi5": "selector"}.get(board, "loader")
    more = ["env_a", "env_b"] if board == "orangepi5plus" else []
    assert names == [first, "boot_a", "boot_b", "root_a", "root_b", "state", *more]
    if board in PIS:
        chosen = (there / "autoboot.txt").read_text()
        assert f"[all]\ntryboot_a_b=1\nboot_partition={names.index('boot_a') + 1}\n" in chosen
        assert f"[tryboot]\nboot_partition={names.index('boot_b') + 1}\n" in chosen


def test_state_is_the_same_on_every_board():
    said = {re.search(r"image state\.ext4 \{.*?\n\}\n", path.read_text(), re.S)[0] for path in BOARD.glob("*/genimage.cfg")}
    assert len(said) == 1 and "size = 64M" in said.pop()


def test_both_slots_can_be_installed_with_the_same_bundle(made):
    size = {name: size for name, _, size in lines(made[1] / "disk.img")}
    assert size["boot_a"] == size["boot_b"] and size["root_a"] == size["root_b"]


@pytest.mark.parametrize("board", PIS)
def test_a_pi_loads_the_kernel_initramfs_and_panel_that_its_boot_partition_has(board):
    config = (BOARD / board / "config.txt").read_text()
    disk = (BOARD / board / "genimage.cfg").read_text()
    assert "\nkernel=Image\n" in config and "\ninitramfs initramfs.img followkernel\n" in config
    assert '"Image"' in disk and '"initramfs.img"' in disk and '"verity.env"' in disk
    assert f"dtoverlay={next((BOARD / board).glob('overlays/*.dtso')).stem}" in config
    for tree in defconfig(f"bondbox_{board}")["BR2_LINUX_KERNEL_INTREE_DTS_NAME"].strip('"').split():
        assert f'"{tree.split("/")[1]}.dtb"' in disk
    timeout = int(re.search(r"^kernel_watchdog_timeout=(\d+)$", config, re.M)[1])
    assert timeout <= told(board)["watchdog_s"]


@pytest.mark.parametrize("board", UBOOTS)
def test_u_boots_script_loads_what_the_boot_partition_has(board):
    settings = dict(re.findall(r"^setenv (\w+) (.+)$", (BOARD / board / "settings.cmd").read_text(), re.M))
    files = re.search(r'label = "BOOT"\s+files = \{(.*?)\}', (BOARD / board / "genimage.cfg").read_text(), re.S)[1]
    for name in ["image", "fdtfile_slot", "overlay_slot"]:
        if name in settings:
            assert f'"{settings[name]}"' in files
    assert '"initramfs.img"' in files and '"verity.env"' in files


@pytest.mark.parametrize("overlay", PANELS, ids=lambda path: path.stem)
def test_the_panels_device_tree_compiles_and_has_the_lines_of_board_toml(overlay, tmp_path):
    # References into the board's own tree are left open, whose cells dtc cannot count.
    made = subprocess.run(["dtc", "-@", "-I", "dts", "-O", "dts", overlay], capture_output=True, text=True)
    assert made.returncode == 0 and not made.stderr, made.stderr
    panel = told(overlay.parents[1].name)["panel"]
    text = overlay.read_text()

    def line(node: str) -> int:
        chip, number, _ = re.search(rf"\b{node} \{{[^}}]*?gpios = <&(gpio\d?) (\d+) (\d+)>", text).groups()
        return int(chip.removeprefix("gpio") or 0) * 32 + int(number)

    nodes = {"mains": "bondbox-mains", "fan": "bondbox-fan"}
    for name in PANEL - {"gauge_i2c", "lines_by"} & set(panel):
        assert line(nodes.get(name, name)) == panel[name], name
    assert f"fuel-gauge@{panel['gauge_i2c']:x} {{" in text and f"reg = <{panel['gauge_i2c']:#x}>" in text
    assert re.search(r"power \{[^}]*linux,default-trigger = \"timer\"", text), "nothing blinks before user space"


def test_every_pi_panel_is_wired_alike():
    assert {k: v for k, v in told("rpi4")["panel"].items() if k != "fan"} == told("rpi5")["panel"]
