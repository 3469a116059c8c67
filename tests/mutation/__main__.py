"""`python -m tests.mutation COMMAND`: see the package."""

from __future__ import annotations

import argparse
import sys

from tests.mutation import __doc__ as package


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=package,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("kills", "score", "check"))
    parser.add_argument("paths", nargs="*", help="tests to use (default: those that are likely to tell)")
    parser.add_argument(
        "--id", action="append", default=[], help="kills: this refusal alone (again and again)"
    )
    parser.add_argument(
        "--module", action="append", default=[], help="score: this module alone (again and again)"
    )
    parser.add_argument("--all", action="store_true", help="score: try again what is known, too")
    parser.add_argument(
        "-m", dest="expression", default="not slow and not node", help="which tests, as pytest's -m"
    )
    options = parser.parse_intermixed_args()
    from tests.mutation import kills, score

    if options.command == "check":
        problems = [*kills.problems(), *score.problems()]
        print(*problems, sep="\n")
        return 1 if problems else 0
    if options.command == "kills":
        return kills.run(options.paths, options.expression, options.id)
    return score.run(options.module, options.paths, options.expression, everything=options.all)


if __name__ == "__main__":
    sys.exit(main())
