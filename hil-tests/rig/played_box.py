"""The box on a played bench: a virtual unit, which the instruments work and nobody else. Run as a program: played_box.py FOLDER SIZE

It prints as JSON what an environment asks for, and ends with its standard input. SIZE is that of its card, in bytes, which is empty.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

from labgrid import Environment
from labgrid.util.qmp import QMPMonitor

import kernel_plays
import supply
import virtual
from played_bench import Instruments

HERE = Path(__file__).parent


class Box:
    def __init__(self, folder: Path, size: int):
        self._folder = folder
        self._medium, self._seen = folder / "medium.img", folder / "card"
        with self._medium.open("wb") as medium:
            medium.truncate(size)
        self.card, self._machine = "off", None
        self._plugged: set[int] = set()

    # -- its supply, its card and its serial line

    @property
    def is_on(self) -> bool:
        return self._machine is not None

    def switch(self, on: bool) -> None:
        if on and not self._machine:
            self._machine = Machine(self._folder, self._medium if self.card == "dut" else None)
            for port in sorted(self._plugged):
                virtual.Modem(self._machine, port).plug()
        elif not on and self._machine:
            machine, self._machine = self._machine, None
            machine.end()

    def give_card(self, where: str) -> None:
        assert not (self._machine and where != self.card), "a card that is pulled while it is written is no test of this box"
        self.card = where
        self._seen.unlink(missing_ok=True)
        if where == "host":
            self._seen.symlink_to(self._medium)

    def console(self):
        return self._machine and self._machine.console

    # -- what is at its sockets and on its front

    def plug(self, port: int, there: bool) -> None:
        if (port in self._plugged) == there:
            return
        (self._plugged.add if there else self._plugged.remove)(port)
        if self._machine:
            stick = virtual.Modem(self._machine, port)
            stick.plug() if there else stick.unplug()

    def press(self, key: str, down: bool) -> None:
        self._inside.run(f"echo pull-{'down' if down else 'up'} >{self._line(key)}/pull")

    def lit(self, light: str) -> bool:
        return self._inside.run(f"cat {self._line(light)}/value") == "1"

    def _line(self, name: str) -> str:
        """Looked up once: a finger is quick."""
        lines = self._inside.lines
        if name not in lines:
            lines[name] = self._inside.run(kernel_plays.LINE_OF.format(name))
        return lines[name]

    def signal(self, there: bool) -> None:
        input_ = kernel_plays.Hdmi(self._inside)
        input_.plug_in()
        input_.come_back() if there else input_.lose()

    def mains(self, there: bool) -> None:
        kernel_plays.Battery(self._inside).mains(there)

    def pack(self, volts: float | None) -> None:
        # The kernel's battery does not vanish: without power it is what it was.
        if volts is not None:
            kernel_plays.Battery(self._inside).set(min(range(101), key=lambda percent: abs(supply.volts(percent) - volts)))

    @property
    def _inside(self):
        assert self._machine, "the box is off: nobody is inside"
        return self._machine.inside


class Machine:
    """The machine of qemu.yaml, while it is on."""

    def __init__(self, folder: Path, disk: Path | None):
        os.environ["LG_DISK"] = str(disk)
        told = Environment(str(HERE / "qemu.yaml")).config.data["targets"]["main"]["drivers"]["QEMUDriver"]
        command = [
            "qemu-system-x86_64", "-M", told["machine"], "-cpu", told["cpu"], "-m", told["memory"], "-display", "none",
            *shlex.split(told["extra_args"] + virtual.variables(told["extra_args"], folder)), "-qmp", "stdio",
            *(["-drive", f"if=virtio,format=raw,file={disk}"] if disk else []),
        ]  # fmt: skip
        serial, hand = _listener(folder / "serial"), _listener(folder / "hand")
        command += ["-chardev", f"socket,id=serial0,path={folder}/serial", "-serial", "chardev:serial0"]
        command += ["-chardev", f"socket,id=hand,path={folder}/hand", "-device", "virtserialport,chardev=hand,name=hand,bus=serial.0"]
        self._qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._serial, self.inside = serial.accept()[0], Inside(hand.accept()[0])
        self.console = self._serial.fileno()
        self._qmp = QMPMonitor(self._qemu.stdout, self._qemu.stdin)

    def qmp(self, command: str, **arguments):
        return self._qmp.execute(command, arguments)

    def end(self) -> None:
        self._qemu.kill()
        self._qemu.wait()
        self._serial.close()
        self.inside.close()


def _listener(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    return listener


class Inside:
    """Who works what the machine's kernel plays: a shell at the other end of the port `hand`, which is another after each start."""

    #: The port is served late in a start.
    PATIENCE_S = 300

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self.lines: dict[str, str] = {}

    def run(self, command: str) -> str:
        end = time.monotonic() + self.PATIENCE_S
        while time.monotonic() < end:
            # What is said late, to what was asked before, is no answer.
            mark = uuid.uuid4().hex
            self._connection.sendall(f"echo {mark}; ({command}) </dev/null 2>&1; echo {mark}=$?\n".encode())
            if found := self._heard(rf"{mark}\n(.*){mark}=(\d+)\n"):
                said, code = found.groups()
                assert code == "0", f"{command} ended with {code} inside: {said}"
                return said.strip()
            # A machine that started anew has other lines.
            self.lines.clear()
        raise TimeoutError(f"nobody inside does {command}")

    def _heard(self, pattern: str) -> re.Match | None:
        heard, end = "", time.monotonic() + 20
        while (left := end - time.monotonic()) > 0:
            self._connection.settimeout(left)
            try:
                said = self._connection.recv(65536)
            except TimeoutError:
                return None
            if not said:
                raise ConnectionError("the machine has ended")
            heard += said.decode(errors="replace")
            if found := re.search(pattern, heard, re.DOTALL):
                return found
        return None

    def close(self) -> None:
        self._connection.close()


def main() -> None:
    folder, size = Path(sys.argv[1]), int(sys.argv[2])
    box = Box(folder, size)
    played = Instruments(box)
    addresses = {"LG_BENCH": played.bench, "LG_SUPPLY": played.supply, "LG_CONSOLE": played.console, "LG_CARD": str(folder / "card")}
    print(json.dumps(addresses), flush=True)
    sys.stdin.read()
    box.switch(False)


if __name__ == "__main__":
    main()
