"""Measure every worst case, and print the table: `.venv/bin/python -m tests.bounds [PART OF A NAME]`."""

from __future__ import annotations

import sys

from tests.bounds.cases import CASES
from tests.bounds.measure import measure


def main() -> int:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    wrong = 0
    print(f"{'case':72} {'bytes':>9} {'CPU s':>6} {'RSS before':>10} {'peak RSS':>9}  verdict")
    for found in measure(name for name in CASES if wanted in name):
        mark = "" if found.verdict == found.wanted else f"  (not {found.wanted})"
        wrong += bool(mark)
        print(
            f"{found.name:72} {found.size:>9,} {found.seconds:>6.2f} {found.base >> 20:>6} MiB {found.peak >> 20:>5} MiB"
            f"  {found.verdict}{mark}",
            flush=True,
        )
    return min(wrong, 100)


if __name__ == "__main__":
    sys.exit(main())
