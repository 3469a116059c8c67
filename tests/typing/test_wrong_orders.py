"""Wrong orders of the steps do not type-check: mypy itself says so, line by line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT

LINES = Path(__file__).with_name("wrong_orders.py")
MARK = "# must fail"


def test_mypy_refuses_exactly_the_marked_lines(tmp_path: Path):
    expected = {number for number, line in enumerate(LINES.read_text().splitlines(), 1) if MARK in line}
    assert len(expected) >= 14
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(tmp_path), str(LINES)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = {int(number) for number in re.findall(r"wrong_orders\.py:(\d+): error:", done.stdout)}
    assert found == expected, done.stdout + done.stderr
    elsewhere = [
        line for line in done.stdout.splitlines() if "error:" in line and "wrong_orders.py" not in line
    ]
    assert elsewhere == []
