"""Loads the shipped packages with switches (`sites.instrumented`), whatever imports them, and never from a `.pyc`."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import CodeType, ModuleType

from tests.mutation.sites import sources

PACKAGES = ("falconer_shared", "falconer_online", "falconer_offline")


class _Loader(importlib.machinery.SourceFileLoader):
    make: Callable[[str, str, str], CodeType]

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.make(fullname, self.get_data(path).decode(), path)


class Finder(importlib.abc.MetaPathFinder):
    """Gives each shipped module the code that `make(module, text, path)` compiles."""

    def __init__(self, make: Callable[[str, str, str], CodeType]) -> None:
        self._make = make

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in PACKAGES or fullname not in sources():
            return None
        file = sources()[fullname]
        loader = _Loader(fullname, str(file))
        loader.make = self._make
        folders = [str(file.parent)] if file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, file, loader=loader, submodule_search_locations=folders
        )


def install(make: Callable[[str, str, str], CodeType]) -> None:
    """Before anything of the shipped packages is imported."""
    loaded = [name for name in sys.modules if name.partition(".")[0] in PACKAGES]
    if loaded:
        raise RuntimeError(f"{loaded[0]} is imported already")
    sys.meta_path.insert(0, Finder(make))
