"""`falconer-offline`: the walls first, then the command line."""

from __future__ import annotations

from falconer_offline import airgap


def main() -> None:
    """Entry point of the console script. Ends the process with the exit status of docs/offline.md."""
    import sys

    # Before anything is parsed: wherever the word stands. The command line refuses it where it was not meant, on the
    # networks where money is, and with any interface that leads out of the machine.
    airgap.arm(loopback="--emulators" in sys.argv)
    import signal

    from falconer_offline.cli import run

    # end like Ctrl-C: the terminal put back, the worker ended, no half-written file. One that is ignored (nohup) stays so.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    raise SystemExit(run())


if __name__ == "__main__":
    main()
