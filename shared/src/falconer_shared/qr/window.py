"""The process that shows codes in a window: `python -I -m falconer_shared.qr.window`.

Started by a program's launcher with pipes at both ends. A request is a length (4 bytes, big endian), how long
to show it (2 bytes, milliseconds) and a PNG of ours; an answer is one byte: the key that was pressed meanwhile, 0
for none, 255 when the person closed the window. It puts up the walls of the process that reads pictures, but for
the display, which it reaches by a socket of the file system.
"""

from __future__ import annotations

import sys

from falconer_shared.qr.worker import arm

NAME = "Falconer"
MAX_PNG = 1 << 20


def main() -> int:
    """Show pictures until there are no more. Exit status 0; 3 where OpenCV was built without windows."""
    arm()
    import os  # noqa: PLC0415

    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    from falconer_shared.qr import client, scan  # noqa: PLC0415

    try:
        show = scan.window(NAME)
    except OSError:
        answers.write(bytes((client.WINDOW_UNAVAILABLE,)))
        answers.flush()
        return 3
    while len(head := requests.read(6)) == 6:
        size, milliseconds = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
        if size > MAX_PNG:
            return 2
        answers.write(bytes((show(requests.read(size), milliseconds),)))
        answers.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
