"""The way through an encoder in hardware, as the kernel plays one."""

import pytest

pytestmark = [pytest.mark.long, pytest.mark.needs("encoder")]


@pytest.fixture
def program(unit, example):
    """The unit's own encoder code (hal/encoder/examples/stateful.rs): no service would use an encoder of this codec."""
    unit.run("modprobe vicodec")
    yield f"GST_REGISTRY=/run/example/registry {example('stateful')}"
    unit.run("rmmod vicodec || true")


def test_a_stateful_encoder_is_tried_out_streamed_through_drained_and_opened_again(unit, program):
    code, said = unit.try_run(program, timeout=600)
    assert code == 0, said


def test_one_that_is_not_there_is_refused_by_name(unit, program):
    unit.run("rmmod vicodec")
    code, said = unit.try_run(program, timeout=300)
    assert code == 1 and "GStreamer has no element v4l2fwhtenc" in said, said
