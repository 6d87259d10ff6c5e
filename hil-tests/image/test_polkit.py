"""What polkit's rules let whom do, run by a JavaScript engine as polkit runs them."""

import json

import pytest
from tree import OVERLAY, run

RULES = sorted((OVERLAY / "usr/share/polkit-1/rules.d").glob("*.rules"))
#: As polkit does: the first rule that says something counts.
ENGINE = """
const rules = [];
const polkit = { Result: { YES: "yes", NO: "no" }, addRule: (rule) => rules.push(rule) };
%s
const [user, id, details] = JSON.parse(process.argv[1]);
const action = { id, lookup: (name) => details[name] };
console.log(rules.reduce((said, rule) => said || rule(action, { user }), null));
"""
LOGIN = "org.freedesktop.login1"
UNITS = "org.freedesktop.systemd1.manage-units"
RESET = {"unit": "bondbox-factory-reset.service", "verb": "start"}


def lets(user: str, action: str, **details: str) -> bool:
    script = ENGINE % "\n".join(path.read_text() for path in RULES)
    return run("node", "-e", script, json.dumps([user, action, details])).strip() == "yes"


@pytest.mark.parametrize(
    ("user", "action", "details"),
    [
        ("bondbox-panel", f"{LOGIN}.power-off", {}),
        ("bondbox-panel", f"{LOGIN}.power-off-multiple-sessions", {}),
        ("bondbox-panel", UNITS, RESET),
        ("bondbox-ota", f"{LOGIN}.reboot", {}),
        ("bondbox-modems", UNITS, {"unit": "bondbox-lease@usb1-1.2.service", "verb": "start"}),
        ("bondbox-modems", UNITS, {"unit": "bondbox-link@wwan0.service", "verb": "start"}),
        ("bondbox-modems", "org.freedesktop.ModemManager1.Device.Control", {}),
    ],
)
def test_a_service_may_do_what_it_is_for(user, action, details):
    assert lets(user, action, **details)
    assert not lets("bondbox-capture", action, **details)


@pytest.mark.parametrize(
    ("action", "details"),
    [
        (f"{LOGIN}.reboot", {}),
        (f"{LOGIN}.power-off-ignore-inhibit", {}),
        (UNITS, {"unit": "bondbox-factory-reset.service", "verb": "stop"}),
        (UNITS, {"unit": "bondbox-capture.service", "verb": "start"}),
        (UNITS, {}),
        ("org.freedesktop.systemd1.manage-unit-files", RESET),
    ],
)
def test_the_panel_may_do_nothing_else(action, details):
    assert not lets("bondbox-panel", action, **details)


@pytest.mark.parametrize("unit", ["bondbox-lease@usb1-1.socket", "bondbox-lease.service", "bondbox-capture@x.service"])
def test_modems_may_start_links_only(unit):
    assert not lets("bondbox-modems", UNITS, unit=unit, verb="start")
