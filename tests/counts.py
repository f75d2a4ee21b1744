"""What of the package's source should become less: places, found in its syntax trees.

`python -m tests.counts` prints how many of each there are, `python -m tests.counts files` those
whose name begins so, place by place.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent / "survjax"

LONG_FILE, LONG_FUNCTION, FULL_FOLDER = 300, 60, 12
#: Where a model's class may be told from another: what defines them, and what differentiates them.
TOLD_APART = ("lifetimes", "likelihood/row_derivatives.py", "likelihood/row_derivatives.py")
#: Names of an integer K that counts components.
COMPONENTS = {"k", "K", "n_components"}


class Source(NamedTuple):
    """One file: its path below the package, its lines, the nodes of its syntax tree."""

    path: str
    lines: int
    nodes: list[ast.AST]

    @property
    def package(self) -> str:
        """The dotted name of the package that the file is in."""
        return ".".join(("survjax", *Path(self.path).parts[:-1]))

    def at(self, node: ast.AST, what: str = "") -> str:
        """Name a place in this file."""
        return f"{self.path}:{getattr(node, 'lineno', 1)} {what}".strip()


def sources(folder: Path = PACKAGE) -> list[Source]:
    """Read every file of a package."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(folder).as_posix()
        found.append(Source(name, len(text.splitlines()), list(ast.walk(ast.parse(text)))))
    return found


def long_files(files: list[Source]) -> Iterator[str]:
    """Files over 300 lines."""
    for file in files:
        if file.lines > LONG_FILE:
            yield f"{file.path} has {file.lines} lines"


def long_functions(files: list[Source]) -> Iterator[str]:
    """Functions whose body, without its docstring, is over 60 lines."""
    for file in files:
        for node in file.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                size = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                if size > LONG_FUNCTION:
                    yield file.at(node, f"{node.name} has {size} lines")


def full_folders(files: list[Source]) -> Iterator[str]:
    """Folders with over 12 files, `__init__.py` aside."""
    parents = [Path(f.path).parent.as_posix() for f in files if not f.path.endswith("__init__.py")]
    for folder, size in Counter(parents).items():
        if size > FULL_FOLDER:
            yield f"{folder} has {size} files"


def private_imports(files: list[Source]) -> Iterator[str]:
    """Imports of a module whose name begins with `_`, from outside the package it is in."""
    known = modules(files)
    for file in files:
        seen = set()
        for node in file.nodes:
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for home, private in filter(None, map(private_part, names)):
                inside = f"{file.package}.".startswith(f"{home}.")
                if private in known and not inside and private not in seen:
                    seen.add(private)
                    yield file.at(node, f"imports {private}")


def private_part(name: str) -> tuple[str, str] | None:
    """The package that holds the first private module of a dotted name, and that module."""
    parts = name.split(".")
    for i, part in enumerate(parts):
        if parts[0] == "survjax" and part.startswith("_") and not part.startswith("__"):
            return ".".join(parts[:i]), ".".join(parts[: i + 1])
    return None


def modules(files: list[Source]) -> set[str]:
    """Dotted names of all modules and packages."""
    named = {f"{f.package}.{Path(f.path).stem}" for f in files}
    return named | {f.package for f in files}


def tests_of_class(files: list[Source]) -> Iterator[str]:
    """Tests on the class of a lifetime, model template or likelihood, where none belongs."""
    known = model_classes(files)
    for file in files:
        if file.path.startswith(TOLD_APART):
            continue
        for node in file.nodes:
            asked = known & set(map(last_name, asked_classes(node)))
            if asked:
                yield file.at(node, f"asks for {', '.join(sorted(asked))}")


def model_classes(files: list[Source]) -> set[str]:
    """Names of classes that derive, at any depth, from a lifetime, template or likelihood."""
    roots = ("Lifetime", "Form", "Likelihood", "Moments", "Passes", "Estimator")
    bases: dict[str, set[str]] = {}
    for file in files:
        for node in file.nodes:
            if isinstance(node, ast.ClassDef):
                bases[node.name] = set(map(last_name, node.bases))
    found = {name for name in bases if name.endswith(roots)}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return found - {"Lifetime"}  # "is it a lifetime at all" is a check of input


