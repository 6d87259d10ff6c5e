"""A unit takes a good update, refuses what is not for it, and gives up what does not work."""

import pytest

pytestmark = pytest.mark.needs("updates")


def test_a_good_update_fetches_what_differs_starts_and_is_kept(unit, update):
    unit.works(unit.slot())
    fetched = update.served.bytes
    update.install("next.raucb")
    # Most of the root is the same, and is taken from the slot that runs.
    assert update.served.bytes - fetched < 0.4 * update.size("next.raucb"), update.served.bytes - fetched
    unit.restart()
    unit.works("B", "1.0.1-dev")


def test_an_update_that_does_not_come_up_falls_back_to_what_worked(unit, update):
    update.install("no-systemd.raucb")
    started = len(unit.slots_started())
    unit.restart()
    unit.works("B", "1.0.1-dev")
    assert unit.slots_started()[started:] == ["A", "B"], unit.said()


@pytest.mark.long
@pytest.mark.parametrize(
    "bundle, why",
    [
        # The signature is at the end.
        ("truncated", "ignature"),
        ("unsigned", "ignature"),
        ("signed-by-others", "verif"),
        ("other-board", "ompatible"),
        ("older", "Version mismatch"),
    ],
)
def test_what_is_not_for_it_is_refused_and_changes_nothing(unit, update, bundle, why):
    kept = lambda: (unit.run("cat /state/rauc/central.raucs"), unit.boot_states())
    before = kept()
    said = update.refused(f"{bundle}.raucb")
    assert why in said, said
    assert kept() == before


@pytest.mark.long
@pytest.mark.parametrize("bundle", ["panics", "unhealthy"])
def test_an_update_that_fails_later_falls_back_too(unit, update, bundle):
    update.install(f"{bundle}.raucb")
    started = len(unit.slots_started())
    unit.restart()
    unit.works("B", "1.0.1-dev")
    assert unit.slots_started()[started:] == ["A", "B"], unit.said()
    if bundle == "panics":
        assert "Kernel panic" in unit.said()


@pytest.mark.long
def test_after_all_that_a_good_update_is_taken_again(unit, update):
    update.install("next.raucb")
    unit.restart()
    unit.works("A", "1.0.1-dev")
