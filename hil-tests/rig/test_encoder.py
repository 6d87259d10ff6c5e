"""The way through an encoder in hardware, as the kernel plays one."""

import subprocess

import pytest
from served import Served

pytestmark = [pytest.mark.long, pytest.mark.needs("encoder")]


@pytest.fixture
def program(unit, binaries, tmp_path):
    """The unit's own encoder code, by itself (hal/encoder/examples/stateful.rs): no service would use an encoder of this codec."""
    subprocess.run(["strip", "-o", tmp_path / "stateful", binaries / "examples" / "stateful"], check=True)
    served = Served(tmp_path)
    unit.run("mkdir -p /run/encoder && mount -t tmpfs encoder /run/encoder && modprobe vicodec")
    unit.run(f"busybox wget -q -O /run/encoder/stateful http://10.0.2.2:{served.port}/stateful && chmod +x /run/encoder/stateful", timeout=300)
    yield "GST_REGISTRY=/run/encoder/registry /run/encoder/stateful"
    unit.run("rmmod vicodec; umount /run/encoder")
    served.stop()


def test_a_stateful_encoder_is_tried_out_streamed_through_drained_and_opened_again(unit, program):
    code, said = unit.try_run(program, timeout=600)
    assert code == 0, said


def test_one_that_is_not_there_is_refused_by_name(unit, program):
    unit.run("rmmod vicodec")
    code, said = unit.try_run(program, timeout=300)
    assert code == 1 and "GStreamer has no element v4l2fwhtenc" in said, said
