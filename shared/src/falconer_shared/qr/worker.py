"""The process that reads pictures: `python -I -m falconer_shared.qr.worker READER CAMERA PREVIEW`.

Started by a program's launcher with pipes at both ends (`client` has the wire format). Before any library is
loaded it puts up walls of its own: an audit hook against sockets and further processes (it inherits none from
the program that started it), no new privileges, no core dump, no file larger than zero bytes, 2 GiB of
addresses, a network namespace without interfaces where the kernel allows one. It gets pictures and gives
texts, and holds no secret. It ends when its standard input ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

_REFUSED = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "pty.spawn",
    }
)

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_ADDRESS_SPACE = 2 << 30
"""Bytes: the libraries take 0.3 GiB of addresses, and the largest picture that is opened some copies of 48
MB.
"""


def _refuse(event: str, _arguments: tuple[object, ...]) -> None:
    if event in _REFUSED or event.startswith("socket."):
        raise PermissionError(f"the process that reads pictures refuses {event}")


def arm() -> None:
    """Put up the walls. Cannot be undone in this process."""
    sys.addaudithook(_refuse)
    import ctypes  # noqa: PLC0415 - after the hook, as everything else
    import resource  # noqa: PLC0415

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # may fail: then the namespace is the parent's
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))


def main() -> int:
    """Answer requests until there are no more. Exit status 0; 2 for a wrong command line."""
    arm()
    import os  # noqa: PLC0415

    from falconer_shared.qr import client  # noqa: PLC0415

    if len(sys.argv) != 4 or sys.argv[1] not in client.READERS or not sys.argv[3].isdecimal():
        return 2
    # Whatever a library prints must not get between the answers.
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    answer = _prepare(sys.argv[1], sys.argv[2], min(int(sys.argv[3]), client.MAX_PREVIEW))
    while len(head := requests.read(4)) == 4:
        size = int.from_bytes(head, "big")
        if size > client.MAX_IMAGE:
            return 2
        image = requests.read(size)
        if len(image) != size:
            break
        answers.write(answer(image))
        answers.flush()
    return 0


def _prepare(reader_name: str, seen: str, preview: int) -> Callable[[bytes], bytes]:
    """The function from a request to its answer. What is missing on this machine is said at every request,
    and not by dying.
    """
    from falconer_shared.qr import client  # noqa: PLC0415

    try:
        from falconer_shared.qr import scan  # noqa: PLC0415

        read = scan.reader(reader_name)
    except (ImportError, OSError):
        return lambda _: bytes((client.READER_MISSING,))
    try:
        source = scan.source(seen)
    except scan.NotAnImage:
        return lambda _: bytes((client.NOT_A_VIDEO,))
    except OSError:
        return lambda _: bytes((client.CAMERA_MISSING,))

    def answer(image: bytes) -> bytes:
        try:
            if image:
                picture = scan.open_image(image)
            elif source is None:
                return bytes((client.NO_CAMERA_ASKED,))
            else:
                picture = source.look()
        except scan.NotAnImage:
            return bytes((client.NOT_AN_IMAGE,))
        except scan.TooLarge:
            return bytes((client.IMAGE_TOO_LARGE,))
        except scan.Ended:
            return bytes((client.VIDEO_ENDED,))
        except OSError:
            return bytes((client.CAMERA_MISSING,))
        found = [code for code in read(picture) if len(code.text) <= client.MAX_CODE][: client.MAX_CODES]
        return b"".join(
            (
                bytes((client.OK,)),
                len(found).to_bytes(2, "big"),
                *(len(code.text).to_bytes(2, "big") + code.text for code in found),
                scan.preview(picture, found, preview) if preview else b"\0\0",
            )
        )

    return answer


if __name__ == "__main__":
    raise SystemExit(main())
