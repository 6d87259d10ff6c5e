"""Real ModemManager and an emulated modem: whatever happens to either is seen, and said."""

import time

import pytest
from manager import OTHER, PORT, Bench, until


@pytest.fixture
def bench(tmp_path, binaries):
    made = Bench(tmp_path, binaries)
    yield made
    made.close()


def becomes(bench, state, port=PORT):
    return until(f"the modem is {state}", lambda: bench.modem(port).get("state") == state)


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
    until("its cell", lambda: bench.modem()["network"]["cell"] == {"id": 0x01C3D4E5, "area": 0x1A2B})
    bench.become(rsrp=-117, rsrq=-15)
    until("the signal has fallen", lambda: rsrp(bench) == -1170)
    assert bench.state()["manager"]


def test_a_bearer_that_needs_ppp_is_refused_by_name(bench):
    on_the_air(bench)
    becomes(bench, "Registered")
    until("PPP is named", lambda: "PPP" in (bench.modem().get("reason") or ""))
    assert bench.asked("ATD") == 1, "no other attempt changes that"


def contexts(bench):
    """The families of addresses that it was told to call for."""
    return [said.split('"')[1] for said in bench.told("AT+CGDCONT=") if '"' in said]


def test_both_families_are_asked_for_and_ipv4_where_a_network_refuses_that(bench):
    on_the_air(bench)
    until("a call", lambda: bench.asked("ATD") == 1)
    assert contexts(bench) == ["IPV4V6"]
    # It may have taken the call by now, which carries nothing and ends.
    bench.kill("bondbox-modems")
    bench.become(takes=["IP"])
    bench.start_modems()
    until("the network takes a call", lambda: "PPP" in (bench.modem().get("reason") or ""))
    assert contexts(bench)[-1] == "IP"
    assert bench.asked("ATD") == 3, "both were refused once, and IPv4 was taken"


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


def test_a_pin_is_entered_by_command_and_a_wrong_one_is_said_to_be_wrong(bench):
    on_the_air(bench, pin="4711")
    becomes(bench, "Locked")
    said = bench.command("pin", PORT, "0000")
    assert "modems: no effect seen: " in said and "ncorrect" in said, said
    assert bench.asked("AT+CPIN=") == 1 and bench.modem()["state"] == "Locked"
    assert bench.command("pin", PORT, "4711") == "Unlocked"
    assert bench.modem()["sim"]["lock"] == "None"
    becomes(bench, "Registered")


def test_without_a_sim_it_says_so(bench):
    on_the_air(bench, sim=False)
    becomes(bench, "Failed")
    until("the reason", lambda: bench.modem()["reason"] == "no SIM")


def test_a_sim_that_is_pulled_is_missed_and_one_that_is_put_back_is_used(bench):
    # Telit's plugin hears of it (AT#QSS). It roams, where the service does not connect it: PPP would be in the way.
    bench.start_manager()
    bench.plug(plugin="telit", roaming=True)
    bench.start_modems()
    becomes(bench, "Registered")
    bench.become(sim=False)
    becomes(bench, "Failed")
    until("the reason", lambda: bench.modem()["reason"] == "no SIM")
    assert bench.modem()["sim"] is None
    bench.become(sim=True)
    becomes(bench, "Registered")
    assert bench.modem()["sim"]["iccid"] == "8949000000000000014"


def test_a_modem_that_is_reset_by_command_is_back_when_it_is_there_again(bench):
    bench.start_manager()
    bench.plug(plugin="telit", roaming=True)
    bench.start_modems()
    becomes(bench, "Registered")
    asked = bench.begin_command("recover", PORT, "reset")
    until("it was told", lambda: bench.asked("AT#REBOOT") == 1)
    until("it is counted", lambda: bench.modem()["recovery"]["last"] == "Reset")
    # That it went and came back would come from udev, which is not here.
    bench.kill(PORT)
    bench.kill("ModemManager")
    bench.start_manager()
    until("ModemManager is known", lambda: bench.state()["manager"])
    assert asked.poll() is None, "it is not back yet"
    bench.plug(plugin="telit", roaming=True)
    assert bench.answer(asked)["Back"]["after_ms"] > 0
    becomes(bench, "Registered")


