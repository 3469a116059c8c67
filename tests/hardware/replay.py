"""Plays devices from recordings: what a host sends has to be what was recorded, byte by byte, and gets what was answered.

    python -m tests.hardware.replay --outcome FILE FOLDER NAME... -- COMMAND...

enters a network namespace of its own (start it through `unshare -rn`), plays the recordings there on the ports that HWI
has fixed, and becomes COMMAND. When that ends, FILE says what became of each device: `{"left": entries not used,
"mismatch": null or what came instead}`. Recordings of one device are played one after another, different devices side by
side. A recording that ends with the host's words is a device that goes away.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

LEDGER = ("127.0.0.1", 9999)
TREZOR = {"main": ("127.0.0.1", 21324), "debug": ("127.0.0.1", 21325)}
COLDCARD = "/tmp/ckcc-simulator.sock"

TREZOR_INITIALIZE = bytes.fromhex("3f23230000")
"""How Trezor's message 0 begins, which opens a session or resumes one."""

Out = tuple[str, bytes]
"""Channel and message to the host."""


class UnexpectedMessageError(Exception):
    """The host sent something else than was recorded."""


class Script(Protocol):
    """What a device says to what it hears."""

    def hear(self, channel: str, message: bytes) -> list[Out]: ...

    @property
    def left(self) -> int: ...


class Recorded:
    """In the order of the recording: on each channel the host says its messages in their order, and the device speaks as
    soon as all has been heard that was heard before it spoke.
    """

    def __init__(self, entries: Sequence[dict[str, str]]) -> None:
        self._expected: dict[str, list[bytes]] = {}
        self._answers: list[tuple[Counter[str], Out]] = []
        before: Counter[str] = Counter()
        for entry in entries:
            channel, message = entry.get("ch", "main"), bytes.fromhex(entry["hex"])
            if entry["dir"] == "host":
                self._expected.setdefault(channel, []).append(message)
                before[channel] += 1
            else:
                self._answers.append((before.copy(), (channel, message)))
        self._heard: Counter[str] = Counter()
        self._told = 0

    def hear(self, channel: str, message: bytes) -> list[Out]:
        expected = self._expected.get(channel, [])
        number = self._heard[channel]
        if number >= len(expected):
            raise UnexpectedMessageError(f"one message too many on {channel}: {message.hex()}")
        if message != expected[number]:
            raise UnexpectedMessageError(
                f"message {number} on {channel} is {message.hex()}, recorded {expected[number].hex()}"
            )
        self._heard[channel] += 1
        return list(self._due())

    def _due(self) -> Iterator[Out]:
        while self._told < len(self._answers) and self._answers[self._told][0] <= self._heard:
            yield self._answers[self._told][1]
            self._told += 1

    @property
    def left(self) -> int:
        return sum(map(len, self._expected.values())) - self._heard.total() + len(self._answers) - self._told


class Remembered:
    """By heart: each message gets what it got in the recording, in any order and as often as it comes. For questions that
    change nothing, which our program asks one at a time and HWI asked in a row.
    """

    def __init__(self, entries: Sequence[dict[str, str]]) -> None:
        self._answers: dict[Out, list[Out]] = {}
        latest: list[Out] = []
        for entry in entries:
            out = (entry.get("ch", "main"), bytes.fromhex(entry["hex"]))
            if entry["dir"] == "host":
                latest = self._answers.setdefault(out, [])
                latest.clear()
            else:
                latest.append(out)
        # HWI resumed one session for its questions in a row; ours each open their own
        self._unheard = {out for out in self._answers if not out[1].startswith(TREZOR_INITIALIZE)}

    def hear(self, channel: str, message: bytes) -> list[Out]:
        if (channel, message) not in self._answers:
            raise UnexpectedMessageError(f"never recorded on {channel}: {message.hex()}")
        self._unheard.discard((channel, message))
        return self._answers[channel, message]

    @property
    def left(self) -> int:
        return len(self._unheard)


@dataclass
class Player:
    """One device on its ports."""

    script: Script
    selector: selectors.BaseSelector
    mismatch: str | None = None
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    peers: dict[str, Any] = field(default_factory=dict)

    def hear(self, channel: str, message: bytes) -> list[Out]:
        """What it answers; nothing any more after a mismatch, so that the host notices."""
        if self.mismatch is not None:
            return []
        try:
            return self.script.hear(channel, message)
        except UnexpectedMessageError as problem:
            self.mismatch = str(problem)
            return []


