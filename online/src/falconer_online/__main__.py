"""The program `falconer`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end with its exit status."""
    import signal

    from falconer_online.cli.root import run

    # end like Ctrl-C: the terminal put back, the worker ended, no half-written file. One that is ignored (nohup) stays so.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
