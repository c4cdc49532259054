"""Shrinks the sources of a board's tree before they are compiled: code and names lie in the heap of stock images.

Promises: the shrunk files do what the sources do, on MicroPython, for as long as all of them come from one `Shrinker`.
What is changed:

* a constant (`NAME = const(...)` or an ALL_CAPS name assigned once, an int or a short text) stands as its value
  wherever it is used, across modules too; its name, and imports that are then unused, are gone;
* a private data attribute (`self._name`) gets a name out of NAMES_IN_ROM, which every image has anyway, or loses its
  underscore where the plain name is a text that is there anyway. Methods and functions keep their names: tracebacks
  stay readable;
* a parameter that nobody passes by its name is called like one of PARAMETERS, for the same reason;
* annotations (of functions that are not viper) and docstrings are dropped.

What code outside of the tree may ask for by name (strings of the host's tools and of main.py) stays as it is.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from keyword import iskeyword
from pathlib import Path

from fieldgate.device_names import NAMES_IN_ROM, PARAMETERS
from fieldgate.places import PACKED

_TEXT_CHARS = 32
_Value = int | str | bytes
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*$")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Functions = ast.FunctionDef | ast.AsyncFunctionDef
_Imports = ast.Import | ast.ImportFrom


class Shrinker:
    """Knows all sources of one tree.

    sources: text by place on the board ("modbus/bus.py"). ours: places that may be renamed in; the names that others
    use are taken. outside: texts of code that talks to the tree by name.
    """

    def __init__(self, sources: dict[str, str], ours: Iterable[str], outside: Iterable[str] = ()) -> None:
        self._trees = {place: ast.parse(text) for place, text in sources.items()}
        self._ours = set(ours)
        self._kept = {name for text in outside for name in names_in(text)}
        self._constants = {module_of(place): self._constants_of(tree) for place, tree in self._trees.items()}
        self._asked_for: set[str] = set(self._kept)  # attributes of whatever, modules too
        self._passed_on: set[tuple[str, str]] = set()  # (module, name) that others import
        for place, tree in self._trees.items():
            self._look_at(place, tree)
        self._resolve()
        self.names = self._new_names()
        self._keywords = {
            node.arg
            for tree in self._trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and node.arg
        }

    def shrink(self, place: str) -> str:
        """The source of `place`, smaller."""
        module = module_of(place)
        tree = ast.parse(ast.unparse(self._trees[place]))
        _Folder(self._constants, module, self._kept, place.endswith("__init__.py")).work(tree)
        if place in self._ours:
            _Renamer(self.names).visit(tree)
            for node in ast.walk(tree):
                if isinstance(node, _Functions):
                    _rename_parameters(node, self._keywords | self._kept)
        _drop_unused_imports(tree, self._asked_for | {name for source, name in self._passed_on if source == module})
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

    # Constants

    def _constants_of(self, tree: ast.Module) -> dict[str, ast.expr | _Value]:
        found: dict[str, ast.expr | _Value] = {}
        stores = Counter(
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
        )
        for node in tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if _CONSTANT.match(name) and stores[name] == 1:
                    found[name] = node.value
        return found

    def _look_at(self, place: str, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self._asked_for.add(node.attr)
                if isinstance(node.ctx, ast.Store):  # `module.NAME = ...` makes it no constant, whatever the module
                    for constants in self._constants.values():
                        constants.pop(node.attr, None)
            elif isinstance(node, ast.ImportFrom):
                source = _imported_from(node, module_of(place), place.endswith("__init__.py"))
                if source in self._constants:
                    self._passed_on.update((source, alias.name) for alias in node.names)

    def _resolve(self) -> None:
        """Values of all constants that are ints; the others are none."""
        places = {module_of(place): tree for place, tree in self._trees.items()}
        for _ in range(4):  # constants of constants
            for module, constants in self._constants.items():
                known = dict(self._visible(places[module], module))
                for name, value in constants.items():
                    if not isinstance(value, _Value):
                        number = _evaluate(value, known)
                        if number is not None:
                            constants[name] = number
        for constants in self._constants.values():
            for name in [name for name, value in constants.items() if not isinstance(value, _Value)]:
                del constants[name]

    def _visible(self, tree: ast.Module, module: str) -> Iterator[tuple[str, _Value]]:
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                source = self._constants.get(_imported_from(node, module, False), {})
                for alias in node.names:
                    value = source.get(alias.name)
                    if isinstance(value, _Value):
                        yield alias.asname or alias.name, value
        for name, value in self._constants[module].items():
            if isinstance(value, _Value):
                yield name, value

    # Names

    def _new_names(self) -> dict[str, str]:
        taken: set[str] = set(self._kept)  # attributes, methods, functions, classes and all names of others
        private: Counter[str] = Counter()
        texts: set[str] = set()
        by_text: set[str] = set()  # private names of modules that name attributes by strings
        for place, tree in self._trees.items():
            if place in self._ours and _names_attributes_by_text(tree):
                by_text.update(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.add(node.value)
                if isinstance(node, _Functions | ast.ClassDef):
                    taken.add(node.name)
                elif isinstance(node, ast.Attribute):
                    if _is_private(node.attr) and place in self._ours:
                        private[node.attr] += 1
                    else:
                        taken.add(node.attr)
                elif isinstance(node, ast.Name) and (_is_private(node.id) or place not in self._ours):
                    taken.add(node.id)
                elif isinstance(node, ast.alias):
                    taken.update(_IDENTIFIER.findall(node.name))
        names: dict[str, str] = {}
        spare = [name for name in NAMES_IN_ROM if name not in taken and name not in texts]
        for name, _ in sorted(private.items(), key=lambda item: (-item[1], item[0])):
            plain = name[1:]
            if name in taken or name in texts or (name in by_text and plain in texts):
                continue  # a method, or reached by text: settings of uplink.session
            free = plain.isidentifier() and not iskeyword(plain) and plain not in taken and plain not in spare
            if spare and not (free and plain in texts):
                names[name] = spare.pop(0)
            elif free:
                names[name] = plain
            taken.add(names.get(name, name))
        return names


def names_in(text: str) -> Iterator[str]:
    """Identifiers in a piece of code, comments and documentation apart; of text that is no Python all words."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        yield from _IDENTIFIER.findall(text)
        return
    for node in ast.walk(tree):
        for field in ("id", "attr", "name", "arg"):
            if isinstance(getattr(node, field, None), str):
                yield getattr(node, field)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            yield node.value


