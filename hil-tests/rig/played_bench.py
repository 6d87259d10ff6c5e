"""The instruments of a bench, played: a PDU, relays, an I/O board, an SD multiplexer, a supply and a serial line.

Each speaks as the instrument does whose driver labgrid has, and works the box that is put on the bench. A box has

    is_on, switch(on)         its supply
    card, give_card(where)    where its card is: "dut", "host" or "off"
    plug(port, there)         sticks
    press(key, down), lit(light)
    signal(there), mains(there), pack(volts)
    console()                 a file descriptor of its serial line, or None while it has none
"""

import http.server
import json
import os
import re
import select
import socketserver
import threading
import tty
import urllib.parse

#: What is wired to which pin of the I/O board: what is set there, and what is read.
OUTPUTS = {"OUT0": "start", "OUT1": "select", "OUT2": "mains lost", "OUT3": "hdmi"}
INPUTS = {"IN0": "air", "IN1": "link", "IN2": "power"}
NODE = "4DO-3DI-3AI-played"


class Instruments:
    """Everything with an address of its own: `bench` of what is spoken to over HTTP, `supply`, and `console`, a terminal's name."""

    def __init__(self, box):
        self.box = box
        self._one_at_a_time = threading.Lock()
        self._set: dict[str, str] = {}
        self.bench = self._serve(http.server.ThreadingHTTPServer, _http(self))
        self.supply = self._serve(socketserver.ThreadingTCPServer, _scpi(self))
        self.console = _Line(box).name

    def _serve(self, kind, handler) -> str:
        server = kind(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_address[1]}"

    def ask(self, path: str, value: str | None) -> str:
        """What an instrument says, who is told a value or asked for one. KeyError: there is none."""
        with self._one_at_a_time:
            for pattern, answer in self._ROUTES:
                if found := re.fullmatch(pattern, path):
                    return answer(self, *found.groups(), value)
        raise KeyError(path)

    def _outlet(self, value):
        if value is not None:
            self.box.switch(value == "1")
        return "1" if self.box.is_on else "0"

    def _relay(self, number, value):
        if value is not None:
            self.box.plug(int(number), value == "1")
            self._set[number] = value
        return self._set.get(number, "0")

    def _card(self, value):
        if value is not None:
            self.box.give_card(value)
        return self.box.card

    def _nodes(self, _):
        return json.dumps({"code": 0, "error_message": "", "result": [NODE]})

    def _pin(self, pin, value):
        if value is not None:
            what, on = OUTPUTS[pin], value == "1"
            if what == "hdmi":
                self.box.signal(on)
            elif what == "mains lost":
                self.box.mains(not on)
            else:
                self.box.press(what, on)
            self._set[pin] = value
        read = self.box.lit(INPUTS[pin]) if pin in INPUTS else self._set.get(pin) == "1"
        return json.dumps({"code": 0, "error_message": "", "result": int(read)})

    _ROUTES = [
        (r"/outlets/1/value", _outlet),
        (r"/relays/([1-4])", _relay),
        (r"/card", _card),
        (r"/nodes/", _nodes),
        (rf"/nodes/{NODE}/pins/(\w+)/", _pin),
    ]

    def scpi(self, command: str) -> str:
        """What is in the supply's queue of errors after this."""
        with self._one_at_a_time:
            match command.split():
                case ["VOLT", volts] if 0 <= float(volts) <= 6:
                    self._set["volts"] = volts
                case ["VOLT", _]:
                    return '-222,"Data out of range"'
                case ["OUTP", "ON"]:
                    self.box.pack(float(self._set["volts"]))
                case ["OUTP", "OFF"]:
                    self.box.pack(None)
                case _:
                    return '-113,"Undefined header"'
        return '0,"No error"'


def _http(instruments):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.answer(None)

        def do_PUT(self):
            self.answer(self.body())

        def do_POST(self):
            self.answer(urllib.parse.parse_qs(self.body())["value"][0])

        def body(self):
            return self.rfile.read(int(self.headers["Content-Length"])).decode()

        def answer(self, value):
            try:
                code, said = 200, instruments.ask(self.path, value)
            except KeyError as error:
                code, said = 404, f"there is no {error}"
            except Exception as error:  # the one who asked has to know
                code, said = 500, repr(error)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(said.encode())

    return Handler


def _scpi(instruments):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            error = '0,"No error"'
            for line in self.rfile:
                command = line.decode().strip()
                if command == "SYST:ERR?":
                    self.wfile.write(f"{error}\n".encode())
                else:
                    error = instruments.scpi(command)

    return Handler


class _Line:
    """A serial adapter: a terminal whose other end is the box's line, whenever it has one. Nothing is lost that is read late."""

    def __init__(self, box):
        self._box = box
        self._ours, theirs = os.openpty()
        # Kept open: without anybody at it, a terminal fails.
        tty.setraw(theirs)
        self.name = os.ttyname(theirs)
        self._theirs = theirs
        os.set_blocking(self._ours, False)
        threading.Thread(target=self._carry, daemon=True).start()

    def _carry(self):
        unread = b""
        while True:
            box = self._box.console()
            readers = [self._ours] + ([box] if box is not None else [])
            try:
                ready, room, _ = select.select(readers, [self._ours] if unread else [], [], 0.2)
                if box in ready:
                    unread += os.read(box, 65536)
                if self._ours in ready:
                    typed = os.read(self._ours, 65536)
                    # With the box off, it is said to nobody.
                    if box is not None:
                        os.write(box, typed)
            except OSError:
                # It was switched off just now.
                continue
            if room:
                unread = unread[os.write(self._ours, unread) :]
