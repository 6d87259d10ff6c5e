"""Sticks of one kind work side by side, come and go, and nobody in the uplink's settings named them."""

import time

from sticks import until, used_s

#: Datagrams a second: enough that every link is used within a second.
RATE = 200
#: Media goes over a stick again so soon after it has its address.
AGAIN_S = 5
#: All is right so soon after the service is started again …
RIGHT_S = 2
#: … on a machine that does nothing else: it is asked by a program that has to start, too, and each waits for its turn as often as it runs.
MARGIN = 2


def passing(sticks, stick, more=50):
    """Waits until so many datagrams more went through a stick."""
    before = sticks.relays[stick.number].last()["passed"]
    return until(f"datagrams through {stick.name}", lambda: sticks.relays[stick.number].last()["passed"] >= before + more)


def on_the_air(sticks):
    sticks.start_modems()
    for stick in sticks.all:
        sticks.plug(stick)
    sticks.start_bond()
    sink = sticks.helper(sticks.far, "sink")
    source = sticks.helper(sticks.unit, "source", RATE)
    until("datagrams at the far end", lambda: sink.last()["came"] > RATE)
    return source, sink


def all_came(sink, after):
    """Everything that was sent before now has come, from the first that came on."""
    until("the last of it", lambda: sink.last()["last"] > after)
    assert sink.last()["missing"] == [], sink.last()


def test_four_sticks_carry_two_of_them_twins_that_lease_one_address(sticks):
    source, sink = on_the_air(sticks)
    for stick in sticks.all:
        passing(sticks, stick)
        assert sticks.relays[stick.number].last()["clients"] > 0
    twins = [sticks.link(stick) for stick in sticks.all[:2]]
    assert [link["addresses"] for link in twins] == [["192.168.8.100"]] * 2
    # By the address of its own port: both of them may ask at any time.
    for stick in sticks.all[:2]:
        assert f"lladdr {stick.mac}" in sticks.asks_for_the_unit(stick), stick.name
    until("all links ready", lambda: [sticks.link(stick).get("state") for stick in sticks.all] == ["Ready"] * 4)
    assert len({tuple(link["colour"]) for link in sticks.state()["links"]}) == 4
    all_came(sink, source.last()["sent"])


def test_a_stick_that_is_pulled_and_plugged_in_again_costs_nothing(sticks):
    source, sink = on_the_air(sticks)
    for stick in sticks.all:
        passing(sticks, stick)
    twin, other = sticks.all[1], sticks.all[2]
    for stick in [twin, other]:
        sticks.unplug(stick)
        until(f"{stick.name} is gone", lambda stick=stick: sticks.link(stick).get("state") == "Gone")
        passing(sticks, sticks.all[0])
        sticks.plug(stick, lease=False)
        until("no address", lambda stick=stick: sticks.link(stick).get("state") == "NoAddress")
        sticks.lease(stick)
        took = passing(sticks, stick, 1)
        print(f"{stick.name} carries {took:.1f} s after its address")
        assert took < AGAIN_S
        passing(sticks, stick)
    all_came(sink, source.last()["sent"])


def test_the_modem_service_may_die_and_come_back_under_a_stream(sticks):
    source, sink = on_the_air(sticks)
    for stick in sticks.all:
        passing(sticks, stick)
    sticks.kill("bondbox-modems")
    # Links stay without it.
    for stick in sticks.all:
        passing(sticks, stick)
    sticks.start_modems()
    took = until("all links again", lambda: [sticks.link(stick).get("state") for stick in sticks.all] == ["Ready"] * 4)
    print(f"all is right {took:.1f} s after its start")
    assert took < RIGHT_S * MARGIN
    all_came(sink, source.last()["sent"])


def test_a_stick_that_leads_nowhere_is_found_and_said(sticks):
    source, sink = on_the_air(sticks)
    stick = sticks.all[3]
    passing(sticks, stick)
    # It leases addresses on, and lets nothing pass.
    sticks.relays[stick.number].process.kill()
    until("no way out", lambda: sticks.link(stick).get("state") == "NoWayOut")
    assert sticks.link(sticks.all[0])["state"] == "Ready"
    all_came(sink, source.last()["sent"])


def share(sticks, stick, seconds=5):
    """Of all that goes through the sticks, what goes through this one."""
    before = {number: relay.last()["passed"] for number, relay in sticks.relays.items()}
    time.sleep(seconds)
    passed = {number: relay.last()["passed"] - before[number] for number, relay in sticks.relays.items()}
    return passed[stick.number] / sum(passed.values())


def test_a_stick_over_its_plan_costs_more_and_is_left_alone_until_its_plan_grows(sticks):
    source, sink = on_the_air(sticks)
    for stick in sticks.all:
        passing(sticks, stick)
    stick = sticks.all[2]
    card = f"port:{stick.name}"
    data = lambda: next(data for data in sticks.state()["data"] if data["iccid"] == card)  # noqa: E731
    assert sticks.command("used", card, "0") == "Kept"
    # A megabyte, which what goes over the stick is more than after some seconds.
    assert sticks.command("plan", card, "1") == "Kept"
    assert not data()["over"] and sticks.link(stick)["usage"]["cost"] == 0
    before = share(sticks, stick)
    until("it is over its plan", lambda: data()["over"])
    until("it costs more", lambda: sticks.link(stick)["usage"]["cost"] == 4)
    until("it is left alone", lambda: share(sticks, stick, 2) < before / 3)
    after = share(sticks, stick)
    print(f"of what all sticks carry {100 * before:.0f} % goes over it within its plan, and {100 * after:.0f} % over it")
    assert after < before / 3
    assert sticks.command("plan", card, "1000000") == "Kept"
    # Whether the bond needs it again is the bond's to say.
    until("it costs no more than the others", lambda: sticks.link(stick)["usage"]["cost"] == 0)
    assert sticks.link(stick)["usage"]["cost"] == 0
    all_came(sink, source.last()["sent"])


def test_an_idle_service_does_next_to_nothing(sticks):
    sticks.start_modems()
    for stick in sticks.all:
        sticks.plug(stick)
    until("all links", lambda: [sticks.link(stick).get("state") for stick in sticks.all] == ["Ready"] * 4)
    time.sleep(1)
    pid = sticks.processes["bondbox-modems"].pid
    start = used_s(pid)
    time.sleep(20)
    assert used_s(pid) - start < 0.2, "one per cent of a core"
