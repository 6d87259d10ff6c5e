"""A modem that speaks 3GPP TS 27.007 over a socket, as much of it as ModemManager's generic plugin asks for.

`at_modem.py NAME` listens on the abstract socket NAME, which is the modem's port, and reads what becomes of it from its
standard input, a JSON object a line: {"rsrp": -95, "rsrq": -10, "csq": 18, "pin": "1234", "sim": false, "registered": false};
and, before ModemManager asks for them, {"imei": "…", "iccid": "…", "imsi": "…", "operator": "…", "maker": "…",
"model": "…"}.

Its network takes calls for the families of addresses that {"takes": ["IP", "IPV6", "IPV4V6"]} names (TS 27.007 10.1.1).

It has the LTE bands 3, 7 and 20, and those who know Telit's AT#BND can lock them: {"refuses_bands": true} takes no other bands,
{"served_on": [7]} says which are heard where it is. They are told by #QSS that the SIM was pulled or put back.

Those who know u-blox's AT+U... can have its network card carry a bearer, in the mode in which the network's address is that of
the card's other end: {"address": "10.0.2.15", "netmask": "255.255.255.0", "gateway": "10.0.2.2"}; or, from its next plug on, in the
one in which the card is leased an address: {"leases": true}. {"hangs": true} answers nothing any more, until whoever has the line
says POWER on it: the modem has lost its power, and begins anew.
"""

import json
import os
import re
import selectors
import socket
import sys

#: A SIM that exists nowhere: 001 is the test network's country.
IMSI, ICCID, IMEI, OPERATOR = "001010123456789", "8949000000000000014", "490154203237518", "Testnetz"

#: Of LTE, by number.
BANDS = [3, 7, 20]


def mask(bands):
    return sum(1 << band - 1 for band in bands)


