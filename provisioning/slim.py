"""Makes modules smaller before they are compiled: what a lock never asks for takes no heap.

Decides four things, by names alone and over all modules of one tree. A whole number or a short text
that a module gives a name once is written where it is used, and its name goes (on a chip each name
costs heap, also one that only says 5). A function, method or class that nothing in the tree names
goes, too: the protocol's modules serve both sides, and a lock plays one. A parameter that nobody
passes by name is called by its place, so that all functions share a few names. Errors of the
`quiet` package keep their kind and lose their text: a lock tells nobody what is wrong with bytes.
Private functions and classes of a module are called _f0, _f1 and so on, in every module.
Every line keeps its number, so that tracebacks fit the source. What names cannot decide is left as
it is. Pure: text to text.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

LARGEST = (1 << 30) - 1  # no allocation on any chip
LONGEST = 16  # characters: a text that is written twice is kept twice when it is longer

Value = int | str

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class _Module:
    """One module: `edits` are (first offset, last offset, new text)."""

    name: str
    source: str
    tree: ast.Module
    is_fixed: bool
    constants: dict[str, Value] = field(default_factory=dict)
    edits: list[tuple[int, int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lines = self.source.encode().splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All nodes of its tree."""
        return list(ast.walk(self.tree))

    def replace(self, node: ast.AST, text: str) -> None:
        """Write `text` for a node; lines that go stay as empty ones."""
        first, last = self._span(node)
        gone = self.source.encode()[first:last].count(b"\n")
        self.edits.append((first, last, text + "\n" * gone))

    def replace_name(self, node: ast.arg, text: str) -> None:
        """Write `text` for a parameter's name, and leave its annotation."""
        first, _ = self._span(node)
        self.edits.append((first, first + len(node.arg.encode()), text))

    def rename_definition(self, node: _Definition, text: str) -> None:
        """Write `text` for the name after its `def` or `class`."""
        start = self._starts[node.lineno - 1] + node.col_offset
        first = self.source.encode().index(node.name.encode(), start)
        self.edits.append((first, first + len(node.name.encode()), text))

    def edited(self) -> str:
        raw, end = self.source.encode(), 0
        outermost = []
        for first, last, text in sorted(self.edits, key=lambda edit: (edit[0], -edit[1])):
            if first >= end:
                outermost.append((first, last, text))
                end = last
        for first, last, text in reversed(outermost):
            raw = raw[:first] + text.encode() + raw[last:]
        return raw.decode()

    def _span(self, node: ast.AST) -> tuple[int, int]:
        decorators = getattr(node, "decorator_list", [])
        top = min([node.lineno, *(each.lineno for each in decorators)])  # type: ignore[attr-defined]
        first = self._starts[top - 1] + (0 if decorators else node.col_offset)  # type: ignore[attr-defined]
        return first, self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]


def slim(
    sources: dict[str, str], fixed: set[str], roots: set[str], quiet: str = "protocol"
) -> dict[str, str]:
    """{module name: source} with the same lines, fewer names.

    `fixed` modules are left as they are, and all that they name stays; `roots`: names of functions
    that are called from outside of the tree.
    """
    sources = _without_texts(sources, fixed, quiet)
    lean = _without_the_unused(_with_numbers(sources, fixed), fixed, roots)
    return _with_short_privates(_with_short_parameters(lean, fixed), fixed)


# --- texts of errors ---


def _without_texts(sources: dict[str, str], fixed: set[str], quiet: str) -> dict[str, str]:
    modules = _parsed(sources, fixed)
    for module in modules.values():
        if module.name.split(".")[0] == quiet and not module.is_fixed:
            for text in _error_texts(module):
                module.replace(text, "")
    return {name: module.edited() for name, module in modules.items()}


def _error_texts(module: _Module) -> Iterator[ast.expr]:
    """The text in each `raise SomeError("a text")`."""
    for node in module.nodes:
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            arguments = node.exc.args
            if len(arguments) == 1 and isinstance(arguments[0], ast.Constant):
                yield arguments[0]


# --- values ---


