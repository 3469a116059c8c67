"""What is shipped, as syntax trees: for cases that hold by how the programs are built."""

from __future__ import annotations

import ast
from functools import cache

from tests.conftest import PROJECT


@cache
def shipped() -> dict[str, ast.Module]:
    """Every module of the three packages, by its name below `src`."""
    found = {}
    for place in ("shared", "online", "offline"):
        source = PROJECT / place / "src"
        for path in sorted(source.rglob("*.py")):
            found[path.relative_to(source).as_posix()] = ast.parse(path.read_text(), path.name)
    assert len(found) > 150
    return found