class Modem:
    def __init__(self):
        self.world = {"rsrp": -95, "rsrq": -10, "csq": 18, "pin": None, "tries": 3, "sim": True, "registered": True,
                      "silent_call": False, "imei": IMEI, "iccid": ICCID, "imsi": IMSI, "operator": OPERATOR,
                      "refuses_bands": False, "roaming": False, "served_on": BANDS, "hangs": False,
                      "takes": ["IP", "IPV6", "IPV4V6"],
                      "maker": "Bondbox", "model": "Emulated modem",
                      "address": "10.0.2.15", "netmask": "255.255.255.0", "gateway": "10.0.2.2", "leases": False}
        self.begin()

    def begin(self):
        """As it is when it has just got its power."""
        self.world["hangs"] = False
        self.radio_on = True
        self.tells_of_sim = False
        self.operator_in_letters = True
        self.bands = mask(BANDS)
        self.contexts, self.active = {"1": '"IP","internet"'}, set()
        self.register_reports = {"CREG": 0, "CGREG": 0, "CEREG": 0}
        return []

    def become(self, what):
        """Gives what it says of it by itself."""
        had_sim = self.world["sim"]
        self.world.update(what)
        return [f"#QSS: {self.sim_state()}"] if self.tells_of_sim and self.world["sim"] != had_sim else []

    def sim_state(self):
        return 3 if self.world["sim"] else 0

    @property
    def locked(self):
        return self.world["pin"] is not None

    def answer(self, line):
        """What it says to one command, without the echo."""
        command = line.strip()
        upper = command.upper()
        if upper == "POWER":
            self.begin()
        if self.world["hangs"] or not upper.startswith("AT"):
            return []
        body = upper[2:]
        for pattern, say in self.table():
            if match := re.fullmatch(pattern, body):
                said = say(*match.groups())
                if said is None:
                    return []
                ends = said and (said[0] == "OK" or said[-1].startswith(("+CME ERROR", "ERROR", "CONNECT", "NO CARRIER")))
                return said if ends else [*said, "OK"]
        return ["ERROR"]

    @property
    def served(self):
        world = self.world
        heard = self.bands & mask(world["served_on"])
        return bool(world["registered"] and world["sim"] and not self.locked and self.radio_on and heard)

    @property
    def registered(self):
        return f'{5 if self.world["roaming"] else 1},"1A2B","01C3D4E5",7' if self.served else "0"

    def takes(self, number):
        """Whether the network takes a call of this context."""
        return self.contexts.get(number, "").split(",")[0].strip('"') in self.world["takes"]

    def call(self, number):
        """The line becomes one of data, which would speak PPP from here on; or it never says whether it did."""
        if self.world["silent_call"]:
            return None
        return ["CONNECT"] if self.takes(number) else ["NO CARRIER"]

    def table(self):
        world = self.world
        no_sim = lambda: ["+CME ERROR: 10"]  # noqa: E731
        need_pin = lambda: ["+CME ERROR: 11"]  # noqa: E731

        def with_sim(say):
            return no_sim() if not world["sim"] else need_pin() if self.locked else say

        def cpin():
            return no_sim() if not world["sim"] else [f"+CPIN: {'SIM PIN' if self.locked else 'READY'}"]

        def enter(pin):
            if not self.locked:
                return ["+CME ERROR: 3"]
            if pin != world["pin"]:
                world["tries"] -= 1
                return ["+CME ERROR: 16"]
            world["pin"] = None
            return []

        def registration(which):
            return [f"+{which}: {self.register_reports[which]},{self.registered}"]

        def report(which, how):
            self.register_reports[which] = int(how)
            return []

        def signal():
            # TS 27.007 8.69: 1 is RSRQ from -19.5, in half dB, and RSRP from -140, in dB; 0 is less.
            rsrq = max(0, min(34, round((world["rsrq"] + 19.5) * 2) + 1))
            rsrp = max(0, min(97, world["rsrp"] + 141))
            return [f"+CESQ: 99,99,255,255,{rsrq},{rsrp}"]

        def switch(how):
            self.radio_on = how == "1"
            return []

        def lock(bands):
            if world["refuses_bands"]:
                return ["+CME ERROR: 3"]
            was_served, self.bands = self.served, int(bands)
            # It looks for a network anew, and says what came of that to whoever wants to know.
            told = [which for which, how in self.register_reports.items() if how and self.served != was_served]
            return ["OK", *(f"+{which}: {self.registered}" for which in told)]

        def tell_of_sim(how):
            self.tells_of_sim = how == "1"
            return []

        def network(how):
            self.operator_in_letters = how == "0" if how else self.operator_in_letters
            imsi, operator = world["imsi"], world["operator"]
            if not self.served:
                return ["+COPS: 0"]
            return [f'+COPS: 0,0,"{operator}",7' if self.operator_in_letters else f'+COPS: 0,2,"{imsi[:5]}",7']

        def name_operators(how):
            self.operator_in_letters = how == "0"
            return []

        def define(number, context):
            self.contexts[number] = context
            return []

        def activate(how, number):
            if how == "1" and not self.served or number not in self.contexts:
                return ["+CME ERROR: 30"]
            if how == "1" and not self.takes(number):
                # TS 27.007 9.2.2.3: the service option is not supported.
                return ["+CME ERROR: 132"]
            (self.active.add if how == "1" else self.active.discard)(number)
            return []

        def settings(number):
            own, next_router, resolver = f'{world["address"]}.{world["netmask"]}', world["gateway"], "10.0.2.3"
            return [f'+CGCONTRDP: {number},5,"internet","{own}","{next_router}","{resolver}","{resolver}"']

        def crsm(what):
            if what.startswith("176,12258"):
                digits = world["iccid"].ljust(20, "F")
                swapped = "".join(digits[i + 1] + digits[i] for i in range(0, 20, 2))
                return [f'+CRSM: 144,0,"{swapped}"']
            if what.startswith("176,28589"):
                return ['+CRSM: 144,0,"00000002"']
            if what.startswith("176,28486"):
                return ['+CRSM: 144,0,"00' + world["operator"].encode("ascii").hex().upper().ljust(32, "F") + '"']
            return ["+CRSM: 106,130"]

        return [
            (r"", lambda: []),
            (r"E[01].*|V1|X\d|Z|&[A-Z]\d?|Q0.*|\+CMEE=\d", lambda: []),
            (r"I", lambda: [world["maker"], world["model"], "1.0"]),
            (r"\+GMI|\+CGMI", lambda: [world["maker"]]),
            (r"\+GMM|\+CGMM", lambda: [world["model"]]),
            (r"\+GMR|\+CGMR", lambda: ["1.0"]),
            (r"\+GSN|\+CGSN", lambda: [world["imei"]]),
            (r"\+GCAP", lambda: ["+GCAP: +CGSM,+DS,+ES"]),
            (r"\+CPIN\?", cpin),
            (r'\+CPIN="?(\d+)"?', enter),
            (r"\+CIMI", lambda: with_sim([world["imsi"]])),
            (r"\+C?CCID\??|\+ICCID", lambda: with_sim([f"+CCID: {world['iccid']}"])),
            (r"\+CRSM=(.*)", lambda what: with_sim(crsm(what))),
            (r"\+CFUN\?", lambda: [f"+CFUN: {int(self.radio_on)}"]),
            (r"\+CFUN=(\d).*", switch),
            (r"\+(CREG|CGREG|CEREG)=\?", lambda which: [f"+{which}: (0-2)"]),
            (r"\+(CREG|CGREG|CEREG)=(\d)", report),
            (r"\+(CREG|CGREG|CEREG)\?", registration),
            (r"(?:\+COPS=3,([02]);)?\+COPS\?", network),
            (r"\+COPS=3,([02])", name_operators),
            (r"\+COPS=.*", lambda: []),
            (r"\+CSQ", lambda: [f"+CSQ: {world['csq']},99"]),
            (r"\+CESQ=\?", lambda: ["+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-34,255),(0-34,255),(0-97,255)"]),
            (r"\+CESQ", signal),
            (r"\+WS46=\?", lambda: ["+WS46: (12,22,25,28,29)"]),
            (r"#REBOOT", self.begin),
            (r"#QSS=\?", lambda: ["#QSS: (0-2)"]),
            (r"#QSS\?", lambda: [f"#QSS: {int(self.tells_of_sim)},{self.sim_state()}"]),
            (r"#QSS=(\d)", tell_of_sim),
            (r"#BND=\?", lambda: [f"#BND: (0),(0),(1-{mask(BANDS)})"]),
            (r"#BND\?", lambda: [f"#BND: 0,0,{self.bands}"]),
            (r"#BND=0,0,(\d+)", lock),
            (r"\+CGDCONT=\?", lambda: [f'+CGDCONT: (1-11),"{family}",,,(0-2),(0-4)' for family in ("IP", "IPV6", "IPV4V6")]),
            (r"\+CGDCONT\?", lambda: [f'+CGDCONT: {number},{context},"",0,0' for number, context in self.contexts.items()]),
            (r"\+CGDCONT=(\d+),(.*)", define),
            (r"\+CGACT\?", lambda: [f"+CGACT: {number},{int(number in self.active)}" for number in self.contexts]),
            (r"\+CGACT=([01]),(\d+)", activate),
            (r"\+CGCONTRDP=(\d+)", settings),
            (r"\+URAT=\?", lambda: ["+URAT: (0-6),(0,2,3)"]),
            (r"\+URAT\?", lambda: ["+URAT: 6,3"]),
            (r"\+UBANDSEL\?", lambda: ["+UBANDSEL: 900,1800,2100,2600"]),
            (r"\+UUSBCONF\?", lambda: ['+UUSBCONF: 2,"ECM",,"0x1143"']),
            (r"\+UBMCONF\?", lambda: [f"+UBMCONF: {1 if world['leases'] else 2}"]),
            (r"\+UIPADDR=(\d+)", lambda number: [f'+UIPADDR: {number},"card","{world["gateway"]}","{world["netmask"]}","",""']),
            (r"\+CSCS\?", lambda: ['+CSCS: "IRA"']),
            (r"\+CSCS=\?", lambda: ['+CSCS: ("IRA","GSM","UCS2")']),
            (r"D\*99(?:\*{3}(\d+))?#", lambda number: self.call(number or "1")),
            (r"\+C(GDCONT|GACT|SCS|MER|GEREP|USD|TZR|TZU)=.*", lambda _: []),
        ]


