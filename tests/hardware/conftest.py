from __future__ import annotations

from pathlib import Path

import pytest

from tests.hardware.recordings import FOLDER


@pytest.fixture(scope="session")
def recordings(vectors: Path) -> Path:
    """The folder of recordings."""
    folder = vectors / FOLDER
    if not folder.is_dir():
        pytest.skip(f"no recordings of devices in {folder}: set FALCONER_VECTORS")
    return folder
