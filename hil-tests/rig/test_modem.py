"""A modem whose bearer ModemManager connects: from its plug to the gateway, and what becomes of it."""

import pytest
from mobile import Mobile
from patience import until

pytestmark = [pytest.mark.long, pytest.mark.needs("modem")]

#: The bond's links with it.
ALL = 3


@pytest.fixture(scope="module")
def mobile(unit, tmp_path_factory):
    made = Mobile(unit, tmp_path_factory.mktemp("mobile"))
    made.plug()
    yield made
    made.unplug()
    made.close()


@pytest.fixture
def on_the_air(gateway, mobile):
    """It carries, as well as it can."""
    mobile.become(rsrp=-85, rsrq=-9)
    mobile.way("delay 0")
    mobile.becomes("Connected")
    gateway.flows(units=10, links=ALL)
    return mobile


def radio(gateway):
    """What the unit tells the gateway of its radio."""
    links = (gateway.status().get("telemetry") or {}).get("links", [])
    return next((link.get("radio") for link in links if link["name"] == Mobile.NAME), None) or {}


def counted(gateway):
    """What the gateway says of its link."""
    return next(link for link in gateway.status()["links"] if link["name"] == Mobile.NAME)


def test_its_bearer_has_the_addresses_that_its_network_gave(mobile):
    modem = mobile.becomes("Connected")
    assert modem["link"] == mobile.NAME and modem["network"]["technologies"] == ["LTE"], modem
    link = until(lambda: f"it is ready, but {mobile.link()}", lambda: (link := mobile.link()).get("state") == "Ready" and link)
    assert link["kind"] == "Modem" and link["addresses"] == ["10.0.2.15"] and link["iccid"] == modem["sim"]["iccid"], link
    # Nobody leases it one beside.
    assert not mobile.is_leased()
    assert f"default via 10.0.2.2 dev {mobile.NAME}" in mobile.routes()


def test_what_the_bond_sends_over_it_arrives_and_is_counted(gateway, on_the_air):
    before, lost = on_the_air.carried(), gateway.lost()
    gateway.flows(units=60, links=ALL)
    until(lambda: f"a rate, but {counted(gateway)}", lambda: counted(gateway)["rate_bps"] > 0)
    after = on_the_air.carried()
    assert after["sent"] > before["sent"] + 1000 and after["received"] > before["received"], (before, after)
    assert gateway.lost() == lost, gateway.status()


def test_its_signal_falls_and_the_gateway_knows(gateway, on_the_air):
    heard = lambda: [radio(gateway).get(what) for what in ("rsrp_dbm", "rsrq_db")]
    until(lambda: f"its signal, but {heard()}", lambda: heard() == [-85, -9])
    well = radio(gateway)["health"]
    on_the_air.become(rsrp=-118, rsrq=-18)
    until(lambda: f"it has fallen, but {radio(gateway)}", lambda: radio(gateway).get("rsrp_dbm") == -118)
    until(lambda: f"less than {well}, but {radio(gateway)}", lambda: radio(gateway)["health"] <= well - 10)


def test_the_bond_leaves_it_when_its_way_is_bad_and_loses_nothing(gateway, on_the_air):
    lost = gateway.lost()
    on_the_air.way("delay 300ms 50ms loss 30%")
    until(lambda: f"a loss, but {counted(gateway)}", lambda: counted(gateway)["loss_percent"] > 5)
    gateway.flows(units=60)
    assert counted(gateway)["share_percent"] < 10, gateway.status()["links"]
    assert gateway.lost() == lost, gateway.status()


def test_it_is_pulled_under_the_stream_and_plugged_in_again(gateway, on_the_air):
    lost = gateway.lost()
    on_the_air.unplug()
    on_the_air.becomes("Gone")
    assert on_the_air.link()["state"] == "Gone"
    gateway.flows(units=30, links=ALL - 1)
    on_the_air.plug()
    on_the_air.becomes("Connected")
    gateway.flows(units=30, links=ALL)
    assert gateway.lost() == lost, gateway.status()


def test_one_whose_network_leases_an_address_is_leased_one_and_carries(gateway, on_the_air):
    lost = gateway.lost()
    on_the_air.replug(leases=True)
    gateway.flows(units=30, links=ALL)
    before = on_the_air.carried()
    gateway.flows(units=30, links=ALL)
    assert on_the_air.carried()["sent"] > before["sent"], before
    assert on_the_air.is_leased()
    assert f"default via 10.0.2.2 dev {Mobile.NAME} proto dhcp" in on_the_air.routes()
    on_the_air.replug(leases=False)
    gateway.flows(units=30, links=ALL)
    assert not on_the_air.is_leased()
    assert gateway.lost() == lost, gateway.status()


def test_its_port_is_switched_by_the_service_and_nobody_else(unit, on_the_air, example):
    # By the groups of its files: the service is not root.
    switch = f"{example('ports')} {Mobile.NAME}"
    user = "setpriv --clear-groups --regid={0} --reuid={0}"
    code, said = unit.try_run(f"{user.format('bondbox-capture')} {switch}")
    assert code != 0 and "Permission denied" in said, said
    said = unit.run(f"{user.format('bondbox-modems')} {switch}")
    assert "let go of and taken again" in said and "without power, and with it again" in said, said
    on_the_air.becomes("Connected")


def test_one_that_hangs_is_let_go_of_and_comes_back(gateway, on_the_air):
    lost = gateway.lost()
    on_the_air.hang()
    # Cheaper steps come first, and none of them helps: it takes minutes. ModemManager may give it up meanwhile, and then that is why.
    steps = lambda: on_the_air.modem().get("recovery") or {}
    step = lambda name: until(lambda: f"{name}, but {steps()}", lambda: steps().get("last") == name and steps(), patience_s=600)
    assert "nothing was acknowledged" in step("Reconnect")["reason"]
    step("Authorize")
    on_the_air.becomes("Connected")
    gateway.flows(units=30, links=ALL)
    assert gateway.lost() == lost, gateway.status()


def test_one_that_modemmanager_does_not_find_is_let_go_of_and_comes_back(gateway, on_the_air):
    on_the_air.unplug()
    on_the_air.becomes("Gone")
    on_the_air.become(hangs=True)
    on_the_air.plug()
    # ModemManager has its time for it, and the ladder waits, too.
    found = lambda: on_the_air.modem().get("state") == "Connected"
    until(lambda: f"it is connected, but {on_the_air.link()} and {on_the_air.modem()}", found, patience_s=600)
    assert "does not find" in on_the_air.modem()["recovery"]["reason"], on_the_air.modem()
    gateway.flows(units=30, links=ALL)
