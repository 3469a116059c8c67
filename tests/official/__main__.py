"""See `ledger.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.official import ledger, page
from tests.official.parts import PARTS


def main(arguments: list[str]) -> int:
    shared = os.environ.get("FALCONER_VECTORS") or Path(__file__).resolve().parents[3] / "shared"
    lines = [line for part in PARTS for line in ledger.measure(part, Path(shared) / "vectors")]
    if "--write" in arguments:
        ledger.write(lines)
        page.PATH.write_text(page.page(lines))
        return 0
    for line in lines:
        sys.stdout.write(f"{line.outcome:13} {line.count:5}  {line.reason:36} {line.file} ({line.part})\n")
    return 0 if lines == ledger.read() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
