"""A unit that belongs to no gateway: the code on its label is typed at one, and its key is held."""

import json

import pytest
from patience import until


@pytest.mark.long
@pytest.mark.needs("panel")
def test_its_key_and_the_code_on_its_label_pair_it_with_a_gateway_that_has_not_seen_it(unit, gateway, panel):
    unit.marked_good()
    code = unit.run("bondbox-uplink claim")
    # What each start does: the uplink may read the record.
    unit.run("/usr/libexec/bondbox/state")
    # In place: the file itself is mounted where the service reads it.
    settings = "/state/settings/uplink.toml"
    unit.run(f'kept=$(grep -v gateway_key {settings}) && echo "$kept" >{settings} && systemctl restart bondbox-uplink')
    gateway.forget_units()
    panel.means("NotPaired")
    assert code not in unit.run("cat /state/factory")

    session = lambda: json.loads(unit.run("bondboxctl --json uplink status"))["session"]
    panel.select.hold(4)
    until(session, lambda: session() == "Pairing")
    gateway.let_in("van 3", code.replace("-", " ").lower())
    gateway.flows(units=20, links=len(unit.plugged))
    panel.means("OnAir")
    last = panel.state()["last"]
    assert (last["action"], last["failure"]) == ("Pair", None)
    assert [named["name"] for named in gateway.members()["units"]] == ["van 3"]

    # Both remember it.
    unit.run("systemctl restart bondbox-uplink")
    gateway.stop()
    gateway.start()
    gateway.flows(units=20, links=len(unit.plugged))
    refused = unit.try_run("bondboxctl uplink pair")
    assert refused[0] != 0 and "unpair it first" in refused[1], refused
