"""The ways by which something leaves through the command line: a file, codes in the terminal, codes as files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from falconer_offline import emit, terminal
from falconer_offline.cli import gap
from falconer_offline.cli.shell import Shell
from falconer_shared.crossing.options import Show
from falconer_shared.errors import UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_shared.crossing.choice import Choice, Plan
    from falconer_shared.transport.parts import Kind
    from falconer_shared.transport.send import Sending


@dataclass(frozen=True, slots=True)
class CodesExit:
    """Codes, in every way that was asked for: checked before anything is signed, used after it."""

    codes: Show
    choice: Choice
    stream: IO[str] | None
    version: int

    @classmethod
    def prepare(cls, shell: Shell, codes: Show, label: str = "") -> CodesExit:
        """See that every way is open. `label` is the name of a wallet.

        Raises:
            UsageError: `terminal-needed`, `qr-terminal-too-small`, `qr-drawing-missing`, `qr-density`,
            `qr-rate`. StateError: `file-exists`.
        """
        choice = codes.choice_for(label)
        if codes.wanted:
            gap.check_drawing()
        for name in codes.written:
            emit.check_free(name)
        stream, version = None, 0
        if codes.qr:
            from falconer_shared.qr.draw import largest_version

            stream = terminal.drawing_stream(aside=shell.aside)
            columns, lines = terminal.size()
            version = largest_version(columns, lines - 1)  # the last line is the caption's
            if version < gap.LEAST_VERSION:
                raise gap.too_small(gap.LEAST_VERSION)
        return cls(codes, choice, stream, version)

    def give(self, data: bytes, kind: Kind, title: str) -> tuple[list[str], Sending]:
        """Where the codes are, in words; and how the payload was cut in the last of them.

        Raises:
            StateError: `file-exists`, `file-not-writable`. UsageError: `qr-payload-too-large`,
            `qr-animation-too-long`, `signer-cannot-take`.
        """
        plan = self.choice.plan(data, kind)
        sending = plan.make(plan.version)
        places = self._write(plan, sending, title)
        if self.codes.window:
            shown, sending = self._in_window(plan)
            places.append(f"shown as {shown} codes in a window")
        if self.stream is not None:
            shown, sending = self._animate(plan, self.stream)
            places.append(f"shown as {shown} codes")
        return places, sending

    def _write(self, plan: Plan, sending: Sending, title: str) -> list[str]:
        from falconer_shared.crossing import written

        codes, places = self.codes, []
        with terminal.Progress() as progress:

            def tell(done: int, total: int) -> None:
                progress.at(done, total, f"{done} of {total} codes")

            if codes.qr_images is not None:
                emit.write_folder(codes.qr_images, dict(written.pictures(sending, tell)))
                places.append(f"in {sending.n} pictures in {safe(codes.qr_images)}")
            if codes.gif is not None:
                emit.write_file(codes.gif, written.animation(sending, plan.frames_per_second, tell))
                places.append(f"in {safe(codes.gif)}")
            if codes.html is not None:
                page = written.browser_page(title, plan.make, plan.version, plan.frames_per_second, tell)
                emit.write_file(codes.html, page.encode("utf-8"))
                places.append(f"in {safe(codes.html)}")
        return places

    def _animate(self, plan: Plan, stream: IO[str]) -> tuple[int, Sending]:
        from falconer_shared.crossing.reel import Reel
        from falconer_shared.qr.draw import Paint
        from falconer_shared.qr.show import animate

        paint = gap.paint()
        plain = paint is not Paint.COLOURS
        reel = Reel(plan.make, plan.version, self.version, terminal.size()[0], plain=plain)
        with terminal.keys() as key:
            shown = animate(
                reel,
                gap.writer(stream),
                key,
                frames_per_second=plan.frames_per_second,
                paint=paint,
            )
        return shown, reel.sending

    @staticmethod
    def _in_window(plan: Plan) -> tuple[int, Sending]:
        from falconer_offline.worker import window
        from falconer_shared.crossing.reel import Reel, in_window
        from falconer_shared.encoding.capacity import MAX_VERSION

        reel = Reel(plan.make, plan.version, MAX_VERSION, 80)
        with window() as opened:
            shown = in_window(reel, opened.show, plan.frames_per_second)
        return shown, reel.sending


def say_given(shell: Shell, given: tuple[list[str], Sending]) -> None:
    """Say where codes are, and what the other side must find in them."""
    places, sending = given
    shell.say(f"It is {' and '.join(places)}. SHA-256 of what they hold: {sending.digest}", indent=8)


@dataclass(frozen=True, slots=True)
class Exit:
    """The ways by which an answer leaves: checked before anything is signed, used after it."""

    out: str | None
    replace: bool
    way: CodesExit

    @classmethod
    def prepare(cls, shell: Shell, out: str | None, codes: Show) -> Exit:
        """See that every way is open, and ask whether an old file may be replaced.

        Raises:
            UsageError: `usage`, `signer-cannot-take`, and what `CodesExit.prepare` raises. StateError:
            `file-exists`, `file-not-writable`. Declined: the file stays.
        """
        from falconer_shared.transport.parts import Kind

        if out is None and not codes.wanted:
            raise UsageError("usage", "say where the answer goes: --out FILE, --qr or --qr-images DIR")
        way = CodesExit.prepare(shell, codes)
        if out is not None:
            emit.check_place(out)
        # a way that a receiver does not take is found before anything is signed
        way.choice.plan(b"psbt\xff", Kind.PSBT)
        return cls(out, out is not None and terminal.may_replace(out), way)

    def give(self, data: bytes) -> str:
        """Let a PSBT out by every way; a sentence on where it is.

        Raises:
            StateError: `file-exists`, `file-not-writable`. UsageError: as `CodesExit.give`.
        """
        from falconer_shared.transport.parts import Kind

        places = []
        if self.out is not None:
            emit.write_file(self.out, data, replace=self.replace)
            places.append(f"in {safe(self.out)}")
        if self.way.codes.wanted:
            try:
                shown, sending = self.way.give(data, Kind.PSBT, "signed answer")
            except UsageError as problem:
                # signed it is, and signing the same request again counts once
                problem.remedy = "sign the request again, with --out FILE, or with codes of a higher density"
                raise
            shown[-1] += f" (SHA-256 {sending.digest})"
            places += shown
        return " and ".join(places)
