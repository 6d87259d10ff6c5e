"""A whole unit, made of the files of the image: it starts, streams, and keeps streaming."""

import re

import pytest

#: Who may listen, and where: names are resolved on the unit itself.
LISTENERS = {"127.0.0.53:53", "127.0.0.54:53"}


def test_it_comes_up_with_no_failed_unit(unit):
    _, state = unit.try_run("systemctl is-system-running --wait", timeout=300)
    assert state == "running"
    # Two minutes of each start, where something asks for it and no link is there.
    _, waits = unit.try_run("systemctl is-active network-online.target")
    assert waits == "inactive"


def test_it_works_by_its_own_judgement_and_is_marked_good(unit):
    unit.marked_good()
    assert unit.boot_states()["A"] == "good"


def test_its_root_is_read_only_and_verified(unit):
    mounted = unit.run("findmnt -no SOURCE,FSTYPE,OPTIONS /").split()
    assert mounted[:2] == ["/dev/mapper/root", "squashfs"] and mounted[2].startswith("ro"), mounted
    code, said = unit.try_run("touch /etc/written")
    assert code != 0 and "Read-only" in said
    status = unit.run("veritysetup status root")
    assert re.search(r"type:\s+VERITY", status) and re.search(r"status:\s+verified", status), status
    assert "restart_on_corruption" in unit.run("dmsetup table root || veritysetup status root"), status


def test_nothing_listens_but_the_resolver_on_the_unit_itself(unit):
    found = set(unit.run("ss -Hlntu | awk '{ print $5 }'").split())
    # DHCP's answers come to the interface that asked.
    outside = {place for place in found - LISTENERS if not re.fullmatch(r"(?!0\.0\.0\.0)[\d.]+(%[\w.-]+)?:68", place)}
    assert not outside, found
    rules = unit.run("nft list chain inet bondbox input")
    assert "policy drop" in rules, rules


#: Somebody at the other end of an interface of that name, who asks for what the unit's page would be.
NEIGHBOUR = (
    "ip netns add {0} && ip link add {0} type veth peer name eth0 netns {0} && udevadm settle && sleep 1 && "
    "ip address add {1}.1/24 dev {0} && ip link set {0} up && ip -n {0} address add {1}.2/24 dev eth0 && ip -n {0} link set eth0 up"
)
ASKS = "ip netns exec {0} busybox wget -T 10 -q -O - http://{1}.1/os-release"


def test_who_is_inside_reaches_the_page_and_who_is_outside_does_not(unit):
    unit.run("systemd-run --quiet --unit=page busybox httpd -f -p 80 -h /usr/lib")
    neighbours = {"ap0": "192.168.77", "eth9": "192.168.78"}
    for neighbour in neighbours.items():
        unit.run(NEIGHBOUR.format(*neighbour))
    code, page = unit.try_run(ASKS.format("ap0", neighbours["ap0"]))
    assert code == 0 and "ID=bondbox" in page, page
    # Its way there works: what is closed is the port.
    unit.run(f"ip netns exec eth9 busybox ping -c 1 -W 10 {neighbours['eth9']}.1")
    code, page = unit.try_run(ASKS.format("eth9", neighbours["eth9"]))
    assert code != 0 and not page.count("ID=bondbox"), page
    # What leads outside leases an address and has routes of its own, what leads inside has not.
    assert unit.run("networkctl --no-legend list eth9").split()[-1] != "unmanaged"
    assert unit.run("networkctl --no-legend list ap0").split()[-1] == "unmanaged"
    for name in neighbours:
        unit.run(f"ip link delete {name} && ip netns delete {name}")
    unit.run("systemctl stop page")


def test_nobody_but_root_and_the_update_service_reaches_rauc(unit):
    ask = "busctl call de.pengutronix.rauc / org.freedesktop.DBus.Peer Ping"
    unit.run(ask, timeout=300)
    unit.run(f"setpriv --reuid=bondbox-ota --clear-groups {ask}")
    code, said = unit.try_run(f"setpriv --reuid=bondbox-capture --clear-groups {ask}")
    assert code != 0 and "ccess denied" in said, said


def test_its_stream_reaches_the_gateway_over_all_links_and_loses_nothing(unit, gateway):
    # What was on its way while the links joined may be late.
    gateway.flows(units=20, links=2)
    lost = gateway.lost()
    status = gateway.flows(units=40, links=2)
    assert status["totals"]["lost"] == lost, status


@pytest.mark.needs("usb")
def test_nothing_is_lost_when_sticks_are_pulled_one_after_the_other(unit, gateway, modem):
    gateway.flows(units=20, links=2)
    lost = gateway.lost()
    for stick in modem:
        stick.unplug()
        gateway.flows(units=30, links=1)
        stick.plug()
        gateway.flows(units=20, links=2)
    assert gateway.lost() == lost, gateway.status()

