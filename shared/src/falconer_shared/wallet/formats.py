"""Files in which wallets travel. Now: the plain descriptor file, one line of text.

Only the frame is judged here; what the line says is `descriptor.parse`'s to judge.
"""

from __future__ import annotations

from falconer_shared.descriptor.checksum import MAX_DESCRIPTOR_CHARACTERS
from falconer_shared.errors import Malformed

MAX_FILE_BYTES = MAX_DESCRIPTOR_CHARACTERS + 2
"""A descriptor and one line ending. A caller reads at most one byte more than this (A113)."""


def read_descriptor_file(data: bytes) -> str:
    """The descriptor of a file that holds nothing else. One line ending after it is not part of it.

    Raises:
        Malformed: `descriptor-file-malformed`.
    """
    if len(data) > MAX_FILE_BYTES:
        raise Malformed(
            "descriptor-file-malformed",
            f"the file has {len(data)} bytes or more, a descriptor at most {MAX_FILE_BYTES}",
        )
    line = data.removesuffix(b"\n").removesuffix(b"\r") if data.endswith(b"\n") else data
    if not line:
        raise Malformed("descriptor-file-malformed", "the file is empty")
    if not line.isascii() or b"\n" in line or b"\r" in line:
        # what a person pasted or an editor added: nothing here is guessed away, and nothing of it is repeated
        raise Malformed(
            "descriptor-file-malformed",
            "the file must hold one line of plain ASCII text, the descriptor with its checksum",
            remedy="Save the descriptor alone, without quotes, comments or a byte order mark.",
        )
    return line.decode("ascii")
