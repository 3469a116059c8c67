"""Completion, as the shells ask for it."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.offline.test_cli import founded, home, request_file, signer
from tests.support.programs import BIN, clean_environment

__all__ = ["founded", "home", "request_file", "signer"]


def ask(home, *words: str) -> list[str]:
    """What bash is told when the last word is to be completed."""
    done = subprocess.run(
        [str(BIN / "falconer-offline")],
        env=clean_environment(
            FALCONER_OFFLINE_HOME=str(home),
            _FALCONER_OFFLINE_COMPLETE="bash_complete",
            COMP_WORDS=" ".join(["falconer-offline", *words]),
            COMP_CWORD=str(len(words)),
        ),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_options_files_and_names(home):
    assert {"plain,sign", "plain,selfcheck"} <= set(ask(home.home, "s"))
    assert ask(home.home, "key", "re") == ["plain,remove"]
    assert {"plain,--qr", "plain,--qr-images"} <= set(ask(home.home, "sign", "--qr"))
    assert ask(home.home, "sign", "req")[0].startswith("file,")
    assert ask(home.home, "sign", "x", "--qr-images", "a")[0].startswith("dir,")
    assert ask(home.home, "key", "xpub", "") == ["plain,key-1"]
    assert ask(home.home, "key", "xpub", "other") == []
    assert ask(home.home, "wallet", "address", "t") == ["plain,treasury"]
    assert ask(home.home, "policy", "show", "--wallet", "") == ["plain,treasury"]


def test_a_state_that_does_not_verify_offers_nothing(home, tmp_path):
    assert ask(tmp_path / "nothing", "key", "xpub", "") == []
    (home.home / "state.sqlite").write_bytes(bytes(9000))
    assert ask(home.home, "key", "xpub", "") == []


@pytest.mark.parametrize(
    ("shell", "expected"),
    [("bash", "complete -o nosort -F"), ("zsh", "#compdef falconer-offline"),
     ("fish", "complete --no-files --command falconer-offline")],
)  # fmt: skip
def test_the_script_of_each_shell(shell, expected):
    done = subprocess.run(
        [str(BIN / "falconer-offline"), "completion", shell], capture_output=True, text=True, check=True
    )
    assert expected in done.stdout
    assert "_FALCONER_OFFLINE_COMPLETE" in done.stdout
    assert subprocess.run(
        [str(BIN / "falconer-offline"), "completion", "tcsh"], capture_output=True, check=False
    ).returncode == 2  # fmt: skip


def test_bash_itself_completes(home):
    script = (
        f'PATH="{BIN}:$PATH"; source <(falconer-offline completion bash) && COMP_WORDS=(falconer-offline wallet li) COMP_CWORD=2'
        ' && _falconer_offline_completion falconer-offline && echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "FALCONER_OFFLINE_HOME": str(home.home)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["list"]