def _with_numbers(sources: dict[str, str], fixed: set[str]) -> dict[str, str]:
    modules = _parsed(sources, fixed)
    for module in modules.values():
        module.constants = _constants(module)
    kept = {name for module in modules.values() for name in _write_numbers(module, modules)}
    for module in modules.values():
        if not module.is_fixed:
            _drop_names(module, modules, kept)
    return {name: module.edited() for name, module in modules.items()}


def _parsed(sources: dict[str, str], fixed: set[str]) -> dict[str, _Module]:
    return {
        name: _Module(name, source, ast.parse(source), name in fixed)
        for name, source in sources.items()
    }


def _constants(module: _Module) -> dict[str, Value]:
    """Names that this module binds once, at its top, to a small value."""
    if module.is_fixed:
        return {}
    stored = [
        node.id
        for node in module.nodes
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    stored += [node.arg for node in module.nodes if isinstance(node, ast.arg)]
    found: dict[str, Value] = {}
    for statement in module.tree.body:
        for name, value in _bindings(statement, found):
            if stored.count(name) == 1 and name.upper() == name:
                found[name] = value
    return found


def _bindings(statement: ast.stmt, known: dict[str, Value]) -> Iterator[tuple[str, Value]]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return
    target, value = statement.targets[0], statement.value
    if isinstance(target, ast.Name):
        number = _value(value, known)
        if number is not None:
            yield target.id, number
    elif isinstance(target, ast.Tuple):
        yield from _each_of(target, value, known)


def _each_of(
    target: ast.Tuple, value: ast.expr, known: dict[str, Value]
) -> Iterator[tuple[str, Value]]:
    """`A, B = 1, 2` or `A, B = range(2)`; nothing unless all of them are numbers."""
    if _is_range(value):
        numbers: list[Value | None] = list(range(len(target.elts)))
    else:
        numbers = [_value(each, known) for each in getattr(value, "elts", [])]
    names = [each.id for each in target.elts if isinstance(each, ast.Name)]
    if len(names) == len(numbers) and None not in numbers:
        yield from zip(names, numbers, strict=True)  # type: ignore[arg-type]


def _is_range(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "range"
        and len(value.args) == 1
    )


def _value(value: ast.expr, known: dict[str, Value]) -> Value | None:
    """What an expression of plain values and known names is worth, if that is small."""
    names = {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}
    allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Name, ast.operator, ast.unaryop, ast.Load)
    if not names <= known.keys():
        return None
    if not all(isinstance(node, allowed) for node in ast.walk(value)):
        return None
    code = compile(ast.Expression(value), "constant", "eval")
    found = eval(code, {"__builtins__": {}}, dict(known))  # noqa: S307  arithmetic alone
    if isinstance(found, str):
        return found if len(found) <= LONGEST else None
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) > LARGEST:
        return None
    return found


def _write_numbers(module: _Module, modules: dict[str, _Module]) -> set[str]:
    """Put numbers where their names are read; names that somebody still needs."""
    places, values = _imported(module, modules)
    values = {**values, **module.constants}
    needed: set[str] = set()
    texts = [node for node in module.nodes if isinstance(node, ast.JoinedStr)]
    in_text = {id(node) for text in texts for node in ast.walk(text)}
    for node in module.nodes:
        if not isinstance(node, ast.Name | ast.Attribute):
            continue
        number = _read(node, places, values)
        if number is None or module.is_fixed or id(node) in in_text:
            needed.add(node.id if isinstance(node, ast.Name) else node.attr)
        elif isinstance(node.ctx, ast.Load):
            module.replace(node, f"({number!r})")
    return needed


def _read(
    node: ast.Name | ast.Attribute, places: dict[str, _Module], values: dict[str, Value]
) -> Value | None:
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node.value, ast.Name) and node.value.id in places:
        return places[node.value.id].constants.get(node.attr)
    return None


