"""What tests of a whole unit can do to it: switch it off, press its buttons, pull its modems, install updates."""

import json
import os
import re
import shutil
from pathlib import Path

from labgrid import Environment
from labgrid.consoleloggingreporter import ConsoleLoggingReporter
from labgrid.driver.exception import ExecutionError
from pexpect import TIMEOUT

from patience import PATIENCE_S, until
from served import Served
from unit import FIRMWARE, Disk, text

#: What the firmware's variables are at first.
VARIABLES = FIRMWARE.with_name("OVMF_VARS_4M.fd")

# An emulated firmware takes 15 s on a busy machine.
FIRMWARE_S = 120

#: What an emulated processor can encode in real time; and its starts take minutes, which are no long time without power.
CAPTURE = 'size = "160x90"\nrate = 5\naudio = "none"\nbitrate_kbps = 200\nmax_bitrate_kbps = 1000\nresume_within_min = 120\n'

#: Lines of gpio-sim; nothing describes them to the kernel.
PANEL = 'key_lines = ["start", "select"]\nlight_lines = ["air", "link", "power"]\n'
#: Of its battery the kernel tells when it changes.
BATTERY = "gauge_every_ms = 60000\n"


class Modem:
    """A stick in a port of the unit."""

    def __init__(self, unit, port: int):
        self._unit, self._port, self.name = unit, port, f"usb1-{port}"

    def plug(self) -> None:
        network, device = f"net{self._port}", f"stick{self._port}"
        # Sticks of one kind: the same address for all, and the same router.
        self._unit.qmp("netdev_add", type="user", id=network)
        self._unit.qmp("device_add", driver="usb-net", id=device, netdev=network, bus="xhci.0", port=str(self._port))

    def unplug(self) -> None:
        self._unit.qmp("device_del", id=f"stick{self._port}")
        gone = lambda: "DEVICE_GONE" if not self._unit.has_device(f"stick{self._port}") else None
        until("the stick is gone", gone)
        self._unit.qmp("netdev_del", id=f"net{self._port}")


class Hdmi:
    """The picture that comes in: what vivid plays is HDMI with a cable."""

    DEVICE = "/dev/video0"

    def __init__(self, unit):
        self._unit = unit

    def plug_in(self) -> None:
        self._unit.run("modprobe vivid n_devs=1 num_inputs=1 input_types=0x3 num_outputs=0 node_types=0x1")

    def lose(self) -> None:
        self._signal(1)

    def come_back(self) -> None:
        self._signal(0)

    def _signal(self, mode: int) -> None:
        self._unit.run(f"v4l2-ctl -d {self.DEVICE} --set-ctrl dv_timings_signal_mode={mode}")


class Button:
    """A key of the front panel, and the finger on it."""

    def __init__(self, unit, name: str):
        self._unit, self._name = unit, name

    def press(self) -> None:
        self.hold(0.1)

    def hold(self, seconds: float) -> None:
        # Nothing is looked up while a finger is down: a click that takes half a second is a hold.
        find = f'pull="$({LINE_OF.format(self._name)})/pull"'
        self._unit.run(f'{find}; echo pull-down >"$pull"; sleep {seconds}; echo pull-up >"$pull"')


class Light:
    """A light of the front panel, as an eye sees it."""

    def __init__(self, unit, name: str):
        self._unit, self._name = unit, name

    def shows(self) -> str:
        """What it does for more than a blink of the slowest: dark, lit, or blinks."""
        look = f'file="$({LINE_OF.format(self._name)})/value"; for i in $(seq 30); do cat "$file"; sleep 0.04; done'
        seen = set(self._unit.run(look).split())
        return {"0": "dark", "1": "lit"}[seen.pop()] if len(seen) == 1 else "blinks"


