"""The receiver: texts of codes in, in any order, one payload out.

What it holds to, against a sender who means harm and a camera that misreads (ATTACKS section 7):

1. `feed` never raises for what a frame holds. A bad frame costs itself; its refusal is in the `Progress`
   (A097, A098).
2. Every message announced is a session of its own, told apart by all that its parts have in common. So parts
   of two messages are never mixed, and frames of several senders may come in turn (A101, A111).
3. Sessions are bounded in number and together in memory; the one that gets on least makes room. A stream of
   forged first frames cannot push out a session that grows.
4. A code that holds a whole payload does not end a session under way, unless it is seen again and again with
   nothing in between (A099).
5. A seed or a private key is refused in whatever dialect, and dropped: nothing of it stays here (A039).
6. The first payload that is whole is the result, with its digest for people to compare. Checksums find
   misreadings and prove nothing (A100); what the payload may do is decided by those who judge it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from falconer_shared.errors import Malformed
from falconer_shared.transport import content
from falconer_shared.transport.bbqr import BbqrDialect
from falconer_shared.transport.parts import MAX_FRAME, Assembly, Dialect, Part, Received, Whole
from falconer_shared.transport.plain import PlainDialect
from falconer_shared.transport.pmofn import PmofnDialect
from falconer_shared.transport.ur import UrDialect
from falconer_shared.transport.ur1 import Ur1Dialect

MAX_SESSIONS: Final = 32
"""Messages collected at once: more senders than fit before a camera."""

MAX_MEMORY: Final = 36 * 1024 * 1024
"""Bytes of all sessions together: the largest message that may be sent fits once, and with what solving it
takes stays below 64 MiB.
"""

IDLE_FRAMES: Final = 200
"""A session without a frame for so long (some ten seconds) is the first to make room, however far it came."""

INSISTENCE: Final = 3
"""How often a whole payload must be seen, with nothing else in between, to be taken while parts of another
one were coming.
"""

STUCK_FRAMES: Final = 40
"""Good frames without anything new (some four seconds) after which the person is told."""

RATE_PARTS: Final = 40
"""Parts over which the rate is taken: some four seconds."""

DIALECTS: Final[Sequence[Dialect]] = (
    Ur1Dialect(),
    UrDialect(),
    BbqrDialect(),
    PmofnDialect(),
    PlainDialect(),
)
"""In the order in which they are asked. `plain` takes whatever is left."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the receiver stands after a frame.

    `total` and `have` are the parts needed and there, of the session that the frame belongs to (0 before any
    part); `remaining` is how many more parts are needed at least. `rate` is parts a second that brought
    something new, over the last ones (0.0 while there are too few), and `seconds_left` what that makes of
    `remaining`. `accepted`, `repeated` and `refused`
    count frames. `refusal` is why this frame was refused. `senders` is how many messages are being collected
    at once. `stuck` is a sentence, or None.
    """

    dialect: str | None
    total: int
    have: int
    accepted: int
    repeated: int
    refused: int
    senders: int
    rate: float
    refusal: Malformed | None
    stuck: str | None
    received: Received | None

    @property
    def complete(self) -> bool:
        return self.received is not None

    @property
    def remaining(self) -> int:
        """Parts still needed at least; a few more when they mix fragments."""
        return max(self.total - self.have, 0)

    @property
    def seconds_left(self) -> float | None:
        """About; None while nobody can know."""
        return self.remaining / self.rate if self.rate and self.total else None


@dataclass(slots=True)
class _Session:
    assembly: Assembly
    dialect: str
    total: int
    last_frame: int
    idle_good: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=RATE_PARTS))


def _rate(times: Sequence[float]) -> float:
    """Parts a second between the first and the last of these times."""
    if len(times) < 3 or times[-1] <= times[0]:
        return 0.0
    return (len(times) - 1) / (times[-1] - times[0])


class Receiver:
    """Collects one payload. After it is whole, `feed` changes nothing any more; take a new receiver for the
    next one.
    """

    def __init__(
        self, dialects: Sequence[Dialect] = DIALECTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._dialects = dialects
        self._now = clock
        self._sessions: dict[Hashable, _Session] = {}
        self._current: _Session | None = None
        self._received: Received | None = None
        self._last_frame: str | None = None
        self._single: Received | None = None
        self._single_seen = 0
        self._clock = 0
        self._accepted = 0
        self._repeated = 0
        self._refused = 0

    def feed(self, frame: str | bytes) -> Progress:
        """Take the text of one code. Bytes are taken as they are (Latin-1)."""
        if self._received is not None:
            return self._progress(None)
        text = frame.decode("latin-1") if isinstance(frame, bytes) else frame
        self._clock += 1
        refusal: Malformed | None = None
        try:
            self._take(text)
        except Malformed as found:
            self._refused += 1
            # its frames hold what was read, and a caller may keep a refusal for long
            refusal = found.with_traceback(None)
            if found.rule == content.RULE:
                self._last_frame = None
        return self._progress(refusal)

    def missing(self) -> list[int]:
        """Numbers of the fragments that the current session does not have by themselves (parts of UR may
        still imply them).
        """
        return [] if self._current is None else self._current.assembly.missing()

    def _take(self, frame: str) -> None:
        if frame == self._last_frame and self._single is None:
            # A camera sees one code several times. It is one sighting: it counts neither as a vote nor as work.
            self._repeated += 1
            return
        # before anything is kept: a seed is not even remembered as the last frame
        content.refuse_secret(frame)
        self._last_frame = frame
        if len(frame) > MAX_FRAME:
            raise Malformed(
                "qr-frame-too-long", f"{len(frame)} characters are more than a QR code holds", limit=MAX_FRAME
            )
        dialect = next((dialect for dialect in self._dialects if dialect.recognises(frame)), None)
        if dialect is None:
            raise Malformed("qr-dialect-unsupported", "a code in none of the dialects that are read here")
        found = dialect.read(frame)
        if isinstance(found, Whole):
            self._take_whole(found.received)
        else:
            self._single = None
            self._take_part(found, dialect.name)

    def _take_whole(self, received: Received) -> None:
        self._single_seen = self._single_seen + 1 if received == self._single else 1
        self._single = received
        if self._sessions and self._single_seen < INSISTENCE:
            raise Malformed(
                "qr-single-during-parts",
                "a code with another, whole message came between the parts of a longer one",
                remedy="show one sender to the camera; hold it on the single code if that is the one meant",
            )
        self._accepted += 1
        self._received = received

    def _take_part(self, part: Part, dialect: str) -> None:
        session = self._sessions.get(part.session)
        if session is None:
            self._make_room(1)
            session = self._sessions[part.session] = _Session(part.begin(), dialect, part.total, self._clock)
        session.last_frame = self._clock
        self._current = session
        before = session.assembly.have
        if session.assembly.add(part):
            self._accepted += 1
        else:
            self._repeated += 1
        session.idle_good = 0 if session.assembly.have > before else session.idle_good + 1
        if session.assembly.have > before:
            session.times.append(self._now())
        try:
            self._received = session.assembly.finish()
        except Malformed as found:
            if found.rule == content.RULE:
                del self._sessions[part.session]
                self._current = None
            raise
        self._make_room(0)

    def _make_room(self, wanted: int) -> None:
        """Drop sessions until `wanted` more fit: idle ones first, then those that came least far, the older
        of two.
        """
        while len(self._sessions) + wanted > MAX_SESSIONS or (
            len(self._sessions) > 1
            and sum(s.assembly.footprint for s in self._sessions.values()) > MAX_MEMORY
        ):
            idle_before = self._clock - IDLE_FRAMES
            victim = min(
                (
                    key
                    for key, session in self._sessions.items()
                    if session is not self._current or len(self._sessions) == 1
                ),
                key=lambda key: (
                    self._sessions[key].last_frame >= idle_before,
                    self._sessions[key].assembly.have,
                    self._sessions[key].last_frame,
                ),
            )
            del self._sessions[victim]

    def _progress(self, refusal: Malformed | None) -> Progress:
        session = self._current
        return Progress(
            dialect=None if session is None else session.dialect,
            total=0 if session is None else session.total,
            have=0 if session is None else session.assembly.have,
            accepted=self._accepted,
            repeated=self._repeated,
            refused=self._refused,
            senders=len(self._sessions),
            rate=0.0 if session is None else _rate(session.times),
            refusal=refusal,
            stuck=None if self._received else self._why_stuck(session),
            received=self._received,
        )

    def _why_stuck(self, session: _Session | None) -> str | None:
        if session is None:
            return None
        if reason := session.assembly.stuck:
            return reason
        if session.idle_good >= STUCK_FRAMES:
            return (
                f"the last {session.idle_good} parts brought nothing new; "
                f"{session.total - session.assembly.have} are still wanted: show all parts, or begin again on the other side"
            )
        if len(self._sessions) > 1:
            return f"parts of {len(self._sessions)} messages are coming: show one sender to the camera"
        return None
