"""What a machine wrote to its disk, in order: the log of QEMU's `blklogwrites`.

The format is that of the kernel's dm-log-writes: a block that counts the entries, then for each request a block that says what
it is, and its data after it. All numbers are little-endian. See QEMU's block/blklogwrites.c and the kernel's
Documentation/admin-guide/device-mapper/log-writes.rst.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
HEADER, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")


@dataclass(frozen=True)
class Write:
    """Bytes that were written at a place of the disk; zeros, where they were given up (discard)."""

    at: int
    data: bytes | memoryview
    #: On the disk when it was answered, whatever is flushed later.
    durable: bool = False

    def touches(self, start: int, length: int) -> bool:
        return self.at < start + length and start < self.at + len(self.data)


@dataclass(frozen=True)
class Flush:
    """All that was written before is on the disk."""


def read(path: Path) -> list[Write | Flush]:
    """The requests of a log; their data stays in the file."""
    with path.open("rb") as file:
        log = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    magic, version, entries, block = HEADER.unpack_from(log)
    assert magic == MAGIC and version == VERSION, f"{path} is no log of writes: magic {magic:#x}, version {version}"
    requests, at = [], block
    for number in range(entries):
        assert at + block <= len(log), f"{path} ends in entry {number} of {entries}"
        sector, sectors, flags, length = ENTRY.unpack_from(log, at)
        assert flags < 2 * MARK and (sectors or flags), f"entry {number} of {path} is none: {sectors} sectors, flags {flags:#x}"
        at += block
        # Of a mark, the data is its name; QEMU counts sectors for all else, and leaves that length at 0.
        size = 0 if flags & DISCARD else -(-length // block) * block if flags & MARK else sectors * block
        assert at + size <= len(log), f"{path} ends in the data of entry {number} of {entries}"
        if flags & FLUSH:
            requests.append(Flush())
        if sectors and not flags & MARK:
            data = bytes(sectors * block) if flags & DISCARD else log[at : at + size]
            requests.append(Write(sector * block, data, bool(flags & FUA)))
        at += size
    return requests
