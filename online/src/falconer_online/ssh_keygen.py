"""Signing with a person's SSH key through the system's `ssh-keygen`.

The message goes in through standard input and the signature comes out of standard output: with file names,
`ssh-keygen -Y sign` keeps a `.sig` file that is already there and still succeeds, and an old signature would
be taken for a new one. The result is parsed and verified before anybody uses it.
"""

from __future__ import annotations

import shutil
import subprocess  # one fixed program, no shell
from pathlib import Path

from falconer_shared.errors import DeviceError, StateError
from falconer_shared.sshsig.signature import SshSignature, verify
from falconer_shared.text import safe, safe_bytes

SECONDS = 300
"""A person may have to type a passphrase or touch a security key."""


def sign(key_file: Path, message: bytes, namespace: str) -> SshSignature:
    """A signature by that key over `message`, verified.

    Raises:
        StateError: `file-unreadable`. DeviceError: `ssh-keygen-missing`, `ssh-keygen-failed`.
        Malformed and VerificationError: as the shared `sshsig`.
    """
    program = shutil.which("ssh-keygen")
    if program is None:
        raise DeviceError(
            "ssh-keygen-missing", "ssh-keygen is not installed", remedy="sudo apt-get install openssh-client"
        )
    if not key_file.is_file():
        raise StateError("file-unreadable", f"there is no key file {safe(str(key_file))}")
    try:
        # absolute: a name that begins with a hyphen must not become an option
        done = subprocess.run(
            [program, "-Y", "sign", "-q", "-f", str(key_file.absolute()), "-n", namespace],
            input=message,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise DeviceError("ssh-keygen-failed", f"ssh-keygen did not end within {SECONDS} s") from None
    except OSError as error:
        raise DeviceError(
            "ssh-keygen-failed", f"ssh-keygen cannot be run: {safe(error.strerror or '')}"
        ) from None
    if done.returncode != 0 or not done.stdout:
        raise DeviceError("ssh-keygen-failed", f"ssh-keygen did not sign: {safe_bytes(done.stderr.strip())}")
    signature = SshSignature.parse(done.stdout)
    verify(signature, message, namespace, signature.key)
    return signature


def command(namespace: str, file: str, key: str = "YOUR_KEY") -> str:
    """What a person types on their own computer; it writes `<file>.sig`."""
    return f"ssh-keygen -Y sign -f {key} -n {namespace} {file}"
