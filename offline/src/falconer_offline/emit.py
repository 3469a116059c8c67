"""Files that leave the machine, or that it keeps: for this user's eyes alone, and never over another file unless
the person agreed.
"""

from __future__ import annotations

from falconer_shared import files
from falconer_shared.files import check_free, check_place, exists, write_folder

__all__ = ["check_free", "check_place", "exists", "write_file", "write_folder"]


def write_file(path: str, data: bytes, *, replace: bool = False, mode: int = 0o600) -> None:
    """Write `data` as the whole content of `path`.

    Raises:
        StateError: `file-exists`, `disk-full`, `file-not-writable`.
    """
    files.write_file(path, data, replace=replace, mode=mode)