def _imported(
    module: _Module, modules: dict[str, _Module]
) -> tuple[dict[str, _Module], dict[str, Value]]:
    """What its imports bind: {name: module of the tree}, {name: number}."""
    places: dict[str, _Module] = {}
    values: dict[str, Value] = {}
    for node in module.nodes:
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        for alias in node.names:
            here = alias.asname or alias.name
            inside = modules.get(f"{node.module}.{alias.name}")
            origin = modules.get(node.module)
            if inside is not None:
                places[here] = inside
            elif origin is not None and alias.name in origin.constants:
                values[here] = origin.constants[alias.name]
    return places, values


def _drop_names(module: _Module, modules: dict[str, _Module], kept: set[str]) -> None:
    for statement in module.tree.body:
        names = [name for name, _ in _bindings(statement, module.constants)]
        if names and all(name in module.constants and name not in kept for name in names):
            module.replace(statement, "")
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            _drop_imports(module, node, modules[node.module].constants, kept)


def _drop_imports(
    module: _Module, node: ast.ImportFrom, constants: dict[str, Value], kept: set[str]
) -> None:
    left = [each for each in node.names if each.name not in constants or each.name in kept]
    _keep_imports(module, node, left)


def _keep_imports(module: _Module, node: ast.ImportFrom, left: list[ast.alias]) -> None:
    if len(left) < len(node.names):
        names = ", ".join(f"{e.name} as {e.asname}" if e.asname else e.name for e in left)
        module.replace(node, f"from {node.module} import {names}" if left else "pass")


# --- the unused ---


def _without_the_unused(
    sources: dict[str, str], fixed: set[str], roots: set[str]
) -> dict[str, str]:
    modules = _parsed(sources, fixed)
    waiting, live = _unused(modules, roots)
    for module, definition in waiting:
        module.replace(definition, "pass")
    lean = {name: module.edited() for name, module in modules.items()}
    return _without_unused_imports(_parsed(lean, fixed))


def _without_unused_imports(modules: dict[str, _Module]) -> dict[str, str]:
    """A module that nothing asks for any more is not even loaded."""
    used = {name: _used_names(each) for name, each in modules.items() if not each.is_fixed}
    for module in modules.values():
        for importing in _imports(module, modules) if not module.is_fixed else ():
            bound = [(each, each.asname or each.name) for each in importing.names]
            left = [each for each, here in bound if here in used[module.name]]
            _keep_imports(module, importing, left)
    return {name: module.edited() for name, module in modules.items()}


def _used_names(module: _Module) -> set[str]:
    return {
        node.id
        for top in module.tree.body
        for node in _walk_evaluated(top)
        if isinstance(node, ast.Name)
    }