#: Prints the folder of the line of this name that gpio-sim plays.
LINE_OF = (
    "c=/sys/kernel/config/gpio-sim/panel; n=$(grep -lx {} $c/bank0/line*/name); n=${{n%/name}}; "
    "echo /sys/devices/platform/$(cat $c/dev_name)/$(cat $c/bank0/chip_name)/sim_gpio${{n##*line}}"
)


class Battery:
    """The pack of the unit, and its mains."""

    def __init__(self, unit):
        self._unit = unit

    def mains(self, there: bool) -> None:
        self._set(ac_online="on" if there else "off", usb_online="off", battery_status="charging" if there else "discharging")

    def set(self, percent: int) -> None:
        self._set(battery_capacity=percent)

    def _set(self, **values) -> None:
        self._unit.run("; ".join(f"echo {value} >/sys/module/test_power/parameters/{name}" for name, value in values.items()))


class Gauge:
    """A fuel gauge on I2C that the kernel has no driver bound to: a MAX17040 of registers that stay what they are set to."""

    ADDRESS = 0x36

    #: There is no other one.
    BUS = "/dev/i2c-0"

    def __init__(self, unit):
        self._unit = unit

    def plug(self, millivolts: int, permille: int) -> None:
        # At once: a gauge that says zero for long switches the unit off.
        plug = f"modprobe i2c-dev && modprobe i2c-stub chip_addr={self.ADDRESS}"
        self._unit.run(f"{plug} && {self._holding(millivolts, permille)} && udevadm settle")

    def unplug(self) -> None:
        self._unit.run("rmmod i2c-stub")

    def holds(self, millivolts: int, permille: int) -> None:
        self._unit.run(self._holding(millivolts, permille))

    def _holding(self, millivolts: int, permille: int) -> str:
        """Steps of 1.25 mV, twelve bits from the left; and 256ths of a percent."""
        return f"{self._set(0x02, millivolts * 4 // 5 << 4)} && {self._set(0x04, permille * 256 // 10)}"

    def _set(self, register: int, value: int) -> str:
        # i2cset sends the low byte of a word first, as SMBus does; the gauge sends its high one.
        word = int.from_bytes(value.to_bytes(2, "big"), "little")
        return f"busybox i2cset -y {self.BUS[-1]} {self.ADDRESS:#x} {register:#x} {word:#x} w"


class Panel:
    """The front panel."""

    def __init__(self, unit):
        self._unit = unit
        self.start, self.select = Button(unit, "start"), Button(unit, "select")
        self.air, self.link, self.power = (Light(unit, name) for name in ("air", "link", "power"))

    def state(self) -> dict:
        """As its service serves it."""
        return json.loads(self._unit.run("bondboxctl --json panel status"))

    def means(self, meaning: str) -> None:
        """Waits until the lights mean this."""
        until(lambda: f"{meaning}: {self.state()}", lambda: self.state()["meaning"] == meaning)


class Update:
    """Updates from a server outside."""

    def __init__(self, unit, folder: Path):
        self._unit, self._folder = unit, folder
        self.served = Served(folder)

    def command(self, bundle: str) -> str:
        """Fetches and installs it."""
        return f"rauc install http://10.0.2.2:{self.served.port}/{bundle}"

    def install(self, bundle: str) -> str:
        """Has the unit fetch and install it, which must succeed."""
        return self._unit.run(self.command(bundle), timeout=900)

    def refused(self, bundle: str) -> str:
        """Has the unit try to install it, and returns why it did not."""
        code, said = self._unit.try_run(self.command(bundle), timeout=300)
        assert code != 0, f"{bundle} was installed:\n{said}"
        return said

    def size(self, bundle: str) -> int:
        return (self._folder / bundle).stat().st_size