def test_a_modem_that_vanishes_in_a_call_is_said_and_comes_back(bench):
    # It takes the call and never says whether it is through. That its line is gone shows in what ModemManager says of the call;
    # that it was pulled would come from udev, which is not here, and shows when ModemManager next starts.
    on_the_air(bench, silent_call=True)
    until("the call", lambda: bench.asked("ATD") == 1)
    bench.kill(PORT)
    until("the call has failed", lambda: bench.modem().get("reason"))
    bench.kill("ModemManager")
    bench.start_manager()
    until("ModemManager is known", lambda: bench.state()["manager"])
    assert bench.modem()["state"] == "Gone"
    bench.plug(rsrp=-80)
    becomes(bench, "Registered")
    until("its signal", lambda: rsrp(bench) == -800)


def test_a_modem_that_hangs_in_a_call_is_said_and_the_other_goes_on_and_it_comes_back(bench):
    # It takes the call, and answers nothing any more from then on; ModemManager waits for each answer in vain before it gives up.
    on_the_air(bench, silent_call=True)
    bench.plug(OTHER, imei="490154203237526", roaming=True)
    becomes(bench, "Registered", OTHER)
    until("the call", lambda: bench.asked("ATD") == 1)
    bench.become(hangs=True)
    for rsrp_dbm in (-101, -107):
        bench.become(OTHER, rsrp=rsrp_dbm)
        until("the other's signal", lambda dbm=rsrp_dbm: bench.modem(OTHER)["radio"]["rsrp_tenth_dbm"] == 10 * dbm, 5)
    assert bench.command("name", OTHER, "right", "--colour", "0072b2") == "Kept"
    assert bench.modem()["state"] == "Connecting", "it may yet answer"
    until("it is said", lambda: bench.modem().get("reason") or bench.modem()["state"] in ("Failed", "Gone"), 300)
    # What it said of its radio before is no word of today.
    until("its signal is none", lambda: rsrp(bench) is None, 120)
    assert bench.modem(OTHER)["radio"]["rsrp_tenth_dbm"] == -1070
    # Somebody plugs it in again. That would come from udev, which is not here, and shows when ModemManager next starts.
    bench.kill(PORT)
    bench.kill("ModemManager")
    bench.start_manager()
    bench.plug(rsrp=-80)
    becomes(bench, "Registered")
    until("its signal", lambda: rsrp(bench) == -800)


def test_a_reading_that_does_not_change_is_confirmed_and_its_age_is_shown(bench):
    on_the_air(bench, roaming=True)
    until("its signal", lambda: rsrp(bench) == -950)
    shown = lambda: bench.words()  # noqa: E731
    until("it is twelve seconds old", lambda: "-95 dBm 12 s ago" in shown(), 40)
    until("it is confirmed", lambda: "-95 dBm 1 s ago" in shown() or "-95 dBm 0 s ago" in shown(), 10)


#: What a service that does nothing may take of a core …
IDLE = 0.01
#: … over so long.
WATCHED_S = 30


def test_a_service_whose_modems_signals_move_does_next_to_nothing(bench):
    on_the_air(bench, roaming=True)
    bench.plug(OTHER, imei="490154203237526", roaming=True)
    for port in (PORT, OTHER):
        until("its signal", lambda port=port: (bench.modem(port).get("radio") or {}).get("rsrp_tenth_dbm") == -950)
    used, start = bench.used_s("bondbox-modems"), time.monotonic()
    for second in range(WATCHED_S):
        for port in (PORT, OTHER):
            bench.become(port, rsrp=-80 - second)
        time.sleep(max(0, start + second + 1 - time.monotonic()))
    share = (bench.used_s("bondbox-modems") - used) / (time.monotonic() - start)
    print(f"bondbox-modems takes {100 * share:.2f} % of a core with two modems whose signals move each second")
    moved = [bench.modem(port)["radio"]["rsrp_tenth_dbm"] for port in (PORT, OTHER)]
    assert all(dbm < -1_050 for dbm in moved), moved
    assert share < IDLE


