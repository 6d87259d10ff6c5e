"""The gateway outside of the unit: what the stream is judged by."""

import json
import re
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

from patience import free_port, until


class Gateway:
    """A gateway outside of the unit, which records what comes in."""

    def __init__(self, folder: Path, binaries: Path, listen: str):
        """`listen` is the address of this machine that units reach."""
        for part in ("run", "recordings"):
            (folder / part).mkdir(parents=True)
        self.folder, self.binary, self.listen = folder, binaries / "bondbox-gateway", listen
        self.port, self.http = free_port(socket.SOCK_DGRAM), free_port()
        self.address = f"http://127.0.0.1:{self.http}"
        self.key = self.say("keygen", "--out", folder / "key")
        self.units = folder / "units"
        self.units.touch()
        self.log = folder / "log"
        self.start()

    def start(self) -> None:
        words = [
            *["--listen", f"{self.listen}:{self.port}", "--identity", self.folder / "key", "--units", self.units],
            *["--http", f"127.0.0.1:{self.http}", "--run-dir", self.folder / "run"],
            *["--record", self.folder / "recordings"],
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.binary, *words], stderr=log)
        # A signal that it does not listen for yet would end it.
        until("the gateway answers", self.answer, every_s=0.1)

    def say(self, *words) -> str:
        return subprocess.run([self.binary, *words], check=True, capture_output=True, text=True).stdout.strip()

    def pair(self, key: str) -> None:
        self.units.write_text(f"{key} unit\n")
        self.process.send_signal(signal.SIGHUP)

    def forget_units(self) -> None:
        self.units.write_text("")
        self.process.send_signal(signal.SIGHUP)

    def let_in(self, name: str, code: str) -> None:
        """What somebody does on its page who reads the code on a unit's label."""
        asked = urllib.request.Request(
            f"{self.address}/api/pairings", json.dumps({"name": name, "code": code}).encode(), {"Content-Type": "application/json"}
        )
        urllib.request.urlopen(asked, timeout=5).close()

    def members(self) -> dict:
        with urllib.request.urlopen(f"{self.address}/api/units", timeout=5) as answer:
            return json.load(answer)

    def answer(self) -> dict | None:
        """What it says over HTTP, once it does."""
        assert self.process.poll() is None, f"the gateway ended:\n{self.log.read_text()}"
        try:
            with urllib.request.urlopen(f"{self.address}/api/status", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return None

    def status(self) -> dict | None:
        """The stream as the gateway sees it."""
        streams = (self.answer() or {"streams": []})["streams"]
        return streams[0] if streams else None

    def delivered(self) -> int:
        """Video units put out so far."""
        status = self.status()
        return sum(track["delivered"] for track in status["tracks"] if track["kind"] == "video") if status else 0

    def lost(self) -> int:
        return self.status()["totals"]["lost"]

    def ended_cleanly(self) -> bool:
        """Whether the last session was closed by the unit, and none has come since."""
        told = re.findall(r"session (open|closed)(?:.*reason=(\w+))?", self.log.read_text())
        return told[-1] == ("closed", "ByUnit")

    def links(self) -> dict[str, str]:
        status = self.status()
        return {link["name"]: link["state"] for link in status["links"]} if status else {}

    def flows(self, units=100, links=0) -> dict:
        """Waits until so many more units came out, over at least so many links."""
        before = self.delivered()

        def check():
            up = [name for name, state in self.links().items() if state == "up"]
            return self.delivered() >= before + units and len(up) >= links

        until(lambda: f"{units} units over {links} links, but {self.status()}", check)
        return self.status()

    def decode(self) -> list[tuple[int, str]]:
        """Of each recording: how many pictures a decoder makes of it, and what it complains of."""
        found = []
        for path in sorted((self.folder / "recordings").glob("**/*.ts")):
            run = subprocess.run(
                ["ffprobe", "-v", "warning", "-count_frames", "-select_streams", "v", "-show_entries",
                 "stream=nb_read_frames", "-of", "csv=p=0", path], check=True, capture_output=True, text=True)  # fmt: skip
            found.append((int(re.search(r"\d+", run.stdout)[0]), run.stderr))
        assert found, "there is no recording"
        return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
