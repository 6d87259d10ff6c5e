"""GRUB's part of the boot chain, played from grub.cfg itself: whatever the environment holds, a slot starts."""

import itertools
from pathlib import Path

import grub
import pytest

GRUB_CFG = (Path(__file__).parents[2] / "board/qemu/grub.cfg").read_text()
SLOTS = {"2": "A", "3": "B"}
BOTH = list(SLOTS)
#: What RAUC and GRUB write.
ENVIRONMENTS = [
    dict(zip(["ORDER", "A_OK", "A_TRY", "B_OK", "B_TRY"], values))
    for values in itertools.product(["A B", "B A"], ["0", "1"], ["0", "1"], ["0", "1"], ["0", "1"])
]
GOOD = {"ORDER": "A B", "A_OK": "1", "A_TRY": "0", "B_OK": "1", "B_TRY": "0"}


def starts(environment: dict[str, str], count: int, kernels=BOTH, kept=True) -> str:
    """The slots of so many starts in a row, of which none proves itself; `-` where nothing starts."""
    begun = ""
    for _ in range(count):
        number, after = grub.choose(GRUB_CFG, environment, kernels)
        environment = after if kept else environment
        begun += SLOTS.get(number, "-")
    return begun


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda told: "-".join(told.values()).replace(" ", ""))
def test_every_slot_that_is_good_has_its_turn_and_where_none_is_both_have(environment):
    good = {slot for slot in "AB" if environment[f"{slot}_OK"] == "1"} or {"A", "B"}
    assert set(starts(environment, 3)) == good


def test_a_slot_that_is_being_written_is_left_alone_while_the_other_is_good():
    assert starts({"ORDER": "B A", "A_OK": "0", "A_TRY": "0", "B_OK": "1", "B_TRY": "0"}, 4) == "BBBB"


@pytest.mark.parametrize("environment", [{}, {**GOOD, "ORDER": "C"}, {**GOOD, "A_OK": "x", "B_OK": ""}], ids=["lost", "no-order", "garbled"])
def test_without_an_environment_a_slot_starts(environment):
    assert starts(environment, 1) == "A"


@pytest.mark.parametrize("kept", [True, False], ids=["written", "not-written"])
def test_what_cannot_be_loaded_gives_way_in_the_same_start(kept):
    assert starts(GOOD, 3, kernels=["3"], kept=kept) == "BBB"
    # It is loaded and fails later: then it is the counter that the other needs.
    assert starts(GOOD, 3) == "ABA"


def test_where_neither_can_be_loaded_it_restarts_and_tries_again():
    assert starts(GOOD, 2, kernels=[]) == "--"