def _walk_evaluated(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for each in _evaluated(node):
        yield from _walk_evaluated(each)


def _imports(module: _Module, modules: dict[str, _Module]) -> Iterator[ast.ImportFrom]:
    """The imports from modules of the same tree."""
    tops = {name.split(".")[0] for name in modules}
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in tops:
            yield node


def _unused(
    modules: dict[str, _Module], roots: set[str]
) -> tuple[list[tuple[_Module, _Definition]], set[str]]:
    """(definitions that nothing names that is itself in use, all names in use)."""
    waiting = [(module, each) for module in modules.values() for each in _definitions(module)]
    live = set(roots)
    for module in modules.values():
        live |= _named(module.tree, own=not module.is_fixed)
    found = True
    while found:
        used = [pair for pair in waiting if pair[1].name in live]
        waiting = [pair for pair in waiting if pair[1].name not in live]
        found = bool(used)
        for _, definition in used:
            live |= _named(definition, own=True)
    return waiting, live


def _definitions(module: _Module) -> Iterator[_Definition]:
    """Functions and classes of a module, methods of its classes; not what Python itself calls."""
    if module.is_fixed:
        return
    for node in module.tree.body:
        if isinstance(node, _DEFINITIONS):
            yield node
        for inner in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(inner, _DEFINITIONS) and not inner.name.startswith("__"):
                yield inner


def _named(root: ast.AST, own: bool) -> set[str]:
    """All names in `root`; with `own` without those inside of definitions that can go."""
    names: set[str] = set()
    stack = list(_evaluated(root))
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
        if not (own and _can_go(node, root)):
            stack += _evaluated(node)
    return names


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node but for annotations, which MicroPython never looks at."""
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            yield from (
                e for e in (value if isinstance(value, list) else [value]) if isinstance(e, ast.AST)
            )


def _can_go(node: ast.AST, root: ast.AST) -> bool:
    inside = isinstance(root, ast.Module | ast.ClassDef)
    dunder = isinstance(node, _DEFINITIONS) and node.name.startswith("__")
    return inside and isinstance(node, _DEFINITIONS) and not dunder


# --- parameters ---

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def _with_short_parameters(sources: dict[str, str], fixed: set[str]) -> dict[str, str]:
    modules = _parsed(sources, fixed)
    passed = {
        node.arg
        for module in modules.values()
        for node in module.nodes
        if isinstance(node, ast.keyword) and node.arg
    }
    for module in modules.values():
        if not module.is_fixed:
            _rename(module, module.tree, {}, passed | _in_texts(module) | {"self"})
    return {name: module.edited() for name, module in modules.items()}


def _in_texts(module: _Module) -> set[str]:
    """Names inside f-strings, whose places Python does not tell."""
    texts = [node for node in module.nodes if isinstance(node, ast.JoinedStr)]
    return {n.id for text in texts for n in ast.walk(text) if isinstance(n, ast.Name)}


def _rename(module: _Module, node: ast.AST, names: dict[str, str], kept: set[str]) -> None:
    if isinstance(node, ast.Name) and node.id in names:
        module.replace(node, names[node.id])
    inside = names
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        inside = _with_parameters(module, node, names, kept)
        for each in (*node.args.defaults, *node.args.kw_defaults):
            if each is not None:  # evaluated outside of the function
                _rename(module, each, names, kept)
        body = node.body if isinstance(node.body, list) else [node.body]
        for each in (*getattr(node, "decorator_list", []), *body):
            _rename(module, each, inside, kept)
        return
    for each in _evaluated(node):
        _rename(module, each, inside, kept)


def _with_parameters(
    module: _Module, node: _Function, names: dict[str, str], kept: set[str]
) -> dict[str, str]:
    """{name: its new one} inside of a function; writes those of its parameters."""
    own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    own_names = {each.arg for each in own}
    inside = {old: new for old, new in names.items() if old not in own_names}
    next_number = 1 + max((int(new[1:]) for new in inside.values()), default=-1)
    for number, each in enumerate(each for each in own if each.arg not in kept):
        inside[each.arg] = f"_{next_number + number}"
        module.replace_name(each, inside[each.arg])
    return inside


# --- private functions ---


def _with_short_privates(sources: dict[str, str], fixed: set[str]) -> dict[str, str]:
    modules = _parsed(sources, fixed)
    asked = {name for module in modules.values() for name in _asked_of_others(module)}
    for module in modules.values():
        if not module.is_fixed:
            _rename_privates(module, asked | _in_texts(module))
    return {name: module.edited() for name, module in modules.items()}


def _asked_of_others(module: _Module) -> Iterator[str]:
    """Names that it imports or reaches through a dot."""
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _rename_privates(module: _Module, kept: set[str]) -> None:
    bound = _bound_inside(module)
    definitions = [
        each
        for each in module.tree.body
        if isinstance(each, _DEFINITIONS)
        and each.name.startswith("_")
        and each.name not in kept
        and bound.count(each.name) == 1
    ]
    taken = {node.id for node in module.nodes if isinstance(node, ast.Name)} | set(bound)
    free = (name for name in map("_f{}".format, itertools.count()) if name not in taken)
    names = {each.name: name for each, name in zip(definitions, free, strict=False)}
    for each in definitions:
        module.rename_definition(each, names[each.name])
    for node in module.nodes:
        if isinstance(node, ast.Name) and node.id in names:
            module.replace(node, names[node.id])


def _bound_inside(module: _Module) -> list[str]:
    """Every name that something in it binds, as often as it does."""
    bound = [node.name for node in module.nodes if isinstance(node, _DEFINITIONS)]
    bound += [node.arg for node in module.nodes if isinstance(node, ast.arg)]
    return bound + [
        node.id
        for node in module.nodes
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    ]
