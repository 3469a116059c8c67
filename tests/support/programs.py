"""The two programs as their users run them: separate processes with separate homes, driven from outside.

`Coordinator` runs `falconer` and reads its JSON. `Signer` runs `falconer-offline` in a network namespace without interfaces, and
answers its prompts through a pseudo-terminal as a person would: there is no flag that confirms anything.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect

BIN = Path(sys.executable).parent
SECONDS = 60
"""How long a program may be silent before it counts as hung."""

Answer = str | Callable[[re.Match[str] | None, str], str]
"""What is typed, or a function of the prompt's match and of everything shown so far, for what only the screen tells."""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class UnexpectedExitError(Exception):
    """A program ended with another status than the one that was expected; the text holds what it said."""


@dataclass(frozen=True)
class Outcome:
    """What a program did: its exit status, its standard output, and what it showed a person."""

    status: int
    stdout: str
    shown: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def refusals(self) -> list[str]:
        """The ids of a refusal."""
        return [rule["id"] for rule in self.json["rules"]]


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment without anything that points a program to another home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FALCONER_", "XDG_", "PYTHON")) and name not in {"COLUMNS", "LINES"}
    }
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "TERM": "xterm-256color", **extra}


def _plain(screen: str) -> str:
    return _ESCAPES.sub("", screen).replace("\r\n", "\n")


def _ended(name: str, arguments: Sequence[object], outcome: Outcome, expect: int) -> Outcome:
    if outcome.status != expect:
        words = " ".join(str(argument) for argument in arguments)
        raise UnexpectedExitError(
            f"{name} {words}: status {outcome.status} instead of {expect}\n{outcome.shown}\n{outcome.stdout}"
        )
    return outcome


@dataclass(frozen=True)
class Coordinator:
    """`falconer` with one home."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, *arguments: object, expect: int = 0, json_output: bool = True, folder: Path | None = None
    ) -> Outcome:
        command = [str(BIN / "falconer"), *(str(argument) for argument in arguments)]
        if json_output:
            command.append("--json")
        done = subprocess.run(
            command,
            env=clean_environment(FALCONER_HOME=str(self.home), **self.environment),
            stdin=subprocess.DEVNULL,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=5 * SECONDS,
            check=False,
        )
        return _ended("falconer", arguments, Outcome(done.returncode, done.stdout, done.stderr), expect)

    def json(self, *arguments: object, expect: int = 0) -> dict[str, Any]:
        return self.run(*arguments, expect=expect).json


@dataclass(frozen=True)
class Signer:
    """`falconer-offline` with one home, in a namespace without a network."""

    home: Path
    name: str
    passphrase: str = "correct horse battery"
    identity: Path | None = None
    """A file with an age identity: the home is opened with it by file descriptor, and asks for no passphrase."""
    network_namespace: bool = True
    seconds: int = SECONDS
    """How long it may be silent: longer where a person has to do something."""

    def command(self, *arguments: object) -> list[str]:
        options = ["--identity-fd", "9"] if self.identity else []
        words = [str(BIN / "falconer-offline"), *options, *(str(argument) for argument in arguments)]
        if self.network_namespace:
            unshare = shutil.which("unshare")
            if unshare is None:
                raise FileNotFoundError("unshare, from Debian's util-linux")
            words = [unshare, "--map-current-user", "--net", *words]
        return words

    def run(
        self,
        *arguments: object,
        answers: Sequence[tuple[str | re.Pattern[str], Answer]] = (),
        expect: int = 0,
        json_output: bool = False,
        folder: Path | None = None,
    ) -> Outcome:
        """Run a command in a pseudo-terminal; `answers` are prompts, in order, and what is typed at them.

        With `json_output`, standard output is a file, so that the document and what the person sees stay apart.
        """
        report = self.home.parent / f".{self.home.name}.stdout"
        script = 'exec "$@"'
        words = self.command(*arguments)
        if json_output:
            words.append("--json")
            script += ' >"$FALCONER_TEST_STDOUT"'
        if self.identity:
            script += f" 9<{shlex.quote(str(self.identity))}"
        environment = clean_environment(
            FALCONER_OFFLINE_HOME=str(self.home), FALCONER_TEST_STDOUT=str(report), COLUMNS="120"
        )
        seen = io.StringIO()
        child = pexpect.spawn(
            "/bin/sh",
            ["-c", script, "sh", *words],
            env=environment,
            cwd=folder,
            timeout=self.seconds,
            encoding="utf-8",
            dimensions=(60, 120),
        )
        child.delaybeforesend = None
        child.logfile_read = seen
        prompt: object = "the end"
        try:
            for prompt, answer in answers:
                child.expect(prompt if isinstance(prompt, re.Pattern) else re.escape(prompt))
                match = child.match if isinstance(child.match, re.Match) else None
                child.sendline(answer if isinstance(answer, str) else answer(match, _plain(seen.getvalue())))
            prompt = "the end"
            child.expect(pexpect.EOF)
        except (pexpect.EOF, pexpect.TIMEOUT) as problem:
            child.close(force=True)
            raise UnexpectedExitError(
                f"falconer-offline {' '.join(map(str, arguments))}: {type(problem).__name__} while waiting for"
                f" {prompt!r} (status {child.exitstatus})\n{_plain(seen.getvalue())}"
            ) from problem
        child.close()
        status = child.exitstatus if child.exitstatus is not None else 128 + int(child.signalstatus or 0)
        shown = _plain(seen.getvalue())
        stdout = report.read_text(encoding="utf-8") if json_output else shown
        if json_output:
            report.unlink()
        return _ended("falconer-offline", arguments, Outcome(status, stdout, shown), expect)
