"""A disk as it is when the power fails, at any moment of what a log says was written to it.

Two ways to lose power are modelled. *In order*: every write that was answered is there. *Torn*: what was answered before the last
flush is there; of the writes since, each is there or not by chance, and the last ends within, at a whole sector. Modelled is not: a
sector that is half new, a flush that lies, writes of before the flush that rot.
"""

import contextlib
import mmap
import random
from dataclasses import dataclass
from pathlib import Path

from write_log import Flush, Write

SECTOR = 512


class Image:
    """A disk's image that is written to, of which what was written last can be taken back."""

    def __init__(self, path: Path, regions: dict[str, tuple[int, int]]):
        self.path, self.regions = path, regions
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        #: Of each region: by which writes it differs from the image at the beginning.
        self._last, self._over = dict.fromkeys(regions, -1), dict.fromkeys(regions, ())

    def read(self, at: int, length: int) -> bytes:
        return self._map[at : at + length]

    def region(self, name: str) -> bytes:
        return self.read(*self.regions[name])

    def version(self, name: str) -> tuple:
        """What is equal of two moments is the same then in this region."""
        return self._last[name], self._over[name]

    def write(self, number: int, write: Write) -> None:
        self._put(write)
        for name in self._touched(write):
            self._last[name] = number

    @contextlib.contextmanager
    def over(self, writes: list[tuple[int, Write]]):
        """Has these written, and takes them back."""
        before = []
        for number, write in writes:
            before.append(Write(write.at, self.read(write.at, len(write.data))))
            self._put(write)
            for name in self._touched(write):
                self._over[name] += ((number, len(write.data)),)
        try:
            yield
        finally:
            for write in reversed(before):
                self._put(write)
            self._over = dict.fromkeys(self.regions, ())

    def _put(self, write: Write) -> None:
        self._map[write.at : write.at + len(write.data)] = write.data

    def _touched(self, write: Write) -> list[str]:
        return [name for name, (at, length) in self.regions.items() if write.touches(at, length)]


@dataclass(frozen=True, order=True)
class Cut:
    """The power failed when so many requests were answered: in order (0), or torn by the draw of this number."""

    after: int
    draw: int = 0

    def __str__(self):
        return f"cut after request {self.after}, {f'torn by draw {self.draw}' if self.draw else 'in order'}"


def draw_cuts(requests, count: int, seed: int, always) -> list[Cut]:
    """Draws so many cuts, half of them torn. Each moment around a request that `always` says is among them, both ways."""
    draw, moments = random.Random(seed), {0, len(requests)}
    for number, request in enumerate(requests):
        if always(request):
            moments |= {number, number + 1}
    others = [number for number in range(len(requests)) if number not in moments]
    moments |= set(draw.sample(others, min(len(others), max(0, count // 2 - len(moments)))))
    drawn = [Cut(moment, way) for moment in sorted(moments) for way in (0, 1)]
    # Of a log with fewer moments than that, some are torn in many ways.
    again = draw.choices(sorted(moments), k=max(0, count - len(drawn)))
    return sorted([*drawn, *(Cut(moment, 2 + number) for number, moment in enumerate(again))])


def torn(writes: list[tuple[int, Write]], draw: random.Random) -> list[tuple[int, Write]]:
    """What is left of writes that no flush came after."""
    left = [(number, write) for number, write in writes[:-1] if write.durable or draw.random() < 0.5]
    for number, write in writes[-1:]:
        whole = len(write.data) if write.durable else draw.randrange(len(write.data) // SECTOR) * SECTOR
        left.append((number, Write(write.at, write.data[:whole])))
    return [(number, write) for number, write in left if write.data]


def replay(image: Image, requests, cuts: list[Cut], seed: int, look):
    """Yields each cut while the image is as it is then; with what `look` sees as of the last flush, and as of the next one."""
    done, seen = -1, ()
    for cut in cuts:
        flushed = next((number for number in range(cut.after, 0, -1) if isinstance(requests[number - 1], Flush)), 0)
        if flushed != done:
            for number, write in _writes(requests, max(done, 0), flushed):
                image.write(number, write)
            done = flushed
            ahead = range(done, len(requests))
            before = look()
            with image.over(_writes(requests, done, next((n for n in ahead if isinstance(requests[n], Flush)), len(requests)))):
                seen = before, look()
        left = _writes(requests, done, cut.after)
        if cut.draw:
            left = torn(left, random.Random(f"{seed} {cut.after} {cut.draw}"))
        with image.over(left):
            yield cut, *seen


def _writes(requests, first: int, end: int) -> list[tuple[int, Write]]:
    return [(number, requests[number]) for number in range(first, end) if isinstance(requests[number], Write)]
