"""The walls around the process, put up before anything else is imported.

In order:

1. an audit hook that refuses sockets and child processes. Python has no call that removes one. It is a
   tripwire against mistakes in what we import, and no sandbox: native code passes it (`socketpair` does too,
   and leads nowhere);
2. a note of the interfaces that are up where the program was started: the command line refuses to go on when
   one of them leads out of the machine;
3. an empty network namespace of our own, where the kernel allows one: the wall that native code does not pass
   either;
4. no core dumps, no `ptrace` by other processes of the same user, no new privileges. Files are private by
   default from the start.

Only `sys` is imported before the hook is installed; nothing of `falconer_shared` is imported here, so that no
import can come first.
"""

from __future__ import annotations

import sys

_REFUSED_EVENTS = frozenset(
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
"""Audit events by which CPython announces a child process."""


class AirGapViolation(PermissionError):
    """Something in this process tried to open a socket or to start a program: a mistake in code, never a
    person's.

    An `OSError`, so that a library that merely looks for a helper program goes on without it.
    """


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in _REFUSED_EVENTS or event.startswith("socket."):
        if event == "subprocess.Popen" and _permitted is not None and _same_launch(arguments, _permitted):
            return
        raise AirGapViolation(f"the offline program refuses {event}")


_permitted: tuple[tuple[str, ...], dict[str, str]] | None = None
_launches_closed = False


def _same_launch(arguments: tuple[object, ...], permitted: tuple[tuple[str, ...], dict[str, str]]) -> bool:
    """Whether what is about to be started (program, arguments, directory, environment) is exactly what was announced."""
    program, command, directory, environment = arguments
    wanted, wanted_environment = permitted
    return (
        program == wanted[0]
        and isinstance(command, list)
        and tuple(command) == wanted
        and directory is None
        and environment == wanted_environment
    )


def permit(command: tuple[str, ...] | None, environment: dict[str, str]) -> None:
    """Let the next launch of exactly this command pass; None ends that. For `worker.py` alone."""
    global _permitted  # noqa: PLW0603 - the hook takes no arguments of ours
    _permitted = None if command is None or _launches_closed else (command, dict(environment))


def close_launches() -> None:
    """Let no process be started any more, for as long as this one lives: from here on it may hold a Bitcoin secret."""
    global _launches_closed, _permitted  # noqa: PLW0603 - see above; nothing opens it again
    _launches_closed = True
    _permitted = None


def arm(*, loopback: bool = False) -> None:
    """Put up all four walls; with `loopback` all but the third, so that a worker can reach an emulator on this very
    machine. The hook, and the refusal of interfaces that lead elsewhere, stand all the same.

    Safe to call twice; the second call changes nothing.
    """
    global _before, _own_namespace, _loopback  # noqa: PLW0603 - what the process was born with can only be noted once
    if _before is not None:
        return
    _loopback = loopback
    sys.addaudithook(_refuse)
    import os  # noqa: PLC0415 - after the hook, as everything else

    # Every file that this process makes is for its user alone, whatever flags a library passes to open().
    os.umask(0o077)
    _before = interfaces_up()
    _own_namespace = False if loopback else _leave_network()
    _forbid_dumps()


_before: tuple[str, ...] | None = None
_own_namespace = False
_loopback = False


def found_at_start() -> tuple[str, ...]:
    """The interfaces that were up in the namespace in which the program was started."""
    if _before is None:
        raise RuntimeError("arm() comes first")
    return _before


def has_loopback() -> bool:
    """Whether the third wall was left out, for emulators."""
    return _loopback


def has_own_namespace() -> bool:
    """Whether the process sits in a network namespace that it made itself and that holds no interface."""
    return _own_namespace


_PROC_NET = "/proc/self/net"
"""Of this process's namespace. /sys/class/net would show the namespace in which /sys was mounted."""


def interfaces_up(directory: str = _PROC_NET) -> tuple[str, ...]:
    """Names of the interfaces other than loopback that are up, without opening a socket.

    `/proc/net/dev` lists every interface and does not say which are up. An interface joins the all-hosts
    group when it is brought up, and leaves it when it is taken down, so it stands in `/proc/net/igmp` exactly
    while it is up; addresses and routes are looked at too, for kernels without multicast. Where none of this
    can be read, every listed interface counts as up.
    """
    listed = {line.split(":", 1)[0].strip() for line in _lines(directory, "dev") or () if ":" in line}
    others = listed - {"lo"}
    if not others:
        # Nothing to see is different from nothing there: without a list there is no proof of isolation.
        return () if "lo" in listed else ("unknown: /proc/net/dev cannot be read",)
    groups = _lines(directory, "igmp")
    if groups is None:
        return tuple(sorted(others))
    live = {
        fields[1]
        for line in groups
        if line[:1].isdigit() and len(fields := line.replace(":", " ").split()) > 1
    }
    live |= {line.split()[0] for line in (_lines(directory, "route") or ())[1:] if line.split()}
    live |= {line.split()[-1] for line in _lines(directory, "if_inet6") or () if line.split()}
    return tuple(sorted(others & live))


def _lines(directory: str, name: str) -> list[str] | None:
    try:
        with open(f"{directory}/{name}", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - pathlib is 5 ms
            return file.read(1 << 20).splitlines()
    except OSError:
        return None


_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_MCL_CURRENT = 1
_MCL_FUTURE = 2


def _leave_network() -> bool:
    """Move this process into an empty network namespace; False where the kernel does not allow it."""
    import ctypes  # noqa: PLC0415
    import os  # noqa: PLC0415

    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWNET) != 0:
        # Without the privilege, a user namespace of our own grants it (Linux 3.8). It maps this user and nobody else.
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
            return False
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            try:
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                    file.write(text)
            except OSError:
                # Without a map files belong to nobody and cannot be made, which the state will say; the wall stands.
                return not interfaces_up()
    # The kernel is believed by what it shows, not by the status of a call.
    return not interfaces_up()


def _forbid_dumps() -> None:
    """Secrets reach no core file, and no other process of this user may attach (after the maps: they need
    /proc/self).
    """
    import ctypes  # noqa: PLC0415
    import resource  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def lock_memory() -> bool:
    """Keep every page of this process in RAM from now on; False where the kernel does not allow it.

    Called before the first secret is read. Not tried with a limit in force: the kernel would then refuse
    later allocations, and a signing session would end in the middle.
    """
    import ctypes  # noqa: PLC0415
    import os  # noqa: PLC0415
    import resource  # noqa: PLC0415

    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return False
    return bool(ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0)


def swap_areas(path: str = "/proc/swaps") -> tuple[str, ...]:
    """Swap areas in use that could carry memory to a disk. Compressed RAM (zram) does not, unless it has a
    backing device.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123
            rows = file.read(1 << 16).splitlines()[1:]
    except FileNotFoundError:
        return ()  # a kernel without swap has no such file
    names = tuple(row.split()[0] for row in rows if row.split())
    return tuple(name for name in names if not _is_plain_zram(name))


def _is_plain_zram(name: str) -> bool:
    device = name.rsplit("/", 1)[-1]
    if not device.startswith("zram"):
        return False
    try:
        with open(f"/sys/block/{device}/backing_dev", encoding="ascii") as file:  # noqa: PTH123
            return file.read(64).strip() == "none"
    except FileNotFoundError:
        return True  # built without write-back
