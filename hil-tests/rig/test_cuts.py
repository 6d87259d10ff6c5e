"""The power fails at moments that a seed draws; each start after that ends on the air, and nothing of `state` is lost."""

import os
import random

import pytest

pytestmark = pytest.mark.usefixtures("on_the_air")

#: `make rig-cuts CUTS=100 SEED=7`
CUTS, SEED = int(os.environ.get("CUTS", "20")), int(os.environ.get("SEED", "1"))
#: How long a start and an update take at most where nothing else runs: any moment of them may be drawn.
START_S, UPDATE_S = 90, 60


def starts(unit, update, draw):
    unit.power.cut()
    unit.power.on()
    return draw.uniform(0, START_S)


def streams(unit, update, draw):
    return draw.uniform(0, 10)


def is_updated(unit, update, draw):
    begun = update.served.bytes
    unit.run(f"systemd-run --quiet {update.command('next.raucb')}")
    update.served.until(begun + 1)
    return draw.uniform(0, UPDATE_S)


@pytest.mark.parametrize("number", range(CUTS))
def test_the_power_fails_at_any_moment(unit, update, number):
    draw = random.Random(f"{SEED} {number}")
    doing = draw.choice([starts, streams, is_updated])
    moment = doing(unit, update, draw)
    print(f"seed {SEED}, cut {number}: it {doing.__name__} and is cut after {moment:.1f} s")
    unit.let_run(moment)
    unit.power.cut()
    unit.power.on()
    unit.come_back()
    unit.works(unit.slot())
    assert set(unit.boot_states()) == {"A", "B"}
    assert "made anew" not in unit.run("journalctl -b -u bondbox-state -u bondbox-data -o cat --no-pager")
    if doing is is_updated:
        # Two good slots for the next one: an update that was cut off is taken anew.
        update.install("next.raucb")
