"""Small faults for the code that judges.

    compare     < <= > >= == != is in, each to its neighbour at the boundary and to its opposite
    boolean     `and` for `or`; each operand left out; `not` dropped; a condition that is a plain value negated
    arithmetic  + - * // % << >> & | ^, each to a neighbour; the same of `+=` and its like; a sign dropped
    constant    whole numbers one more and one less, True for False, words (no sentences) with a letter more, bytes with one more
    statement   a call whose result nobody wants, an assignment with an operator, a `raise` dropped; break for continue;
                a loop that never runs; a condition of a comprehension dropped
    return      None for what is returned
    call        min for max, any for all, `sorted` dropped; either branch of a conditional expression alone

Left alone: what a `raise` says to a person (the sentence and its numbers; the refusal itself is taken away as a statement),
f-strings, docstrings, annotations, decorators, imports, `__all__`, and `strict=True` of `zip`.

A mutant is named by what it changes into what, in which function: `verify.fees.cost: fee > MAX_FEE => fee >= MAX_FEE`. Equal
changes in one function are numbered. So a name outlives edits elsewhere in the file.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Scope = tuple[str, ...]

COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
WORD = re.compile(r"[A-Za-z0-9_.:@-]+\Z")


@dataclass
class Mutant:
    """One change: in `holder`, `name` (and `index` where it is a list) becomes `new`."""

    function: str
    """Module and qualified name within the package: `verify.fees.cost`; of the module's own level `verify.fees`."""
    qualname: str | None
    """Of the outermost function (`UntrustedPsbt.parse`), None on the level of a module or class, or for a default."""
    first_line: int
    line: int
    """Of the innermost statement."""
    before: str
    after: str
    holder: ast.AST = field(repr=False)
    name: str = field(repr=False)
    index: int | None = field(repr=False)
    new: object = field(repr=False)
    number: int = 1

    @property
    def id(self) -> str:
        again = f" ({self.number})" if self.number > 1 else ""
        return f"{self.function}: {self.before} => {self.after}{again}"

    def swap(self) -> None:
        """Make the change, or take it back: called twice, nothing has changed."""
        slot = getattr(self.holder, self.name)
        if self.index is None:
            setattr(self.holder, self.name, self.new)
            self.new = slot
        else:
            self.new, slot[self.index] = slot[self.index], self.new


@dataclass
class _Place:
    function: str
    qualname: str | None
    first_line: int
    line: int
    shown: ast.AST
    """What is printed before and after: the nearest expression or statement that tells enough."""


def mutants_of(tree: ast.Module, package: str) -> list[Mutant]:
    """All of a module's, in the order of its text; `package` is its name without `falconer_shared.`."""
    found: list[Mutant] = []
    counts: dict[str, int] = {}
    for mutant in _Finder(package).of(tree):
        counts[mutant.id] = mutant.number = counts.get(mutant.id, 0) + 1
        found.append(mutant)
    return found


