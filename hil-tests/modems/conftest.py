import os
from pathlib import Path

import pytest
import sticks as network


@pytest.fixture(scope="session")
def binaries():
    """Where the programs are that `cargo build` made."""
    return Path(os.environ["BINARIES"]).resolve()


@pytest.fixture
def sticks(tmp_path, binaries):
    made = network.Sticks(tmp_path, binaries)
    yield made
    made.close()