def main(name):
    modem = Modem()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind("\0" + name)
    server.listen(4)
    os.set_blocking(0, False)
    waiting = selectors.DefaultSelector()
    waiting.register(server, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    buffers, said = {}, b""
    log = open(os.environ["AT_LOG"], "a", buffering=1) if "AT_LOG" in os.environ else None
    print("ready", flush=True)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is server:
                port, _ = server.accept()
                buffers[port] = b""
                waiting.register(port, selectors.EVENT_READ)
            elif key.fileobj == 0:
                more = os.read(0, 4096)
                if not more:
                    return
                *lines, said = (said + more).split(b"\n")
                for out in (out for line in lines for out in modem.become(json.loads(line))):
                    for port in buffers:
                        port.sendall(f"\r\n{out}\r\n".encode())
            else:
                port = key.fileobj
                try:
                    more = port.recv(4096)
                except ConnectionError:
                    more = b""
                if not more:
                    waiting.unregister(port)
                    port.close()
                    del buffers[port]
                    continue
                *lines, buffers[port] = re.split(rb"[\r\n]+", buffers[port] + more)
                for line in lines:
                    answer = modem.answer(line.decode("ascii", "replace"))
                    if log and line:
                        print(line, answer, file=log)
                    for out in answer:
                        port.sendall(f"\r\n{out}\r\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
