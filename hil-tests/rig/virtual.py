"""A unit in QEMU: its machine, and the sticks in it, by QMP. What the machine's own kernel plays is in kernel_plays.py."""

import shutil
from pathlib import Path

from pexpect import TIMEOUT

import kernel_plays
import rig
from patience import until
from unit import FIRMWARE, Disk

#: What the firmware's variables are at first.
VARIABLES = FIRMWARE.with_name("OVMF_VARS_4M.fd")


class Modem(rig.Modem):
    def __init__(self, machine, port: int):
        self._machine, self._port, self.name = machine, port, f"usb1-{port}"

    def plug(self) -> None:
        network, device = f"net{self._port}", f"stick{self._port}"
        # Sticks of one kind: the same address for all, and the same router.
        self._machine.qmp("netdev_add", type="user", id=network)
        self._machine.qmp("device_add", driver="usb-net", id=device, netdev=network, bus="xhci.0", port=str(self._port))

    def unplug(self) -> None:
        self._machine.qmp("device_del", id=f"stick{self._port}")
        until("the stick is gone", lambda: not self._is_there())
        self._machine.qmp("netdev_del", id=f"net{self._port}")

    def _is_there(self) -> bool:
        return any(device["name"] == f"stick{self._port}" for device in self._machine.qmp("qom-list", path="/machine/peripheral"))


class Power(rig.Power):
    def __init__(self, unit):
        self._unit = unit

    def on(self, clock=None) -> None:
        driver = self._unit.driver
        self._unit.target.deactivate(driver)
        driver.extra_args = self._unit.extra_args + (f" -rtc base={clock}T00:00:00" if clock else "")
        self._unit.target.activate(driver)
        driver.on()
        for modem in self._unit.plugged:
            modem.plug()

    def cut(self) -> None:
        self._unit.leave_shell()
        self._unit.driver.off()

    def goes_off(self) -> None:
        until("it is off", lambda: self._unit.qmp("query-status")["status"] == "shutdown")
        self.cut()


class Unit(rig.Unit):
    def __init__(self, folder: Path, environment, image: Path, modems=2, log: Path | None = None):
        super().__init__(folder, environment, "QEMUDriver")
        self.disk = disk_in(folder, image)
        # A card is larger than the image: the rest becomes `data`.
        self.disk.grow(256 << 20)
        self.extra_args = self.driver.extra_args + variables(self.driver.extra_args, folder)
        if log:
            self._record(log)
        self.power = Power(self)
        self.modem = [Modem(self, port + 1) for port in range(modems)]
        self.hdmi = kernel_plays.Hdmi(self)
        self.panel = rig.Panel(self, lambda name: kernel_plays.Button(self, name), lambda name: kernel_plays.Light(self, name))
        self.battery = kernel_plays.Battery(self)

    def _record(self, log: Path) -> None:
        """Has all that is written to the disk logged (write_log.py)."""
        log.touch()
        self.driver.disk = None
        # As the machine wrote it: QEMU before 9.0 tears its log when zeros are told of in short, or when many writes become one.
        self.extra_args += (
            f" -blockdev driver=blklogwrites,node-name=logged,file.driver=file,file.filename={self.disk.path},log.driver=file,"
            f"log.filename={log} -device virtio-blk-pci,drive=logged,discard=off,write-zeroes=off,request-merging=off"
        )

    def qmp(self, command: str, **arguments):
        return self.driver.monitor_command(command, arguments)

    def begins(self) -> None:
        try:
            super().begins()
        except TIMEOUT:
            # Seen three times: the emulated firmware spins before its first word, and a reset does not help it. A board has a
            # watchdog for that.
            assert self.said().rstrip().endswith("reboot: Restarting system"), self.said()[-2000:]
            print("the machine hangs in its firmware, and is switched off and on")
            self.power.cut()
            self.power.on()
            self.until_said(self.starts)

    def close(self) -> None:
        if self.driver.status:
            self.power.cut()
        super().close()


def disk_in(folder: Path, image: Path | None = None) -> Disk:
    """The machine's disk, where qemu.yaml has it from ($LG_DISK)."""
    path = folder / "disk.img"
    return Disk.copy(image, path) if image else Disk(path)


def variables(extra_args: str, folder: Path) -> str:
    """What gives a firmware's variables a place of their own: without one it keeps them in memory that outlives a reset, and in a
    file of the disk's."""
    if str(FIRMWARE) not in extra_args:
        return ""
    shutil.copy(VARIABLES, folder / "variables.fd")
    return f" -drive if=pflash,format=raw,file={folder / 'variables.fd'}"