def snippets(folder: Path) -> list[str]:
    """Pieces of device code among the strings of the host's tools: what is sent to a board's console."""
    found: list[str] = []
    for path in sorted(folder.glob("**/*.py")):
        if path.relative_to(folder).parts[0] == PACKED:
            continue  # the device's own sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\bimport \w", node.value):
                found.append(node.value)
    return found


def module_of(place: str) -> str:
    """Dotted name of the module that lies at `place`."""
    return place.rpartition(".")[0].replace("/", ".").removesuffix(".__init__")


def _names_attributes_by_text(tree: ast.Module) -> bool:
    """True if the module calls setattr or getattr with a name that is computed."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("setattr", "getattr", "hasattr")
        and not isinstance(node.args[1], ast.Constant)
        for node in ast.walk(tree)
    )


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _evaluate(node: ast.expr | _Value, known: dict[str, _Value]) -> _Value | None:
    """The int that an expression of ints and known names stands for, or a short text; None: something else."""
    if isinstance(node, _Value):
        return node
    if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and len(node.value) <= _TEXT_CHARS:
        return node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "const":
        node = node.args[0]
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and type(known.get(part.id)) is int:
            continue
        if isinstance(part, ast.Constant) and type(part.value) is int:
            continue
        if not isinstance(part, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop | ast.expr_context):
            return None
        if isinstance(part, ast.Div | ast.Pow | ast.MatMult):
            return None
    value = eval(compile(ast.Expression(node), "constant", "eval"), {"__builtins__": {}}, dict(known))  # noqa: S307
    return value if type(value) is int else None


def _imported_from(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, node.module] if node.module else base)


class _Folder(ast.NodeTransformer):
    """Puts values in the place of constants, takes the branch for MicroPython, drops annotations and docstrings."""

    def __init__(
        self, constants: dict[str, dict[str, ast.expr | _Value]], module: str, kept: set[str], is_package: bool
    ) -> None:
        self._constants = constants
        self._module = module
        self._kept = kept
        self._is_package = is_package
        self._values: dict[str, _Value] = {
            name: value for name, value in constants[module].items() if isinstance(value, _Value)
        }
        self._modules: dict[str, str] = {}  # local name of an imported module: its full name

    def work(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                source = _imported_from(node, self._module, self._is_package)
                for alias in node.names:
                    name = alias.asname or alias.name
                    value = self._constants.get(source, {}).get(alias.name)
                    if isinstance(value, _Value):
                        self._values[name] = value
                    elif f"{source}.{alias.name}" in self._constants:
                        self._modules[name] = f"{source}.{alias.name}"
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if (alias.asname or "." not in alias.name) and alias.name in self._constants:
                        self._modules[alias.asname or alias.name] = alias.name
        for node in ast.walk(tree):  # a local name or an argument hides the constant: leave such a name alone
            if isinstance(node, ast.arg):
                self._values.pop(node.arg, None)
                self._modules.pop(node.arg, None)
        self.visit(tree)
        tree.body = [node for node in tree.body if not self._is_spent(node)]

    def _is_spent(self, node: ast.stmt) -> bool:
        """An assignment of a constant whose name nobody needs any more."""
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            return False
        name = node.targets[0].id
        return name == "__all__" or (name in self._values and name not in self._kept)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id in self._values:
            return _number(self._values[node.id])
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name) and node.value.id in self._modules:
            value = self._constants[self._modules[node.value.id]].get(node.attr)
            if isinstance(value, _Value):
                return _number(value)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "const" and isinstance(node.args[0], ast.Constant):
            return node.args[0]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | None:
        # MicroPython's const() is for the compiler, which knows it; constants' values stand in their place.
        gone = {"const", *self._values}
        node.names = [alias for alias in node.names if (alias.asname or alias.name) not in gone]
        return node if node.names else None

    def visit_If(self, node: ast.If) -> ast.stmt | list[ast.stmt]:
        self.generic_visit(node)
        if ast.unparse(node.test) == "sys.implementation.name == 'micropython'":
            return node.body
        return node

    def visit_Try(self, node: ast.Try) -> ast.stmt | list[ast.stmt]:
        if ast.unparse(node.body[0]) == "from micropython import const":
            return []
        self.generic_visit(node)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        self.generic_visit(node)
        return node

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
        viper = any(ast.unparse(decorator).endswith("viper") for decorator in node.decorator_list)
        if not viper:
            node.returns = None
            for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                arg.annotation = None
            for vararg in (node.args.vararg, node.args.kwarg):
                if vararg:
                    vararg.annotation = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        return self._visit_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.stmt:
        return self._visit_function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node


def _number(value: _Value) -> ast.expr:
    if isinstance(value, int) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        node.attr = self._names.get(node.attr, node.attr)
        return node


def _rename_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef, kept: set[str]) -> None:
    """Names out of PARAMETERS for those parameters that are not in `kept`, wherever they stand in the function."""
    inside = list(ast.walk(function))
    used = {node.id for node in inside if isinstance(node, ast.Name)}
    used |= {node.arg for node in inside if isinstance(node, ast.arg)}
    used |= {name for node in inside if isinstance(node, ast.Nonlocal | ast.Global) for name in node.names}
    used |= {node.name for node in inside if isinstance(node, ast.FunctionDef | ast.ExceptHandler) and node.name}
    used |= {(alias.asname or alias.name) for node in inside if isinstance(node, _Imports) for alias in node.names}
    fixed = {name for node in inside if isinstance(node, ast.Nonlocal | ast.Global) for name in node.names}
    spare = [name for name in PARAMETERS if name not in used]
    names: dict[str, str] = {}
    for arg in (*function.args.posonlyargs, *function.args.args):
        if arg.arg not in kept and arg.arg not in fixed and arg.arg not in (*PARAMETERS, "self") and spare:
            names[arg.arg] = spare.pop(0)
    for node in inside:
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)


def _drop_unused_imports(tree: ast.Module, asked_for: set[str]) -> None:
    """`from ... import name` at the top level where neither the module uses the name nor anybody asks it for it."""
    used = asked_for | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [alias for alias in node.names if (alias.asname or alias.name) in used]
            if not node.names:
                continue
        kept.append(node)
    tree.body = kept
