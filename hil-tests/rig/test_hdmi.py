"""A signal that is lost costs the picture, and nothing else."""

import pytest
from patience import until

pytestmark = [pytest.mark.long, pytest.mark.needs("hdmi")]


@pytest.fixture
def hdmi(unit):
    unit.hdmi.plug_in()
    unit.captures(unit.hdmi.DEVICE)
    yield unit.hdmi
    unit.captures("test")


def test_a_slate_takes_its_place_until_it_is_back_in_the_same_session(unit, gateway, hdmi):
    said = lambda: unit.run("journalctl -b -u bondbox-capture -o cat --no-pager")
    gateway.flows(units=20, links=2)
    session = gateway.status()["session"]
    lost, back = (said().count(word) for word in ("the source is lost", "the source is back"))
    hdmi.lose()
    until(said, lambda: said().count("the source is lost") > lost)
    gateway.flows(units=20, links=2)
    hdmi.come_back()
    until(said, lambda: said().count("the source is back") > back)
    gateway.flows(units=20, links=2)
    assert gateway.status()["session"] == session
