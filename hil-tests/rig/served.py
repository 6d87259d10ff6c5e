"""A folder over HTTP, in ranges: how a unit fetches an update."""

import http.server
import re
import threading
from pathlib import Path

from patience import until


class Served:
    """Serves a folder on this address of this machine, and counts what was fetched."""

    def __init__(self, folder: Path, listen: str):
        served = self
        self.bytes = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.answer(body=False)

            def do_GET(self):
                self.answer(body=True)

            def answer(self, body):
                path = folder / self.path.lstrip("/")
                if not path.is_file():
                    return self.send_error(404)
                size = path.stat().st_size
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                first = int(asked[1]) if asked else 0
                last = min(int(asked[2]) if asked and asked[2] else size - 1, size - 1)
                self.send_response(206 if asked else 200)
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(last - first + 1))
                if asked:
                    self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
                self.end_headers()
                if body:
                    with path.open("rb") as file:
                        file.seek(first)
                        self.wfile.write(file.read(last - first + 1))
                    served.bytes += last - first + 1

        self._server = http.server.ThreadingHTTPServer((listen, 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def until(self, count: int) -> None:
        """Waits until so many bytes were fetched."""
        until(lambda: f"{count} bytes fetched, but {self.bytes}", lambda: self.bytes >= count, every_s=0.05)

    def stop(self) -> None:
        self._server.shutdown()