class Power:
    def __init__(self, unit):
        self._unit = unit

    def on(self, clock: str | None = None) -> None:
        """Switches it on, with its clock at the real time or at the one given, such as 1970-01-01."""
        driver = self._unit.driver
        self._unit.target.deactivate(driver)
        driver.extra_args = self._unit.extra_args + (f" -rtc base={clock}T00:00:00" if clock else "")
        self._unit.target.activate(driver)
        driver.on()
        self._unit.stick_in()

    def cut(self) -> None:
        """As when the plug is pulled: nothing is told, nothing is written any more."""
        self._unit.leave_shell()
        self._unit.driver.off()

    def goes_off(self) -> None:
        """Waits until the unit has switched itself off."""
        until("it is off", lambda: self._unit.qmp("query-status")["status"] == "shutdown")
        self.cut()


class Unit:
    """One virtual unit with its disk."""

    def __init__(self, folder: Path, image: Path, yaml: Path, modems=2, log: Path | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.disk = Disk.copy(image, folder / "disk.img")
        # A card is larger than the image: the rest becomes `data`.
        with self.disk.path.open("r+b") as disk:
            disk.truncate(disk.seek(0, 2) + (256 << 20))
        os.environ["LG_DISK"] = str(self.disk.path)
        self.console = folder / "console_main"
        ConsoleLoggingReporter.start(str(folder))
        self.target = Environment(str(yaml)).get_target("main")
        self.features = set(self.target.env.get_target_features())
        self.driver = self.target.get_driver("QEMUDriver")
        self.extra_args = self.driver.extra_args
        if str(FIRMWARE) in self.extra_args:
            # Its variables have a place of their own: without one it keeps them in memory that outlives a reset, and in a file of
            # the disk's.
            shutil.copy(VARIABLES, folder / "variables.fd")
            self.extra_args += f" -drive if=pflash,format=raw,file={folder / 'variables.fd'}"
        if log:
            self._record(log)
        self._shell = None
        self.power = Power(self)
        self.modem = [Modem(self, port + 1) for port in range(modems)]
        self.plugged = list(self.modem)
        self.hdmi = Hdmi(self)
        self.panel, self.battery = Panel(self), Battery(self)

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

    def has_device(self, name: str) -> bool:
        return any(device["name"] == name for device in self.qmp("qom-list", path="/machine/peripheral"))

    def stick_in(self) -> None:
        for modem in self.plugged:
            modem.plug()

    def set_up(self) -> None:
        """What an operator's set-up leaves in `state`: the unit's key, paired with the gateway, and the settings."""
        tree = self.folder / "state"
        for part in ("settings", "bondbox-uplink"):
            (tree / part).mkdir(parents=True, exist_ok=True)
        key = tree / "bondbox-uplink" / "key"
        key.unlink(missing_ok=True)
        self.gateway.pair(self.gateway.say("keygen", "--out", key))
        (tree / "settings" / "uplink.toml").write_text(
            f'gateway = "10.0.2.2:{self.gateway.port}"\ngateway_key = "{self.gateway.key}"\n'
            'latency_ms = 2000\nstart_bitrate_kbps = 500\nmax_bitrate_kbps = 1000\n'
        )
        (tree / "settings" / "capture.toml").write_text(CAPTURE)
        (tree / "settings" / "panel.toml").write_text(PANEL + BATTERY)
        self.disk.fill("state", tree, owner={"bondbox-uplink": (962, 960)})

    def restart(self, command="systemctl reboot") -> None:
        """Gives a command that restarts it, and waits until it has begun to start."""
        self.shell().console.sendline(command)
        self.leave_shell()
        # A prompt of before is no prompt.
        try:
            self.driver.expect("Starting slot", timeout=FIRMWARE_S)
        except TIMEOUT:
            # Seen three times: the emulated firmware spins before its first word, and a reset does not help it. A board has a
            # watchdog for that.
            assert self.said().rstrip().endswith("reboot: Restarting system"), self.said()[-2000:]
            print("the machine hangs in its firmware, and is switched off and on")
            self.power.cut()
            self.power.on()
            self.until_said("Starting slot")

    def come_back(self, slot: str | None = None) -> None:
        """Waits for a shell, from this slot if one is named: what does not work may start, and give way later."""
        slots = [slot] if slot else ["A", "B"]
        there = lambda: self._answer("cat /run/bondbox-boot/slot") in slots
        until(lambda: f"a shell, but {self.said()[-4000:]}", there)

    def works(self, slot: str, version: str | None = None) -> None:
        """It has come up from this slot, says itself that it works, and its stream arrives."""
        self.come_back(slot)
        assert version is None or self.version() == version
        self.marked_good()
        self.gateway.flows(units=20, links=len(self.plugged))

    def _answer(self, command: str) -> str | None:
        """What a command says, if there is a shell that ends it."""
        try:
            code, said = self.try_run(command, timeout=20)
        except (TIMEOUT, ExecutionError):
            code, said = 1, ""
        if code:
            # A shell of before the last start is none.
            self.leave_shell()
        return None if code else said

    def captures(self, source: str) -> None:
        """Has the picture come from there; a setting, and the capture service started anew."""
        # The file itself is mounted where the service reads it.
        self.run(f"printf '%s\\nsource = \"{source}\"\\n' '{CAPTURE}' >/state/settings/capture.toml")
        self.run("systemctl restart bondbox-capture")

    def wires(self, panel: str = BATTERY) -> None:
        """Has these settings of the panel beside its lines; and its service started anew."""
        self.run(f"printf '%s\\n' '{PANEL}{panel}' >/state/settings/panel.toml")
        self.run("systemctl restart bondbox-panel")

    def marked_good(self) -> None:
        """Waits until the unit itself says that it works."""
        log = lambda: self.run("journalctl -u bondbox-health -o cat --no-pager")
        until(log, lambda: "is marked good" in log())

    # -- what goes on inside

    def shell(self):
        if self._shell is None:
            self._shell = self.target.get_driver("ShellDriver")
        return self._shell

    def leave_shell(self) -> None:
        if self._shell is not None:
            self.target.deactivate(self._shell)
            self._shell = None

    def run(self, command: str, timeout=120) -> str:
        """What a command says, which must succeed."""
        lines, _, code = self.shell().run(command, timeout=timeout)
        said = "\n".join(lines)
        assert code == 0, f"{command} ended with {code}:\n{said}"
        return said

    def try_run(self, command: str, timeout=120) -> tuple[int, str]:
        lines, _, code = self.shell().run(command, timeout=timeout)
        return code, "\n".join(lines)

    def slot(self) -> str:
        return self.run("cat /run/bondbox-boot/slot")

    def version(self) -> str:
        return re.search(r"^VERSION_ID=(.*)$", self.run("cat /etc/os-release"), re.M)[1]

    def diagnosis(self) -> str:
        """For a person who reads that a test failed."""
        asked = "systemctl --failed --no-pager; journalctl -b -p notice -o short-monotonic --no-pager | tail -n 60; cat /proc/loadavg"
        try:
            return self.try_run(asked)[1] if self.driver.status else self.said()[-4000:]
        except Exception as error:  # the machine is not where it was expected to be
            return f"{error!r}; its console:\n{self.said()[-4000:]}"

    def said(self) -> str:
        """Everything that its serial line said."""
        return text(self.console)

    def until_said(self, pattern: str) -> None:
        """Waits for words that its serial line has not said yet."""
        self.driver.expect(pattern, timeout=PATIENCE_S)

    def let_run(self, seconds: float) -> None:
        """Lets time pass in it. Its serial line is read meanwhile: a machine that nobody listens to stands still."""
        self.driver.expect([TIMEOUT], timeout=seconds)

    def slots_started(self) -> list[str]:
        return re.findall(r"Starting slot (\w)\.", self.said())

    def close(self) -> None:
        if self.driver.status:
            self.power.cut()
        self.target.cleanup()
        ConsoleLoggingReporter.stop()
