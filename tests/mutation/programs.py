"""The two programs with switches, for tests that start them: wrappers in a folder that stands in for `.venv/bin`.

What a program meets it writes into the file `seen`, and what it must leave out it reads from the file `off`. Imports little: in a
wrapper it runs before the program does.
"""

from __future__ import annotations

import builtins
import dataclasses
import importlib.machinery
import importlib.util
import json
import marshal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

NAMES = ("_falconer_seen", "_falconer_verdict", "_falconer_hit")
WRAPPER = """#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.mutation.programs import begin
del sys.path[0]
begin({folder!r})
from falconer_{program}.__main__ import main
sys.argv[0] = {name!r}
sys.exit(main())
"""
PYTHON = """#!/bin/sh
exec {python} "$@"
"""


def make(folder: Path, root: Path, code: dict[str, tuple[str, CodeType]]) -> Path:
    """Write the wrappers and the code of all modules (name: file and code); give the folder of the wrappers."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(parents=True)
    (folder / "code").write_bytes(marshal.dumps(code))
    (folder / "seen").touch()
    (folder / "off").write_text("null")
    facts = {"python": sys.executable, "root": str(root), "folder": str(folder)}
    for program, name in (("online", "falconer"), ("offline", "falconer-offline")):
        file = bin_folder / name
        file.write_text(WRAPPER.format(**facts, program=program, name=name))
        file.chmod(0o755)
    python = bin_folder / "python"
    python.write_text(PYTHON.format(**facts))
    python.chmod(0o755)
    return bin_folder


def begin(folder: str) -> None:
    """In a program: put the switches up and load all our modules with them."""
    off = json.loads(Path(folder, "off").read_text())
    told: set[tuple[str, str]] = set()

    def seen(site: str, error: object) -> object:
        rule = error if isinstance(error, str) else getattr(error, "rule", None)
        if isinstance(rule, str):
            if [site, rule] == off:
                return None
            if (site, rule) not in told:
                told.add((site, rule))
                with Path(folder, "seen").open("a") as file:
                    file.write(json.dumps([site, rule]) + "\n")
        return error

    def verdict(site: str, made: object) -> object:
        if getattr(made, "id", None) is not None and seen(site, made.id) is None:  # type: ignore[attr-defined]
            passed = type(made.outcome).PASS  # type: ignore[attr-defined]
            return dataclasses.replace(made, outcome=passed, id=None, message="")  # type: ignore[type-var]
        return made

    for name, function in zip(NAMES, (seen, verdict, lambda *_: None), strict=True):
        setattr(builtins, name, function)
    sys.meta_path.insert(0, _Finder(marshal.loads(Path(folder, "code").read_bytes())))  # noqa: S302 - our own file


class _Loader(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class _Finder:
    def __init__(self, code: dict[str, tuple[str, CodeType]]) -> None:
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        found = self._code.get(fullname)
        if found is None:
            return None
        loader = _Loader(fullname, found[0])
        loader.code = found[1]
        folders = [found[0].rpartition("/")[0]] if found[0].endswith("/__init__.py") else None
        return importlib.util.spec_from_file_location(
            fullname, found[0], loader=loader, submodule_search_locations=folders
        )