def asked_classes(node: ast.AST) -> list[ast.expr]:
    """The classes of `isinstance(x, ...)`, of `case Class():` and of `type(x) is Class`."""
    if isinstance(node, ast.Call) and last_name(node.func) == "isinstance" and len(node.args) == 2:
        return alternatives(node.args[1])
    if isinstance(node, ast.MatchClass):
        return [node.cls]
    if (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Call)
        and last_name(node.left.func) == "type"
    ):
        return [item for other in node.comparators for item in alternatives(other)]
    return []


def alternatives(node: ast.expr) -> list[ast.expr]:
    """The members of `(A, B)` and of `A | B`."""
    if isinstance(node, ast.Tuple):
        return [item for part in node.elts for item in alternatives(part)]
    if isinstance(node, ast.BinOp):
        return alternatives(node.left) + alternatives(node.right)
    return [node]


def last_name(node: ast.AST) -> str:
    """The last part of a (dotted) name; an empty text for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.id if isinstance(node, ast.Name) else ""


def arithmetic_on_positions(files: list[Source]) -> Iterator[str]:
    """Places such as `x[: 2 * k]`, `np.zeros(k - 1)`, `3 * k - 1` and `(x.size + 1) // 3`.

    They say where a parameter stands, or how many there are. One component less, as a number of
    components, says neither.
    """
    for file in files:
        inside = {
            id(node) for whole in file.nodes for part in sized(whole) for node in ast.walk(part)
        }
        for node in file.nodes:
            if isinstance(node, ast.BinOp) and places(node, id(node) in inside):
                yield file.at(node, ast.unparse(node))


def sized(node: ast.AST) -> list[ast.expr]:
    """What says a place or a size: the inside of a subscript, arguments of a function of NumPy."""
    if isinstance(node, ast.Subscript):
        return [node.slice]
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("np.", "jnp.")):
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return []


def places(node: ast.BinOp, is_size: bool) -> bool:
    """Tell whether a sum, product or quotient says where a parameter stands."""
    left, right = node.left, node.right
    if isinstance(node.op, ast.Mult):
        numbers = (2, 3) if is_size else (3,)
        times = whole(left, *numbers) and counts_components(right)
        return times or (whole(right, *numbers) and counts_components(left))
    if isinstance(node.op, ast.FloorDiv):
        more = isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add)
        return more and whole(left.right, 1) and whole(right, 3)
    less = isinstance(node.op, ast.Sub) and whole(right, 1) and counts_components(left)
    return less and is_size


def whole(node: ast.expr, *values: int) -> bool:
    """Tell whether an expression is one of some whole numbers (2.0 is not one)."""
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value in values


def counts_components(node: ast.expr) -> bool:
    """Tell whether an expression is a number of components: a name of it, or `weights.size`."""
    if last_name(node) == "size" and isinstance(node, ast.Attribute):
        return last_name(node.value).strip("_") == "weights"
    return last_name(node).strip("_") in COMPONENTS


def bare_any(files: list[Source]) -> Iterator[str]:
    """Annotations that are `Any` and nothing more."""
    for file, node in annotations(files):
        if last_name(node) == "Any":
            yield file.at(node)


def annotations(files: list[Source]) -> Iterator[tuple[Source, ast.expr]]:
    """Every annotation of a parameter, a return value, a variable or a field."""
    for file in files:
        for node in file.nodes:
            found = getattr(node, "annotation", None) or getattr(node, "returns", None)
            if isinstance(found, ast.expr):
                yield file, found


KINDS = {
    "files over 300 lines": long_files,
    "functions over 60 lines": long_functions,
    "folders over 12 files": full_folders,
    "imports of another package's private module": private_imports,
    "tests on a model's class": tests_of_class,
    "arithmetic on positions of parameters": arithmetic_on_positions,
}


def count(files: list[Source]) -> dict[str, float]:
    """Count every kind; the share of annotations that are a bare Any is in percent."""
    found: dict[str, float] = {name: len(list(kind(files))) for name, kind in KINDS.items()}
    share = len(list(bare_any(files))) / max(1, len(list(annotations(files))))
    found["bare Any, percent of annotations"] = round(100.0 * share, 1)
    found["lines of the package"] = sum(file.lines for file in files)
    return found


def main() -> None:
    """Print the counts, or the places of one kind."""
    files = sources()
    for name, kind in KINDS.items():
        if len(sys.argv) > 1 and name.startswith(sys.argv[1]):
            print("\n".join(kind(files)))
            return
    for name, number in count(files).items():
        print(f'    "{name}": {number:g},')


if __name__ == "__main__":
    main()
