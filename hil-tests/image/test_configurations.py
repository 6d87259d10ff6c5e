"""What is asked of Buildroot is what the pinned release does, as far as can be said without building."""

import re

import pytest
from tree import BOARD, BUILDROOT, CONFIGURATIONS, EXTERNAL, KNOWN, defconfig, options, resolved, run

each = pytest.mark.parametrize("name", CONFIGURATIONS)


def known() -> dict[str, bool]:
    """Options of the pinned release, and whether each is legacy."""
    lines = (KNOWN / "symbols").read_text().splitlines()
    return {line.split()[0]: line.endswith(" legacy") for line in lines}


def ours() -> set[str]:
    texts = [path.read_text() for path in EXTERNAL.glob("package/*/Config.in")]
    return set(re.findall(r"^config (\w+)$", "\n".join(texts), re.M))


def test_there_is_a_configuration_for_every_board():
    boards = {path.parent.name for path in BOARD.glob("*/bondbox_*.fragment")}
    assert boards == {"rpi5", "rpi4", "orangepi5plus", "qemu", "qemu_aarch64"}
    assert len(CONFIGURATIONS) == len(boards)


def test_the_configurations_are_made_of_their_fragments(tmp_path):
    run(EXTERNAL / "defconfigs", tmp_path)
    for made in sorted(tmp_path.iterdir()):
        assert made.read_text() == (EXTERNAL / "configs" / made.name).read_text(), f"{made.name}: run buildroot-external/defconfigs"
    assert len(list(tmp_path.iterdir())) == len(CONFIGURATIONS)


@each
def test_every_option_is_one_of_the_pinned_release(name):
    there, mine = known(), ours()
    unknown = [option for option in defconfig(name) if option not in there and option not in mine]
    assert not unknown
    legacy = [option for option in defconfig(name) if there.get(option)]
    assert not legacy


@each
def test_every_option_survives(name):
    result = resolved(name)
    lost = {option: value for option, value in defconfig(name).items() if result.get(option) != value}
    assert not lost, "changed since? make refresh-symbols BUILDROOT=a tree of the pinned release"


@each
def test_nobody_can_log_in_and_no_service_is_there_twice(name):
    result = resolved(name)
    forbidden = ["BR2_TARGET_ENABLE_ROOT_LOGIN", "BR2_TARGET_GENERIC_ROOT_PASSWD", "BR2_TARGET_GENERIC_GETTY",
                 "BR2_PACKAGE_DROPBEAR", "BR2_PACKAGE_OPENSSH", "BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW"]  # fmt: skip
    assert not [option for option in forbidden if option in result]
    for pair in [("SYSTEMD_TIMESYNCD", "CHRONY"), ("SYSTEMD_NETWORKD", "NETWORK_MANAGER"), ("SYSTEMD_RESOLVED", "DNSMASQ")]:
        assert sum(f"BR2_PACKAGE_{one}" in result for one in pair) == 1, pair


@each
def test_nothing_is_downloaded_whose_hash_is_not_known(name):
    result = resolved(name)
    assert result["BR2_DOWNLOAD_FORCE_CHECK_HASHES"] == "y"
    hashes = "\n".join(path.read_text() for path in EXTERNAL.glob("**/*.hash"))
    wanted = []
    if "BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE" in result:
        wanted.append(f"linux-{result['BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE']}.tar.xz")
    if "BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION" in result:
        wanted.append(result["BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION"].rsplit("/", 1)[1])
    if "BR2_TARGET_UBOOT_CUSTOM_VERSION_VALUE" in result:
        wanted.append(f"u-boot-{result['BR2_TARGET_UBOOT_CUSTOM_VERSION_VALUE']}.tar.bz2")
    if "BR2_TARGET_ARM_TRUSTED_FIRMWARE_CUSTOM_VERSION_VALUE" in result:
        wanted.append(f"arm-trusted-firmware-{result['BR2_TARGET_ARM_TRUSTED_FIRMWARE_CUSTOM_VERSION_VALUE']}-git4.tar.gz")
    assert wanted
    for file in wanted:
        assert re.search(rf"^sha256  [0-9a-f]{{64}}  {re.escape(file.replace(chr(34), ''))}$", hashes, re.M), file


def test_every_source_of_ours_has_a_hash():
    for recipe in EXTERNAL.glob("package/*/*.mk"):
        text = recipe.read_text()
        version = re.search(r"_VERSION = (\S+)", text)[1]
        if "SITE_METHOD = local" not in text:
            lines = recipe.with_suffix(".hash").read_text()
            assert re.search(rf"^sha256  [0-9a-f]{{64}}  {recipe.stem}-{re.escape(version)}\.tar", lines, re.M), recipe


def test_every_kernel_option_is_known():
    listed = {}
    for file in ["kernel", "kernel-elsewhere"]:
        for line in (KNOWN / file).read_text().splitlines():
            if not line.startswith("#"):
                option, where = line.split(" ", 1)
                assert option not in listed, f"{option} is in known/kernel, too"
                listed[option] = where
    asked = {option for fragment in BOARD.glob("*/linux.fragment") for option in options(fragment)}
    assert asked == set(listed), "make refresh-symbols BUILDROOT=… KERNEL=a kernel's tree"


@each
def test_what_the_initramfs_needs_of_the_kernel_is_built_in(name):
    paths = defconfig(name)["BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES"].strip('"').split()
    merged = {}
    for path in paths:
        merged |= options(EXTERNAL / path.replace("$(BR2_EXTERNAL_BONDBOX_PATH)/", ""))
    for option in ["SQUASHFS", "SQUASHFS_ZSTD", "DM_VERITY", "EXT4_FS", "VFAT_FS", "CRYPTO_SHA256", "BLK_DEV_INITRD"]:
        assert merged.get(f"CONFIG_{option}") == "y", option


at_hand = pytest.mark.skipif(not BUILDROOT, reason="BUILDROOT= names no tree of the pinned release")


@at_hand
@each
def test_the_pinned_release_itself_takes_the_configuration(name, tmp_path):
    run(EXTERNAL / "configure", BUILDROOT, tmp_path, name)
    now = options(tmp_path / ".config")
    lost = {option: value for option, value in resolved(name).items() if now.get(option) != value}
    assert not lost, "known/ is not what this tree makes of it: make refresh-symbols"


@at_hand
def test_the_pinned_release_finds_nothing_to_say_of_our_packages():
    files = [path for path in EXTERNAL.glob("package/**/*") if path.is_file()]
    run(f"{BUILDROOT}/utils/check-package", "-b", EXTERNAL / "Config.in", EXTERNAL / "external.mk", *files)


@at_hand
def test_hashes_that_upstream_has_too_are_the_same():
    lines = run("grep", "-rhE", "--include=*.hash", "^sha256 ", BUILDROOT)
    upstream = {}
    for line in lines.splitlines():
        _, value, file = line.split()
        upstream.setdefault(file, set()).add(value)
    compared = 0
    for path in EXTERNAL.glob("patches/**/*.hash"):
        for _, value, file in re.findall(r"^(sha256)  (\S+)  (\S+)$", path.read_text(), re.M):
            assert value in upstream[file], file
            compared += 1
    assert compared == 4