class _Finder:
    def __init__(self, package: str) -> None:
        self._package = package

    def of(self, tree: ast.Module) -> Iterator[Mutant]:
        yield from self._block(tree, "body", _Place(self._package, None, 0, 0, tree))

    # Statements

    def _block(self, holder: ast.AST, name: str, place: _Place) -> Iterator[Mutant]:
        for index, statement in enumerate(getattr(holder, name)):
            here = _Place(place.function, place.qualname, place.first_line, statement.lineno, statement)
            yield from self._statement(statement, holder, name, index, here)

    def _statement(  # noqa: C901, PLR0912  (one case for each kind of statement)
        self, node: ast.stmt, holder: ast.AST, name: str, index: int, place: _Place
    ) -> Iterator[Mutant]:
        gone = ast.copy_location(ast.Pass(), node)
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global() | ast.Nonlocal():
                return
            case ast.Expr(value=ast.Constant()):
                return
            case ast.FunctionDef():
                yield from self._function(node, place)
            case ast.ClassDef():
                inner = _Place(
                    f"{place.function}.{node.name}", place.qualname, place.first_line, node.lineno, node
                )
                yield from self._block(node, "body", inner)
            case ast.Raise(exc=exc):
                if exc is not None and place.qualname is not None:
                    yield self._mutant(place, holder, name, index, gone, node)
            case ast.Expr():
                yield self._mutant(place, holder, name, index, gone, node)
                yield from self._expression(node.value, node, "value", None, place)
            case ast.Break():
                yield self._mutant(place, holder, name, index, ast.copy_location(ast.Continue(), node), node)
            case ast.Continue():
                yield self._mutant(place, holder, name, index, ast.copy_location(ast.Break(), node), node)
            case ast.Return(value=value):
                if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
                    none = ast.copy_location(ast.Return(ast.Constant(None)), node)
                    yield self._mutant(place, holder, name, index, ast.fix_missing_locations(none), node)
                    yield from self._expression(value, node, "value", None, place)
            case ast.AugAssign():
                yield self._mutant(place, holder, name, index, gone, node)
                other = ARITHMETIC.get(type(node.op))
                if other:
                    changed = copy.deepcopy(node)
                    changed.op = other()
                    yield self._mutant(place, holder, name, index, changed, node)
                yield from self._expression(node.value, node, "value", None, place)
            case ast.Assign() | ast.AnnAssign():
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if node.value is not None and not _is_about_names(getattr(target, "id", "")):
                    yield from self._expression(node.value, node, "value", None, place)
            case _:
                yield from self._compound(node, place)

    def _function(self, node: ast.FunctionDef, place: _Place) -> Iterator[Mutant]:
        function = f"{place.function}.{node.name}"
        if place.qualname is None:
            scope = function.removeprefix(self._package + ".")
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            inner = _Place(function, scope, first, node.lineno, node)
        else:
            inner = _Place(function, place.qualname, place.first_line, node.lineno, node)
        outside = _Place(function, place.qualname, place.first_line, place.line, node)
        arguments = node.args
        for name in ("defaults", "kw_defaults"):
            for index, value in enumerate(getattr(arguments, name)):
                if value is not None:
                    outside.shown = value
                    owners = (
                        (*arguments.posonlyargs, *arguments.args)
                        if name == "defaults"
                        else arguments.kwonlyargs
                    )
                    owner = owners[index - len(getattr(arguments, name))].arg
                    for mutant in self._expression(value, arguments, name, index, outside):
                        mutant.before, mutant.after = f"{owner}={mutant.before}", f"{owner}={mutant.after}"
                        yield mutant
        yield from self._block(node, "body", inner)

    def _compound(  # noqa: C901  (one case for each kind of statement)
        self, node: ast.stmt, place: _Place
    ) -> Iterator[Mutant]:
        def at(shown: ast.AST) -> _Place:
            return _Place(place.function, place.qualname, place.first_line, place.line, shown)

        match node:
            case ast.If() | ast.While():
                yield from self._condition(node.test, node, "test", None, at(node.test))
            case ast.For():
                none = ast.copy_location(ast.Tuple([], ast.Load()), node.iter)
                yield self._mutant(
                    at(node.iter), node, "iter", None, none, node.iter, before="for " + ast.unparse(node.iter)
                )
                yield from self._expression(node.iter, node, "iter", None, at(node.iter))
            case ast.With():
                for each in node.items:
                    yield from self._expression(
                        each.context_expr, each, "context_expr", None, at(each.context_expr)
                    )
            case ast.Match():
                yield from self._expression(node.subject, node, "subject", None, at(node.subject))
                for case in node.cases:
                    if case.guard is not None:
                        yield from self._condition(case.guard, case, "guard", None, at(case.guard))
                    yield from self._block(case, "body", place)
            case ast.Try():
                for handler in node.handlers:
                    yield from self._block(handler, "body", place)
        for name in ("body", "orelse", "finalbody"):
            if isinstance(getattr(node, name, None), list):
                yield from self._block(node, name, place)

    # Expressions

    def _condition(
        self, node: ast.expr, holder: ast.AST, name: str, index: int | None, place: _Place
    ) -> Iterator[Mutant]:
        if not isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp):
            new = ast.copy_location(ast.UnaryOp(ast.Not(), node), node)
            yield self._mutant(place, holder, name, index, new, node)
        yield from self._expression(node, holder, name, index, place)

    def _expression(
        self, node: ast.expr, holder: ast.AST, name: str, index: int | None, place: _Place
    ) -> Iterator[Mutant]:
        for new in _variants(node):
            yield self._mutant(place, holder, name, index, ast.copy_location(new, node), node)
        yield from self._inside(node, place)

    def _inside(self, node: ast.AST, place: _Place) -> Iterator[Mutant]:
        if isinstance(node, ast.JoinedStr):
            return
        if isinstance(node, ast.IfExp) and not isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            new = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
            yield self._mutant(place, node, "test", None, new, node.test)
        if isinstance(node, ast.Lambda):
            yield from self._expression(node.body, node, "body", None, place)
            return
        zipped = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip"
        for name, value in ast.iter_fields(node):
            children = value if isinstance(value, list) else [value]
            for index, child in enumerate(children):
                at = index if isinstance(value, list) else None
                if isinstance(child, ast.expr):
                    if isinstance(node, ast.Call) and name == "func" and isinstance(child, ast.Name):
                        continue
                    yield from self._expression(child, node, name, at, place)
                elif isinstance(child, ast.keyword):
                    if zipped:
                        continue
                    yield from self._expression(child.value, child, "value", None, place)
                elif isinstance(child, ast.comprehension):
                    for number, test in enumerate(child.ifs):
                        yield from self._dropped(child, number, place)
                        yield from self._condition(test, child, "ifs", number, place)
                    yield from self._expression(child.iter, child, "iter", None, place)

    def _dropped(self, node: ast.comprehension, index: int, place: _Place) -> Iterator[Mutant]:
        true = ast.copy_location(ast.Constant(True), node.ifs[index])
        yield self._mutant(place, node, "ifs", index, true, node.ifs[index])

    def _mutant(
        self,
        place: _Place,
        holder: ast.AST,
        name: str,
        index: int | None,
        new: ast.AST,
        old: ast.AST,
        *,
        before: str = "",
    ) -> Mutant:
        mutant = Mutant(
            place.function, place.qualname, place.first_line, place.line, "", "", holder, name, index, new
        )
        ast.fix_missing_locations(new)
        shown = place.shown if _small(place.shown) else old
        within = _target(place.shown) if shown is old else ""
        mutant.before = before or within + _text(shown)
        mutant.swap()
        # a statement that is replaced as a whole is not reached from itself
        mutant.after = "nothing" if isinstance(new, ast.Pass) else _text(new if shown is old else shown)
        mutant.swap()
        return mutant


