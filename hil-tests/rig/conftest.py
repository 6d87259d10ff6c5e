import contextlib
import os
import subprocess
from pathlib import Path

import pytest
import unit as machine
from served import Served

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def original():
    machine.folder().mkdir(parents=True, exist_ok=True)
    return machine.build(machine.folder().resolve())


@pytest.fixture
def disk(original, tmp_path):
    return machine.Disk.copy(original, tmp_path / "disk.img")


@pytest.fixture(scope="session")
def binaries():
    """Where the gateway is, which runs outside of the unit."""
    return Path(os.environ["BINARIES"]).resolve()


@contextlib.contextmanager
def a_unit(binaries, folder, **more):
    """A unit that nobody has set up, with all that is outside of it."""
    import environments
    import gateway
    import update

    yaml = HERE / (os.environ.get("RIG_YAML") or "qemu.yaml")
    # make says IMAGE= where it was told none.
    image = os.environ.get("IMAGE") or None
    with environments.unit_of(yaml, folder / "unit", image and Path(image), **more) as built:
        listen = built.option("listen", "127.0.0.1")
        built.gateway = gateway.Gateway(folder / "gateway", binaries, listen)
        built.update = update.Update(built, machine.folder().resolve() / "updates")
        try:
            yield built
        finally:
            built.gateway.stop()
            built.update.served.stop()


@pytest.fixture(scope="session")
def unit(binaries, tmp_path_factory):
    """A unit that is set up, switched on, and on the air."""
    with a_unit(binaries, tmp_path_factory.mktemp("unit")) as built:
        built.set_up()
        built.power.on()
        yield built


@pytest.fixture(name="gateway")
def gateway_outside(unit):
    return unit.gateway


@pytest.fixture
def update(unit):
    return unit.update


@pytest.fixture
def on_the_air(unit):
    """Each test begins with a unit that works from either slot, this one first, and ends with one that works."""
    unit.come_back()
    unit.marked_good()
    unit.run("rauc status mark-good other && rauc status mark-active booted")
    yield
    unit.works(unit.slot())


@pytest.fixture
def modem(unit):
    return unit.modem


@pytest.fixture
def panel(unit):
    return unit.panel


@pytest.fixture
def battery(unit):
    return unit.battery


@pytest.fixture
def example(unit, binaries, tmp_path):
    """Brings an example of one of our crates into the unit, and gives the command that runs it: code of the unit's by itself."""
    served = Served(tmp_path, unit.option("listen", "127.0.0.1"))
    unit.run("mkdir -p /run/example && mount -t tmpfs example /run/example")

    def bring(name):
        subprocess.run(["strip", "-o", tmp_path / name, binaries / "examples" / name], check=True)
        path = f"/run/example/{name}"
        unit.run(f"busybox wget -q -O {path} http://{unit.outside}:{served.port}/{name} && chmod +x {path}", timeout=300)
        return path

    yield bring
    unit.run("umount /run/example")
    served.stop()


@pytest.fixture(autouse=True)
def needs(request):
    """Skips tests that need what this rig lacks: `@pytest.mark.needs("usb")`."""
    mark = request.node.get_closest_marker("needs")
    if mark is None:
        return
    missing = set(mark.args) - request.getfixturevalue("unit").features
    if missing:
        pytest.skip(f"this rig has no {', '.join(sorted(missing))}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the unit says about itself goes with each failure."""
    report = (yield).get_result()
    unit = item.funcargs.get("unit") if report.when == "call" and report.failed else None
    if unit is not None:
        report.sections.append(("unit", unit.diagnosis()))


#: What is played on a second unit, where there are two: files that take about as long as all others.
OF_THE_SECOND = os.environ.get("SECOND", "").split()


@pytest.hookimpl(hookwrapper=True)
def pytest_collection_modifyitems(items):
    """One unit's tests go to one worker, in their order: each finds the unit as those before it left it."""
    # A wrapper comes before xdist, which looks at the marks.
    for item in items:
        second = item.path.name in OF_THE_SECOND
        item.add_marker(pytest.mark.xdist_group("second" if second else "first"))
    yield


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(feature, ...): what the rig must have")
    config.addinivalue_line("markers", "long: not in the short run")
    config.addinivalue_line("markers", "xdist_group(name): played by one worker, in order")
