"""Drives the real `ssh-keygen`: every signature in these tests is made or checked by it.

Signing goes through standard input and output: with an old `.sig` file beside a FILE and no terminal, `-Y sign FILE` exits 0 and
keeps the old signature.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SSH_KEYGEN = shutil.which("ssh-keygen")


def _run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    if SSH_KEYGEN is None:
        raise RuntimeError("ssh-keygen is not installed. On Debian: sudo apt-get install openssh-client")
    return subprocess.run([SSH_KEYGEN, *arguments], input=stdin, capture_output=True, check=False, timeout=30)


@dataclass(frozen=True)
class KeyFile:
    """A key pair on disk."""

    path: Path

    @classmethod
    def make(cls, folder: Path, name: str, kind: str = "ed25519") -> KeyFile:
        done = _run("-q", "-t", kind, "-N", "", "-C", f"{name}@tests", "-f", str(folder / name))
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return cls(folder / name)

    @property
    def public_line(self) -> str:
        return self.path.with_name(self.path.name + ".pub").read_text()

    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return _run("-l", "-f", str(self.path)).stdout.decode().split(" ")[1]

    def sign(self, message: bytes, namespace: str, *options: str) -> bytes:
        """The armoured signature."""
        done = _run("-Y", "sign", "-q", "-f", str(self.path), "-n", namespace, *options, stdin=message)
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout


def accepts(folder: Path, public_line: str, armoured: bytes, message: bytes, namespace: str) -> bool:
    """Whether stock `ssh-keygen -Y verify` takes the signature for this key, namespace and message."""
    (folder / "allowed_signers").write_text(f'someone namespaces="{namespace}" {public_line.strip()}\n')
    (folder / "signature.sig").write_bytes(armoured)
    done = _run(
        "-Y", "verify", "-f", str(folder / "allowed_signers"), "-I", "someone", "-n", namespace,
        "-s", str(folder / "signature.sig"), stdin=message,
    )  # fmt: skip
    return done.returncode == 0
