"""The image has GStreamer's list of plugins baked in, made by its own capture service, which goes by it.

QEMU is played: what it would have the service write and say is written down here.
"""

import re
import shutil
import subprocess

import pytest
from tree import BOARD, OVERLAY, defconfig

LIST = "usr/lib/bondbox/gstreamer-registry"
#: Of the machines that images are for, as ELF numbers them.
MACHINES = {"qemu-aarch64": 183, "qemu-x86_64": 62}
EMULATOR = """#!/bin/sh
env >>{folder}/environment
echo "$*" >>{folder}/calls
{does}
"""


class Build:
    def __init__(self, folder):
        self.folder, self.target = folder, folder / "target"
        (folder / "bin").mkdir()
        for name in ["usr/bin", "usr/lib/gstreamer-1.0"]:
            (self.target / name).mkdir(parents=True)
        (self.target / "usr/lib/gstreamer-1.0/libgstapp.so").write_bytes(b"a plugin")
        self.program_is_for(MACHINES["qemu-aarch64"])
        # Nothing else of this machine, which may have QEMU.
        for name in ["bash", "env", "find", "install", "mktemp", "readelf", "rm", "sed", "touch"]:
            (folder / "bin" / name).symlink_to(shutil.which(name))

    def program_is_for(self, machine: int) -> None:
        head = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + machine.to_bytes(2, "little")
        (self.target / "usr/bin/bondbox-capture").write_bytes(head.ljust(64, b"\0"))

    def has(self, emulator: str, does: str = 'echo list >"$GST_REGISTRY"') -> None:
        (program := self.folder / "bin" / emulator).write_text(EMULATOR.format(folder=self.folder, does=does))
        program.chmod(0o755)

    def bakes(self) -> subprocess.CompletedProcess:
        environment = {"PATH": f"{self.folder}/bin", "GST_DEBUG": "9"}
        return subprocess.run([BOARD / "common/plugins", self.target, "rpi5"], capture_output=True, text=True, env=environment)

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def build(tmp_path):
    return Build(tmp_path)


@pytest.mark.parametrize("emulator", MACHINES)
def test_the_images_own_service_makes_the_list_and_is_asked_for_its_elements_by_it(build, emulator):
    build.program_is_for(MACHINES[emulator])
    build.has(emulator)
    done = build.bakes()
    assert done.returncode == 0, done.stderr
    program = f"-cpu max -L {build.target} {build.target}/usr/bin/bondbox-capture --elements"
    assert build.calls() == [program, program]
    told = (build.folder / "environment").read_text()
    assert told.count("GST_REGISTRY_UPDATE=no") == told.count("GST_PLUGIN_SYSTEM_PATH=/nowhere") == 1 and "GST_DEBUG" not in told
    assert (build.target / LIST).read_text() == "list\n" and (build.target / LIST).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("when", ["made", "gone by"])
def test_an_element_that_is_missing_makes_no_image(build, when):
    fails = "echo 'bondbox-capture: GStreamer has no x264enc or openh264enc' >&2; exit 1"
    both = f'echo list >"$GST_REGISTRY"; {fails}' if when == "made" else f'if [ "${{GST_REGISTRY_UPDATE:-}}" = no ]; then {fails}; fi; echo list >"$GST_REGISTRY"'
    build.has("qemu-aarch64", both)
    done = build.bakes()
    assert done.returncode != 0 and "has no x264enc or openh264enc" in done.stderr
    assert not (build.target / LIST).exists()


def test_a_machine_without_the_emulator_is_told_which(build):
    done = build.bakes()
    assert done.returncode != 0 and "there is no qemu-aarch64 here" in done.stderr
    build.program_is_for(40)
    done = build.bakes()
    assert done.returncode != 0 and "must be for AArch64 or X86-64" in done.stderr


def test_the_service_goes_by_the_list_and_the_build_makes_it():
    unit = (OVERLAY / "usr/lib/systemd/system/bondbox-capture.service").read_text()
    assert re.findall(r"^Environment=(.*)$", unit, re.M) == [f"GST_REGISTRY=/{LIST} GST_REGISTRY_UPDATE=no"]
    scripts = defconfig("bondbox_rpi5")["BR2_ROOTFS_POST_BUILD_SCRIPT"].strip('"').split()
    assert [script.rsplit("/", 1)[1] for script in scripts] == ["post-build", "plugins"]