class Ledger(Player):
    """Speculos' protocol: a length of 4 bytes before each message, which to the host leaves out the 2 bytes of status."""

    def open(self) -> None:
        listener = socket.create_server(LEDGER)
        self.selector.register(listener, selectors.EVENT_READ, self._accept)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        self.selector.register(connection, selectors.EVENT_READ, self._message)

    def _message(self, connection: socket.socket) -> None:
        header = _exactly(connection, 4)
        body = _exactly(connection, struct.unpack(">I", header)[0]) if header else b""
        answers = self.hear("main", body) if body else []
        if not answers:
            # the host hung up, or the device goes away
            self.selector.unregister(connection)
            connection.close()
            return
        for _, answer in answers:
            connection.sendall(struct.pack(">I", len(answer) - 2) + answer)


class Datagrams(Player):
    """One datagram, one message."""

    def open_at(self, family: socket.AddressFamily, names: dict[str, Any]) -> None:
        for channel, name in names.items():
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.bind(name)
            self.sockets[channel] = made
            self.selector.register(
                made, selectors.EVENT_READ, lambda ready, channel=channel: self._message(ready, channel)
            )

    def _message(self, ready: socket.socket, channel: str) -> None:
        message, self.peers[channel] = ready.recvfrom(65536)
        for out, answer in self.hear(channel, message):
            # the other end may be gone already
            with suppress(OSError):
                self.sockets[out].sendto(answer, self.peers[out])


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        try:
            more = connection.recv(size - len(data))
        except ConnectionError:
            return b""
        if not more:
            return b""
        data += more
    return data


def _players(folder: Path, names: Sequence[str], selector: selectors.BaseSelector) -> dict[str, Player]:
    entries: dict[str, list[dict[str, str]]] = {}
    by_heart = False
    for name in names:
        document = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        entries.setdefault(document["device"], []).extend(document["transcript"])
        by_heart |= name.endswith("-getdescriptors")
    players: dict[str, Player] = {}
    for device, found in entries.items():
        script = Remembered(found) if by_heart else Recorded(found)
        if device == "ledger":
            players[device] = ledger = Ledger(script, selector)
            ledger.open()
            continue
        players[device] = other = Datagrams(script, selector)
        if device == "trezor":
            other.open_at(socket.AF_INET, TREZOR)
        else:
            _forget_stale(COLDCARD)
            other.open_at(socket.AF_UNIX, {"main": COLDCARD})
    return players


def _forget_stale(name: str) -> None:
    """Take away the name of a simulator that is gone; one that listens is left alone, and binding then fails."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            Path(name).unlink()
        except FileNotFoundError:
            return


class _EndedError(Exception):
    """Whoever was played to has ended."""


def _end(_number: int, _frame: object) -> None:
    raise _EndedError


def serve(folder: Path, names: Sequence[str], outcome: Path, ready: int) -> None:
    """Play until told to end; then write down what became of it."""
    selector = selectors.DefaultSelector()
    players: dict[str, Player] = {}
    try:
        players = _players(folder, names, selector)
        os.write(ready, b"r")
        os.close(ready)
        while True:
            # a signal that comes just before the wait is noticed after it
            for key, _ in selector.select(0.2):
                key.data(key.fileobj)
    except _EndedError:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if "coldcard" in players:
            Path(COLDCARD).unlink(missing_ok=True)
        found = {
            device: {"left": each.script.left, "mismatch": each.mismatch} for device, each in players.items()
        }
        half = outcome.with_suffix(".half")
        half.write_text(json.dumps(found), encoding="ascii")
        half.rename(outcome)


def raise_loopback() -> None:
    """Loopback of the namespace that this process is in: SIOCSIFFLAGS with IFF_UP and IFF_RUNNING."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hardware.replay")
    parser.add_argument("--outcome", type=Path, required=True)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    mark = arguments.index("--")
    options, command = parser.parse_args(arguments[:mark]), list(arguments[mark + 1 :])
    raise_loopback()
    theirs, ours = os.pipe()
    me = os.getpid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, _end)
        for others in (signal.SIGINT, signal.SIGHUP):  # of the terminal of the command
            signal.signal(others, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: ends with the command
        quiet = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(quiet, standard)
        try:
            if os.getppid() == me:
                serve(options.folder, options.names, options.outcome, ours)
        finally:
            os._exit(0)
    os.close(ours)
    if os.read(theirs, 1) != b"r":
        raise SystemExit("the replay did not start")
    os.close(theirs)
    os.execv(command[0], command)  # noqa: S606 - the command of whoever runs this


if __name__ == "__main__":
    main(sys.argv[1:])
