"""Fingers on the front panel, its lights, and the battery behind them."""

import json
import re

import pytest
from kernel_plays import Gauge
from patience import until


@pytest.mark.needs("panel")
def test_a_button_stops_the_stream_and_starts_it_and_lights_say_so(unit, gateway, panel):
    unit.marked_good()
    panel.means("OnAir")
    assert [panel.air.shows(), panel.link.shows(), panel.power.shows()] == ["lit", "lit", "lit"]
    # A click is no stop.
    panel.start.press()
    gateway.flows(units=10)
    panel.start.hold(3)
    panel.means("Ready")
    assert [panel.air.shows(), panel.link.shows(), panel.power.shows()] == ["dark", "lit", "lit"]
    stopped = gateway.delivered()
    assert panel.state()["last"]["action"] == "Stop" and panel.state()["last"]["failure"] is None
    panel.start.press()
    panel.means("OnAir")
    gateway.flows(units=10)
    assert gateway.delivered() > stopped


@pytest.mark.needs("panel")
def test_a_selftest_leaves_the_air_alone_and_off_it_lights_each_light(unit, gateway, panel):
    def results():
        # It fails where one thing does; what each says is looked at here.
        checks = json.loads(unit.run("bondboxctl --json selftest || true"))
        return {check["what"]: check["result"] for check in checks}

    unit.marked_good()
    panel.means("OnAir")
    on_air = results()
    assert {on_air[what] for what in ("lights", "keys")} == {"skipped"}
    assert {on_air[what] for what in ("root", "/state", "/data", "gateway", "picture", "camera")} == {"works"}
    panel.means("OnAir")
    panel.start.hold(3)
    panel.means("Ready")
    off_air = results()
    assert {off_air[f"light {name}"] for name in ("air", "link", "power")} == {"works"}
    assert off_air["camera"] == "works"
    panel.means("Ready")
    panel.start.press()
    panel.means("OnAir")
    gateway.flows(units=10)


@pytest.mark.needs("gauge")
def test_gauges_on_a_bus_keep_the_contract_of_the_made_up_ones(unit, example):
    code, said = unit.try_run(example("chips"), timeout=300)
    assert code == 0 and "keeps the contract" in said and "leaves the kernel's alone" in said, said


@pytest.mark.needs("panel", "battery", "gauge")
def test_devices_that_the_kernel_drives_keep_the_contract_of_the_made_up_ones(unit, panel, example):
    devices = example("devices")
    # Its lines, its battery and its fan are in the service's hands.
    unit.run("systemctl stop bondbox-panel")
    code, said = unit.try_run(devices, timeout=300)
    unit.run("systemctl start bondbox-panel")
    assert code == 0 and len(re.findall(r"^.* keeps? the contract.*$", said, re.M)) == 7, said
    panel.means("OnAir")


@pytest.fixture
def gauge(unit):
    played = Gauge(unit)
    played.plug(millivolts=3700, permille=875)
    unit.wires(f'gauge = "max17040"\ngauge_bus = "{played.BUS}"\ngauge_every_ms = 1000')
    yield played
    unit.wires()
    played.unplug()


@pytest.mark.needs("gauge")
def test_a_gauge_without_a_driver_is_read_and_named_while_it_is_gone(panel, gauge):
    battery = lambda: panel.state()["battery"] or {}
    charge = lambda permille: until(lambda: f"{permille}: {panel.state()}", lambda: battery().get("charge_permille") == permille)
    failure = lambda: {device["kind"]: device["failure"] for device in panel.state()["devices"]}["battery"]
    charge(875)
    assert failure() is None
    panel.means("OnAir")
    gauge.holds(millivolts=3450, permille=120)
    panel.means("LowBattery")
    gauge.unplug()
    until(lambda: f"it is gone: {panel.state()}", lambda: not battery())
    assert failure() == f"Max17040 at 0x36 on {gauge.BUS}: No such file or directory (os error 2)"
    gauge.plug(millivolts=3700, permille=875)
    charge(875)
    assert failure() is None
    panel.means("OnAir")


@pytest.mark.long
@pytest.mark.needs("battery", "power")
def test_an_empty_battery_is_said_and_ends_in_power_off(unit, gateway, panel, battery):
    slot = unit.slot()
    battery.mains(False)
    battery.set(17)
    # As near as a gauge comes to it, above the warning.
    until("the pack is read", lambda: 15 < (panel.charge() or 0) < 20)
    panel.means("OnAir")
    battery.set(12)
    panel.means("LowBattery")
    assert panel.air.shows() == "lit" and panel.power.shows() == "blinks"
    gateway.flows(units=10)
    battery.set(4)
    # It is said before it is done.
    panel.means("PoweringOff")
    unit.power.goes_off()
    assert gateway.ended_cleanly()
    unit.power.on()
    unit.works(slot)