def _is_about_names(name: str) -> bool:
    """`__all__`, and a name for a type: `Fields = Map | ...`."""
    return name == "__all__" or (name[:1].isupper() and not name.isupper())


def _target(node: ast.AST) -> str:
    """What a long assignment assigns to, since the statement itself is not printed."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return f"{ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)} with "
    return ""


def _small(node: ast.AST) -> bool:
    return isinstance(
        node, ast.expr | ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr
    ) and (len(ast.unparse(node)) <= 160)


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 170 else text[:120] + " ... " + text[-40:]


def _variants(node: ast.expr) -> Iterator[ast.expr]:  # noqa: C901, PLR0912  (one case for each kind of expression)
    """Each change of this node alone."""
    match node:
        case ast.Compare(left=left, ops=ops, comparators=others):
            for index, operator in enumerate(ops):
                for other in COMPARE[type(operator)]:
                    yield ast.Compare(left, [*ops[:index], other(), *ops[index + 1 :]], others)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for index in range(len(values)):
                left = [*values[:index], *values[index + 1 :]]
                yield left[0] if len(left) == 1 else ast.BoolOp(op, left)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
            yield ast.Constant(value - 1)
        case ast.Constant(value=str(value)) if value == "" or WORD.match(value):
            yield ast.Constant(value + "x")
        case ast.Constant(value=bytes(value)):
            yield ast.Constant(value + b"x")
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords) if name in CALLS:
            yield ast.Call(ast.Name(CALLS[name], ast.Load()), arguments, keywords)
        case ast.Call(func=ast.Name(id="sorted"), args=[first, *_]):
            yield ast.Call(ast.Name("list", ast.Load()), [first], [])
        case ast.IfExp(test=_, body=body, orelse=orelse):
            yield body
            yield orelse
        case _:
            return
