"""The virtual unit: a disk, and a machine that starts from it."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
#: A start takes 20 s of emulation on a free core. More than ten times that is a hang.
PATIENCE_S = 300


class Disk:
    """The disk of a machine that does not run: what is on it, and how it is damaged before a start."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def copy(cls, original: Path, path: Path) -> "Disk":
        disk = cls(path)
        disk.be(original)
        return disk

    def be(self, original: Path) -> None:
        """Holds what another disk holds from now on."""
        subprocess.run(["cp", "--sparse=always", original, self.path], check=True)

    def beside(self, suffix: str) -> Path:
        """Where a copy is worked on of what is on it."""
        return self.path.with_suffix(suffix)

    def grow(self, more: int) -> None:
        """There is room for so many bytes more behind what it holds."""
        with self.path.open("r+b") as disk:
            disk.truncate(disk.seek(0, 2) + more)

    def partition(self, name: str) -> tuple[int, int]:
        """Where a partition begins, and how long it is, in bytes."""
        table = subprocess.run(["sfdisk", "--dump", self.path], check=True, capture_output=True, text=True).stdout
        found = re.search(rf'start=\s*(\d+), size=\s*(\d+).*name="{name}"', table)
        assert found, f"no partition {name} in\n{table}"
        return int(found[1]) * 512, int(found[2]) * 512

    def read(self, name: str, at: int, length: int) -> bytes:
        with self.path.open("rb") as disk:
            disk.seek(self.partition(name)[0] + at)
            return disk.read(length)

    def write(self, name: str, at: int, data: bytes) -> None:
        with self.path.open("r+b") as disk:
            disk.seek(self.partition(name)[0] + at)
            disk.write(data)

    def flip(self, name: str, at: int) -> None:
        """One bit is another."""
        self.write(name, at, bytes([self.read(name, at, 1)[0] ^ 1]))

    def erase(self, name: str) -> None:
        """All of a partition is zero."""
        self.write(name, 0, bytes(self.partition(name)[1]))

    def fill(self, name: str, tree: Path, owner: dict[str, tuple[int, int]]) -> None:
        """A new ext4 of what is in a folder, in which some paths belong to others than root."""
        image = self.beside(f".{name}")
        image.unlink(missing_ok=True)
        for path, (user, group) in owner.items():
            for each in [tree / path, *(tree / path).rglob("*")]:
                os.chown(each, user, group)
        size = f"{self.partition(name)[1] // 1024}k"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-L", name, "-d", tree, image, size], check=True)
        self.write(name, 0, image.read_bytes())
        image.unlink()

    def fat(self, name: str, *command: str) -> bytes:
        """Runs a command of mtools on a FAT partition; its image there is `::`."""
        image = f"{self.path}@@{self.partition(name)[0]}"
        run = [command[0], "-i", image, *command[1:]]
        return subprocess.run(run, check=True, capture_output=True).stdout

    def environment(self, **values: str) -> None:
        """Sets values in GRUB's environment."""
        block = self.beside(".grubenv")
        block.write_bytes(self.fat("esp", "mtype", "::/EFI/BOOT/grubenv"))
        words = [f"{key}={value}" for key, value in values.items()]
        subprocess.run(["grub-editenv", block, "set", *words], check=True)
        self.environment_is(block.read_bytes())

    def environment_is(self, content: bytes) -> None:
        """Puts this in the place of GRUB's environment, whatever it is."""
        block = self.beside(".grubenv")
        block.write_bytes(content)
        self.fat("esp", "mcopy", "-o", str(block), "::/EFI/BOOT/grubenv")


class Start:
    """What a start said on the serial line, to the end of the machine."""

    def __init__(self, console: str):
        self.console = console
        self.slots = re.findall(r"Starting slot (\w)\.", console)
        self.told = dict(re.findall(r"root: (\w+)=(\S*)", console))
        self.ended = "root: done" in console

    def came_up(self, slot: str) -> None:
        """To its end, with that slot's root, verified and read as a whole."""
        assert self.ended, self.console
        assert self.told["slot"] == slot, self.console
        assert self.told["root"] == "read-only" and self.told["read"] == "whole", self.console


#: What starts under OVMF.
X86_64 = f"qemu-system-x86_64 -M q35 -cpu max -drive if=pflash,format=raw,readonly=on,file={FIRMWARE}"


def start(disk: Disk, *more: str, machine: str = X86_64, patience_s: float = PATIENCE_S) -> Start:
    """Starts the machine and waits until it powers off."""
    qemu, *kind = machine.split()
    assert shutil.which(qemu), f"{qemu} is not installed"
    log = disk.path.with_suffix(".console")
    command = [
        qemu, *kind, *"-accel tcg,thread=multi -smp 2 -m 512 -net none -display none".split(),
        *["-drive", f"if=virtio,format=raw,file={disk.path}"],
        *["-serial", f"file:{log}", *more],
    ]  # fmt: skip
    with subprocess.Popen(command) as started:
        end = time.monotonic() + patience_s
        try:
            while started.poll() is None:
                assert time.monotonic() < end, f"the machine does not end; its console:\n{text(log)}"
                time.sleep(0.2)
        finally:
            started.kill()
    return Start(text(log))


def text(log: Path) -> str:
    """A console without colours and cursor movements."""
    raw = log.read_bytes().decode(errors="replace") if log.exists() else ""
    return re.sub(r"\x1b\[[0-9;=?]*[A-Za-z]", "", raw)


def build(folder: Path) -> Path:
    """The disk with the small root, made once."""
    here = Path(__file__).parent
    kernel, root, out = folder / "kernel", folder / "small-root", folder / "small"
    subprocess.run([here / "kernel", kernel], check=True)
    subprocess.run([here / "small-root", root], check=True)
    subprocess.run([here / "disk-of", root, kernel, out, "/"], check=True)
    return out / "disk.img"


def folder() -> Path:
    """Where everything that is built is kept."""
    return Path(os.environ.get("RIG", Path(__file__).parents[2] / "target" / "rig"))
