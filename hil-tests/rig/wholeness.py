"""What must hold of a unit's disk at every moment: it starts from a slot that is whole, and has lost nothing of `state`.

Judged by what reads it on the unit: sfdisk for the partitions, mtools and grub-editenv for the boot loader's files, the image's own
grub.cfg, and e2fsck as the initramfs calls it.
"""

import shutil
import subprocess
from pathlib import Path

import grub
from replay import Image
from unit import Disk

#: Partitions that make up a slot, by the number that GRUB gives its boot partition.
SLOTS = {"2": ("boot_a", "root_a"), "3": ("boot_b", "root_b")}
PARTITIONS = ("esp", "boot_a", "boot_b", "root_a", "root_b", "state")
#: The table at the beginning of the disk and its copy at the end, in bytes.
TABLE, COPY = 34 * 512, 33 * 512
CHUNK = 1 << 20
#: What `state` keeps for ever once it is there.
STAYS = ("machine-id",)
#: With two slots of one try each, the third begins anew.
STARTS = 3


def regions(disk: Disk) -> dict[str, tuple[int, int]]:
    """Parts of a disk that are judged, by name: where each begins, and how long it is."""
    size = disk.path.stat().st_size
    return {"table": (0, TABLE), "copy": (size - COPY, COPY), **{name: disk.partition(name) for name in PARTITIONS}}


class Judge:
    """Judges an image as it changes; what did not change is not judged again.

    `builds` are images of a boot partition and of the root that belongs to it. What `state` holds at first is what a set-up left in
    it, and has to stay.
    """

    def __init__(self, image: Image, builds: list[tuple[Path, Path]], scratch: Path):
        self._image, self._scratch, self._disk = image, scratch, Disk(image.path)
        self._builds = [[part.read_bytes() for part in build] for build in builds]
        self._known: dict[tuple, object] = {}
        self._table_at_first, (self._efi, self._grub_cfg), self._set_up = self._table(), self._boot_loader(), self.state()

    def faults(self, before, after) -> list[str]:
        """What is wrong, given what `state` was at the flush before this moment, and is at the next."""
        found = []
        if (table := self._once(self._table, ("table", "copy"))) != self._table_at_first:
            found.append(f"the table of partitions is {table}")
        if self._once(self._boot_loader, ("esp",)) != [self._efi, self._grub_cfg]:
            found.append("the boot loader is not what it was")
        start = self._once(self._start, ("esp", "boot_a", "boot_b", "root_a", "root_b"))
        return found + [fault for fault in (start, self._loss(before, after)) if fault]

    def _once(self, question, regions, *words):
        """The answer to a question about some regions, asked once of each version of them."""
        key = (question.__name__, words, *(self._image.version(name) for name in regions))
        if key not in self._known:
            self._known[key] = question(*words)
        return self._known[key]

    def _table(self) -> object:
        """The kernel takes the copy when the checksum is wrong; GRUB believes the first entries whatever it is."""
        try:
            return [self._disk.partition(name) for name in PARTITIONS], self._image.read(1024, 384)
        except (AssertionError, subprocess.CalledProcessError) as error:
            return error

    # -- which slot starts

    def _boot_loader(self) -> list[bytes | None]:
        return [self._file("esp", f"EFI/BOOT/{name}") for name in ("BOOTX64.EFI", "grub.cfg")]

    def _file(self, partition: str, path: str) -> bytes | None:
        try:
            return self._disk.fat(partition, "mtype", f"::/{path}")
        except subprocess.CalledProcessError:
            return None

    def _environment(self) -> dict[str, str]:
        block = self._scratch / "grubenv"
        block.write_bytes(self._file("esp", "EFI/BOOT/grubenv") or b"")
        told = subprocess.run(["grub-editenv", block, "list"], capture_output=True, text=True)
        return dict(line.split("=", 1) for line in told.stdout.splitlines())

    def _has_kernel(self, partition: str) -> bool:
        return self._file(partition, "vmlinuz") is not None

    def _is(self, partition: str, part: int) -> set[int]:
        """The builds whose image is in this partition, from its first byte to its last."""
        start, _ = self._image.regions[partition]

        def equals(image: bytes) -> bool:
            return all(
                self._image.read(start + at, len(image[at : at + CHUNK])) == image[at : at + CHUNK]
                for at in range(0, len(image), CHUNK)
            )

        return {number for number, build in enumerate(self._builds) if equals(build[part])}

    def _start(self) -> str | None:
        """Plays starts, each of which is cut off before it has proved itself."""
        environment = self._once(self._environment, ("esp",))
        if "ORDER" not in environment:
            return "the boot environment is lost"
        kernels = [number for number, (boot, _) in SLOTS.items() if self._once(self._has_kernel, (boot,), boot)]
        for count in range(1, STARTS + 1):
            number, environment = grub.choose(self._grub_cfg.decode(), environment, kernels)
            if number is None:
                return f"start {count} finds no kernel: {environment}"
            boot, root = (self._once(self._is, (name,), name, part) for part, name in enumerate(SLOTS[number]))
            if not boot & root:
                return f"start {count} is from {' and '.join(SLOTS[number])}, which are not whole: {environment}"
        return None

    # -- what is in `state`

    def state(self) -> dict[str, bytes] | str:
        """The files of `state` once it is repaired, or why it cannot be."""
        return self._once(self._repaired, ("state",))

    def _repaired(self) -> dict[str, bytes] | str:
        image, files = self._scratch / "state.img", self._scratch / "state"
        image.write_bytes(self._image.region("state"))
        for way in "-p", "-fy":
            repair = subprocess.run(["e2fsck", way, image], capture_output=True, text=True)
            if repair.returncode < 4:
                break
        else:
            return f"e2fsck {way} ends with {repair.returncode}: {repair.stdout}{repair.stderr}"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        subprocess.run(["debugfs", "-R", f"rdump / {files}", image], check=True, capture_output=True)
        return {str(path.relative_to(files)): path.read_bytes() for path in sorted(files.rglob("*")) if path.is_file()}

    def _loss(self, before, after) -> str | None:
        now = self.state()
        if isinstance(now, str):
            return f"state: {now}"
        before, after = (files if isinstance(files, dict) else {} for files in (before, after))
        stays = {**self._set_up, **{path: before[path] for path in STAYS if before.get(path)}}
        for path in {*now, *before, *after, *stays}:
            allowed = [stays[path]] if path in stays else [before.get(path), after.get(path)]
            if now.get(path) not in allowed:
                return f"{path} of state holds {now.get(path)}, must be {' or '.join(map(str, allowed))}"
        return None
