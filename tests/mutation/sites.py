"""Where Falconer refuses, and the same code with a switch at every such place.

A *site* is a `raise` statement with an expression, a `Verdict(..., id=...)` that a policy rule returns, or a `return` in an
`except` block that reports an error which it makes. It is named by module, function and its ordinal there, so that a name
outlives edits elsewhere in the file. At run time a site may refuse under several ids: a reader's `raise self.error(...)` has
the id of whoever made the reader. What is switched off is therefore a pair (site, id), and what that means is:

* `raise E`: nothing is raised; the code goes on behind the statement, as if it were not there;
* `Verdict(FAIL, id=...)`: the rule says PASS;
* `return fail(E)` in an `except` block: the exception that was caught goes on as it came.

The condition before a `raise` is evaluated all the same, and so is the sentence: what is removed is the refusal and nothing else.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("shared/src", "online/src", "offline/src")

SEEN, VERDICT, HIT = "_falconer_seen", "_falconer_verdict", "_falconer_hit"
"""Names under which the run puts its three functions into `builtins`."""
ERROR = "_falconer_error"


@cache
def check_rules() -> ModuleType:
    """scripts/check_rules, which knows how an id is found in the sources."""
    path = str(ROOT / "scripts/check_rules")
    spec = importlib.util.spec_from_loader(
        "check_rules", importlib.machinery.SourceFileLoader("check_rules", path)
    )
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_rules"] = module
    spec.loader.exec_module(module)
    return module


@cache
def sources() -> dict[str, Path]:
    """Every shipped module with its file."""
    found = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _knowledge() -> tuple[dict[str, str], dict[str, int]]:
    """Error classes, and functions that take a rule, over all sources (`check_rules`)."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sources().values()]
    rules = check_rules()
    return rules.error_classes(trees), rules.rule_parameters(trees)


@dataclass(frozen=True)
class Site:
    """One place; `rules` are the ids that stand in it as text, none where another place decides.

    `refuses` is false of `raise ValueError(...)` and its like, which are no refusals.
    """

    name: str
    rules: tuple[str, ...]
    refuses: bool = True


def sites_of(module: str) -> list[Site]:
    """The sites of a module, as its text has them now."""
    tree = ast.parse(sources()[module].read_text(encoding="utf-8"))
    return [site for _, site in _mark(tree, module)]


def instrumented(module: str, text: str, *, hits: bool) -> ast.Module:
    """The module with a switch at each site; with `hits`, every statement in a function reports its line besides."""
    tree = ast.parse(text)
    marked = dict(_mark(tree, module))
    changed = _Switches(marked, module if hits else None).visit(tree)
    return ast.fix_missing_locations(changed)


def _mark(tree: ast.Module, module: str) -> list[tuple[ast.AST, Site]]:
    errors, takers = _knowledge()
    constants = check_rules().module_constants(tree)

    def literal(node: ast.AST) -> tuple[str, ...]:
        ids = []
        for inner in ast.walk(node):
            for value, _ in check_rules().ids_of(inner, errors, takers):
                rule = (
                    value.value
                    if isinstance(value, ast.Constant)
                    else constants.get(getattr(value, "id", ""))
                )
                if isinstance(rule, str) and check_rules().ID.match(rule):
                    ids.append(rule)
        return tuple(dict.fromkeys(ids))

    found: list[tuple[ast.AST, Site]] = []
    counts: dict[str, int] = {}

    def add(node: ast.AST, where: str, rules: tuple[str, ...], *, refuses: bool = True) -> None:
        counts[where] = counts.get(where, 0) + 1
        found.append((node, Site(f"{where}#{counts[where]}", rules, refuses)))

    for node, where, handled in _walk(tree, module, handled=False):
        if isinstance(node, ast.Raise) and node.exc is not None:
            add(node, where, literal(node.exc), refuses=_refuses(node.exc, errors))
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Verdict":
            rules = literal(node)
            if rules:
                add(node, where, rules)
        elif handled and isinstance(node, ast.Return) and isinstance(node.value, ast.Call):
            rules = literal(node.value)
            if rules and check_rules().called(node.value) not in errors:
                add(node, where, rules)
    return found


def _refuses(raised: ast.expr, errors: dict[str, str]) -> bool:
    """Whether an error of ours is raised, or what a function or a name holds, which may be one.

    Not `ValueError(...)`, click's errors, private ones that steer, nor the one id without a hyphen: `usage`, which wrong
    words on a command line have.
    """
    if not isinstance(raised, ast.Call):
        return isinstance(raised, ast.BoolOp) or (isinstance(raised, ast.Name) and raised.id.islower())
    made = raised.func
    if isinstance(made, ast.Attribute):
        return getattr(made.value, "id", "") != "click" and not made.attr[:1].isupper()
    name = getattr(made, "id", "a").lstrip("_")
    if name in errors:
        return not (
            raised.args and isinstance(raised.args[0], ast.Constant) and raised.args[0].value == "usage"
        )
    return not name[:1].isupper()


def _walk(node: ast.AST, where: str, *, handled: bool) -> Iterator[tuple[ast.AST, str, bool]]:
    """Every node with its function's name and whether it stands in an `except` block."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield from _walk(child, f"{where}.{child.name}", handled=False)
        else:
            inside = handled or isinstance(child, ast.ExceptHandler)
            yield child, where, inside
            yield from _walk(child, where, handled=inside)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class _Switches(ast.NodeTransformer):
    def __init__(self, marked: dict[ast.AST, Site], module: str | None) -> None:
        self._marked = marked
        self._module = module
        self._in_function = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        before, self._in_function = self._in_function, True
        self.generic_visit(node)
        self._in_function = before
        return node

    def visit_Raise(self, node: ast.Raise) -> Any:
        site = self._marked.get(node)
        self.generic_visit(node)
        if site is None or node.exc is None:
            return node
        seen = _call(SEEN, ast.Constant(site.name), node.exc)
        keep = ast.Assign([ast.Name(ERROR, ast.Store())], seen)
        node.exc = ast.Name(ERROR, ast.Load())
        test = ast.Compare(ast.Name(ERROR, ast.Load()), [ast.IsNot()], [ast.Constant(None)])
        return [ast.copy_location(keep, node), ast.copy_location(ast.If(test, [node], []), node)]

    def visit_Call(self, node: ast.Call) -> Any:
        site = self._marked.get(node)
        self.generic_visit(node)
        return (
            node if site is None else ast.copy_location(_call(VERDICT, ast.Constant(site.name), node), node)
        )

    def visit_Return(self, node: ast.Return) -> Any:
        site = self._marked.get(node)
        self.generic_visit(node)
        if site is None:
            return node
        asked: ast.expr = _call(SEEN, ast.Constant(site.name), ast.Constant(site.rules[0]))
        test = ast.Compare(asked, [ast.Is()], [ast.Constant(None)])
        return [ast.copy_location(ast.If(test, [ast.Raise()], []), node), node]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if self._module is not None and self._in_function:
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                    setattr(node, name, [each for statement in block for each in self._reported(statement)])
        return node

    def _reported(self, statement: ast.stmt) -> list[ast.stmt]:
        if getattr(statement, "reported", False) or (
            isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        ):
            return [statement]
        arguments = (ast.Constant(self._module), ast.Constant(statement.lineno))
        hit = ast.copy_location(ast.Expr(_call(HIT, *arguments)), statement)
        hit.reported = statement.reported = True  # type: ignore[attr-defined]
        return [hit, statement]
