"""Real ModemManager and an emulated modem: whatever happens to either is seen, and said."""

import pytest
from manager import PORT, Bench, until


@pytest.fixture
def bench(tmp_path, binaries):
    made = Bench(tmp_path, binaries)
    yield made
    made.close()


def becomes(bench, state):
    return until(f"the modem is {state}", lambda: bench.modem().get("state") == state)


def on_the_air(bench, **world):
    bench.start_manager()
    bench.plug(**world)
    bench.start_modems()


def rsrp(bench):
    return (bench.modem().get("radio") or {}).get("rsrp_tenth_dbm")


def test_a_modem_appears_and_its_signal_arrives_and_changes(bench):
    on_the_air(bench, rsrp=-95, rsrq=-10)
    becomes(bench, "Registered")
    until("its signal", lambda: rsrp(bench) == -950)
    modem = bench.modem()
    assert modem["radio"]["rsrq_tenth_db"] == -100
    assert modem["model"] == "Bondbox Emulated modem"
    assert modem["sim"]["iccid"] == "8949000000000000014"
    assert modem["network"]["technologies"] == ["LTE"]
    bench.become(rsrp=-117, rsrq=-15)
    until("the signal has fallen", lambda: rsrp(bench) == -1170)
    assert bench.state()["manager"]


def test_a_bearer_that_needs_ppp_is_refused_by_name(bench):
    on_the_air(bench)
    becomes(bench, "Registered")
    until("PPP is named", lambda: "PPP" in (bench.modem().get("reason") or ""))
    assert bench.asked("ATD") == 1, "no other attempt changes that"


def test_a_sim_asks_for_its_pin_until_somebody_enters_it(bench):
    on_the_air(bench, pin="4711")
    becomes(bench, "Locked")
    until("the reason", lambda: bench.modem()["reason"] == "the SIM asks for its PIN")
    assert "Pin" in bench.modem()["sim"]["lock"]
    bench.kill("bondbox-modems")
    bench.keep(pin="4711")
    bench.start_modems()
    becomes(bench, "Registered")
    assert bench.modem()["sim"]["lock"] == "None"


def test_a_wrong_pin_is_tried_once(bench):
    bench.keep(pin="0000")
    on_the_air(bench, pin="4711")
    until("it was refused", lambda: "did not take its PIN" in (bench.modem().get("reason") or ""))
    assert bench.asked("AT+CPIN=") == 1


def test_without_a_sim_it_says_so(bench):
    on_the_air(bench, sim=False)
    becomes(bench, "Failed")
    until("the reason", lambda: bench.modem()["reason"] == "no SIM")


def test_a_modem_that_vanishes_in_a_call_is_said_and_comes_back(bench):
    # It takes the call and never says whether it is through. That its line is gone shows in what ModemManager says of the call;
    # that it was pulled would come from udev, which is not here, and shows when ModemManager next starts.
    on_the_air(bench, silent_call=True)
    until("the call", lambda: bench.asked("ATD") == 1)
    bench.kill("modem")
    until("the call has failed", lambda: bench.modem().get("reason"))
    bench.kill("ModemManager")
    bench.start_manager()
    until("ModemManager is known", lambda: bench.state()["manager"])
    assert bench.modem()["state"] == "Gone"
    bench.plug(rsrp=-80)
    becomes(bench, "Registered")
    until("its signal", lambda: rsrp(bench) == -800)


def test_modemmanager_may_be_killed_and_come_back(bench):
    on_the_air(bench)
    becomes(bench, "Registered")
    bench.kill("ModemManager")
    until("no manager", lambda: bench.state()["manager"] is None)
    becomes(bench, "Gone")
    bench.start_manager()
    becomes(bench, "Registered")
    until("its signal", lambda: rsrp(bench) == -950)
    assert bench.modem()["port"] == PORT


def test_without_modemmanager_links_are_served_all_the_same(bench):
    bench.start_modems()
    assert bench.state()["manager"] is None
