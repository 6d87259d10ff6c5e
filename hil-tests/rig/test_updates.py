"""A unit takes a good update, and gives up a broken one."""


def test_an_update_fetches_what_differs_starts_and_is_kept(unit, gateway, update):
    fetched = update.served.bytes
    update.install("next.raucb")
    # Most of the root is the same, and is taken from the slot that runs.
    assert update.served.bytes - fetched < 0.6 * update.size("next.raucb"), update.served.bytes - fetched
    unit.restart()
    assert (unit.slot(), unit.version()) == ("B", "1.0.1-dev")
    unit.marked_good()
    gateway.flows(units=20, links=2)


def test_a_broken_update_falls_back_to_what_worked(unit, gateway, update):
    update.install("broken.raucb")
    started = len(unit.slots_started())
    unit.restart()
    assert unit.slots_started()[started:] == ["A", "B"], unit.said()
    assert (unit.slot(), unit.version()) == ("B", "1.0.1-dev")
    unit.marked_good()
    gateway.flows(units=20, links=2)
