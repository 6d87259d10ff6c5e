"""What the kernel of a virtual unit plays, worked by commands inside of it: an HDMI input, keys, lights, a battery, a gauge.

Each takes `inside`, which has `run(command)`.
"""

import rig


class Hdmi(rig.Hdmi):
    """What vivid plays is HDMI with a cable."""

    def __init__(self, inside):
        self._inside = inside

    def plug_in(self) -> None:
        self._inside.run("modprobe vivid n_devs=1 num_inputs=1 input_types=0x3 num_outputs=0 node_types=0x1")

    def lose(self) -> None:
        self._signal(1)

    def come_back(self) -> None:
        self._signal(0)

    def _signal(self, mode: int) -> None:
        self._inside.run(f"v4l2-ctl -d {self.DEVICE} --set-ctrl dv_timings_signal_mode={mode}")


#: Prints the folder of the line of this name that gpio-sim plays.
LINE_OF = (
    "c=/sys/kernel/config/gpio-sim/panel; n=$(grep -lx {} $c/bank0/line*/name); n=${{n%/name}}; "
    "echo /sys/devices/platform/$(cat $c/dev_name)/$(cat $c/bank0/chip_name)/sim_gpio${{n##*line}}"
)


class Button(rig.Button):
    def __init__(self, inside, name: str):
        self._inside, self._name = inside, name

    def hold(self, seconds: float) -> None:
        # Nothing is looked up or started while a finger is down: a click that takes half a second is a hold. So bash waits for a
        # pipe that says nothing.
        find = f'pull="$({LINE_OF.format(self._name)})/pull"; exec 9<> <(:)'
        self._inside.run(f"bash -c '{find}; echo pull-down >\"$pull\"; read -rt {seconds} -u 9; echo pull-up >\"$pull\"'")


class Light(rig.Light):
    def __init__(self, inside, name: str):
        self._inside, self._name = inside, name

    def seen(self) -> set[bool]:
        look = f'file="$({LINE_OF.format(self._name)})/value"; for i in $(seq 30); do cat "$file"; sleep 0.04; done'
        return {value == "1" for value in self._inside.run(look).split()}


class Battery(rig.Battery):
    def __init__(self, inside):
        self._inside = inside

    def mains(self, there: bool) -> None:
        self._set(ac_online="on" if there else "off", usb_online="off", battery_status="charging" if there else "discharging")

    def set(self, percent: int) -> None:
        self._set(battery_capacity=percent)

    def _set(self, **values) -> None:
        self._inside.run("; ".join(f"echo {value} >/sys/module/test_power/parameters/{name}" for name, value in values.items()))


class Gauge:
    """A fuel gauge on I2C that the kernel has no driver bound to: a MAX17040 of registers that stay what they are set to."""

    ADDRESS = 0x36

    #: There is no other one.
    BUS = "/dev/i2c-0"

    def __init__(self, inside):
        self._inside = inside

    def plug(self, millivolts: int, permille: int) -> None:
        # At once: a gauge that says zero for long switches the unit off.
        plug = f"modprobe i2c-dev && modprobe i2c-stub chip_addr={self.ADDRESS}"
        self._inside.run(f"{plug} && {self._holding(millivolts, permille)} && udevadm settle")

    def unplug(self) -> None:
        self._inside.run("rmmod i2c-stub")

    def holds(self, millivolts: int, permille: int) -> None:
        self._inside.run(self._holding(millivolts, permille))

    def _holding(self, millivolts: int, permille: int) -> str:
        """Steps of 1.25 mV, twelve bits from the left; and 256ths of a percent."""
        return f"{self._set(0x02, millivolts * 4 // 5 << 4)} && {self._set(0x04, permille * 256 // 10)}"

    def _set(self, register: int, value: int) -> str:
        # i2cset sends the low byte of a word first, as SMBus does; the gauge sends its high one.
        word = int.from_bytes(value.to_bytes(2, "big"), "little")
        return f"busybox i2cset -y {self.BUS[-1]} {self.ADDRESS:#x} {register:#x} {word:#x} w"