#: Those of GSM stay with each, and those of LTE are spread.
ALL, FIRST, SECOND = ([{"Legacy": band} for band in (1, 2, 5)] + [{"Lte": band} for band in bands] for bands in ([3, 7, 20], [3, 20], [7]))


def two_that_lock_bands(bench, **second):
    # Telit's plugin: it locks bands over AT. They roam, where the service does not connect them: PPP would be in the way.
    bench.start_manager()
    bench.plug(plugin="telit", roaming=True)
    bench.plug(OTHER, plugin="telit", roaming=True, imei="490154203237526", **second)
    bench.start_modems()
    for port in (PORT, OTHER):
        becomes(bench, "Registered", port)
        until("its bands", lambda: bench.modem(port)["bands_allowed"] == ALL)


def locks(bench):
    return [bench.modem(port)["bands_allowed"] for port in (PORT, OTHER)]


def test_two_modems_of_one_operator_get_bands_of_their_own(bench):
    two_that_lock_bands(bench)
    assert bench.command("spread") == {"Spread": [[PORT, FIRST], [OTHER, SECOND]]}
    assert locks(bench) == [FIRST, SECOND]
    assert [bench.modem(port)["state"] for port in (PORT, OTHER)] == ["Registered"] * 2
    told = bench.asked("AT#BND=0")
    assert bench.command("spread") == {"Spread": [[PORT, FIRST], [OTHER, SECOND]]}
    assert bench.asked("AT#BND=0") == told, "whoever asks again changes nothing"


def test_bands_are_locked_by_command_and_given_back(bench):
    bench.start_manager()
    bench.plug(plugin="telit", roaming=True)
    bench.start_modems()
    becomes(bench, "Registered")
    until("its bands", lambda: bench.modem()["bands_allowed"] == ALL)
    assert bench.command("lock", PORT, *"legacy1 legacy2 legacy5 B7".split()) == {"Bands": SECOND}
    assert bench.modem()["bands_allowed"] == SECOND and bench.told("AT#BND=0")[-1].endswith(",64")
    assert 'invalid: bands is [Lte(8)], must be some of' in bench.command("lock", PORT, "B8")
    bench.become(refuses_bands=True)
    said = bench.command("lock", PORT)
    assert "modems: no effect seen: " in said, said
    bench.become(refuses_bands=False)
    assert bench.command("lock", PORT) == {"Bands": ALL}
    assert bench.modem()["bands_allowed"] == ALL


def test_a_modem_that_refuses_its_bands_sends_the_other_back_to_its_old_ones(bench):
    two_that_lock_bands(bench, refuses_bands=True)
    said = bench.command("spread")
    assert f"{OTHER}: refused (" in said and "every modem has the bands that it had" in said
    assert locks(bench) == [ALL, ALL]
    assert bench.state()["counters"]["spreads_failed"] == 1


def test_a_modem_that_is_not_heard_on_its_bands_sends_both_back_to_their_old_ones(bench):
    two_that_lock_bands(bench, served_on=[20])
    said = bench.command("spread")
    assert f"{OTHER}: no network took it in with them; every modem has the bands that it had" in said
    assert locks(bench) == [ALL, ALL]
    becomes(bench, "Registered", OTHER)


def test_bands_are_not_spread_where_none_can_be_and_that_is_said(bench):
    # The generic plugin knows no bands.
    on_the_air(bench)
    becomes(bench, "Registered")
    assert bench.modem()["bands"] == []
    assert "no two modems are served by one operator" in bench.command("spread")


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
