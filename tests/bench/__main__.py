"""`python -m tests.bench`: the tables of `tests.bench.signing`."""

from __future__ import annotations

from tests.bench.signing import main

if __name__ == "__main__":
    main()
