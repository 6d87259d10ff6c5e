import pytest
import unit


@pytest.fixture(scope="session")
def original():
    unit.folder().mkdir(parents=True, exist_ok=True)
    return unit.build(unit.folder().resolve())


@pytest.fixture
def disk(original, tmp_path):
    return unit.Disk(original, tmp_path / "disk.img")
