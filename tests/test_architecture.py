"""The house stays in order: imports go down only, names are documented, importing is light."""

import ast
import graphlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

import survjax
from tests import counts

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "survjax"

# From the ground up; a part may import itself and what stands before it.
ORDER = (
    "_core",
    "optimize",
    "priors",
    "data",
    "lifetimes",
    "nonparametric",
    "likelihood",
    "fitting",
    "cox",
    "prediction",
    "metrics",
    "uncertainty",
    "networks",
    "estimators",
    "baselines",
    "datasets",
    "plotting",
    "cli",
    "__main__",
)

MATHEMATICS = set(ORDER[: ORDER.index("estimators")])
BORDER = {"estimators", "baselines", "datasets", "plotting", "cli"}
# Who may import what, at the top of a module or inside a function.
ALLOWED = {
    "jax": MATHEMATICS | {"baselines"},
    "jaxlib": MATHEMATICS | {"baselines"},
    "optax": {"optimize", "networks", "baselines"},
    "sklearn": BORDER - {"plotting"},
    "pandas": BORDER | {"nonparametric"},  # to_frame() of a curve
    "narwhals": BORDER | {"data"},  # Observations.from_frame takes any frame
    "matplotlib": {"plotting"},
    "PIL": {"plotting"},
    "blackjax": {"uncertainty"},
}
# Imported where they are used: extras, or slow to load.
LATE = {
    "blackjax", "dask", "distributed", "duckdb", "flax", "narwhals", "openpyxl", "pandas", "polars",
    "pyarrow", "rich", "scipy", "sklearn",
}  # fmt: skip
HEAVY = ("jax", "sklearn", "pandas", "scipy", "matplotlib", "narwhals", "optax")


class Import(NamedTuple):
    """One imported module, and where."""

    target: str
    line: int
    deferred: bool


def module_name(path: Path) -> str:
    """Give the dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def part(module: str) -> str:
    """Name the part of the house (the first level below `survjax`) that a module is in."""
    return [*module.split("."), ""][1]


def is_typing_guard(node: ast.AST) -> bool:
    """Tell whether a node is `if TYPE_CHECKING:`, whose imports never run."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_of(tree: ast.AST, package: str, deferred: bool = False) -> Iterator[Import]:
    """Walk a syntax tree and yield what it imports, by full name."""
    for node in ast.iter_child_nodes(tree):
        if is_typing_guard(node):
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, deferred)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            base = ".".join(filter(None, [*(above if node.level else []), node.module]))
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield Import(name if name in MODULES else base, node.lineno, deferred)
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_of(node, package, deferred or inside)


def all_imports() -> Iterator[tuple[str, Import]]:
    """Yield every import of every module of the package."""
    for module, path in MODULES.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for found in imports_of(tree, package):
            yield module, found


IMPORTS = list(all_imports())


def test_every_part_of_the_house_has_its_place_in_the_order():
    parts = {part(module) for module in MODULES} - {""}
    assert parts - set(ORDER) == set(), "a new part needs a place in ORDER"


def test_imports_go_down_only():
    wrong = [
        f"{module}:{found.line} imports {found.target}"
        for module, found in IMPORTS
        if found.target.startswith("survjax.")
        and part(module)
        and ORDER.index(part(found.target)) > ORDER.index(part(module))
        # `.plot` methods reach up for the drawing, when they are called.
        and not (found.deferred and part(found.target) == "plotting")
    ]
    assert wrong == []


def test_modules_never_import_each_other_in_a_circle():
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for module, found in IMPORTS:
        if found.target in MODULES and not found.deferred:
            graph[module].add(found.target)
    # prepare() raises CycleError, which names the circle.
    graphlib.TopologicalSorter(graph).prepare()


def test_each_library_is_imported_only_where_it_belongs():
    wrong = [
        f"{module}:{found.line} imports {found.target}"
        for module, found in IMPORTS
        if part(module) not in ALLOWED.get(found.target.split(".")[0], set(ORDER) | {""})
    ]
    assert wrong == []


def test_imports_inside_functions_are_for_the_cli_extras_and_plot_methods():
    wrong = [
        f"{module}:{found.line} imports {found.target}"
        for module, found in IMPORTS
        if found.deferred
        and part(module) not in ("", "cli")
        and found.target.split(".")[0] not in LATE
        and not found.target.startswith("survjax.plotting")
    ]
    assert wrong == []


SETTERS = re.compile(
    r"jax\.config\.update|rcParams(\[.*\]|\.update)|style\.use|set_option|set_printoptions|"
    r"np\.seterr|matplotlib\.use"
)


def test_global_settings_of_other_libraries_are_changed_on_request_only():
    wrong = []
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            changed = [node.func] if isinstance(node, ast.Call) else getattr(node, "targets", [])
            if any(SETTERS.search(ast.unparse(place)) for place in changed):
                wrong.append(f"{module}:{node.lineno}: {ast.unparse(node)}")
    assert wrong == []


def test_what_is_compiled_at_the_top_of_a_module_is_kept_on_disk():
    wrong = []
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            inside = getattr(node, "decorator_list", [getattr(node, "value", None)])
            code = [p for p in inside if p is not None and not isinstance(p, ast.Constant)]
            if any("jax.jit" in ast.unparse(part) for part in code):
                wrong.append(f"{module}:{node.lineno} uses jax.jit: use _core.programs.program")
    assert wrong == []


def test_no_source_file_is_longer_than_400_lines():
    files = [path for folder in ("survjax", "tests", "datasets") for path in walk(ROOT / folder)]
    lengths = {str(path.relative_to(ROOT)): count_lines(path) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


# As it is today (`python -m tests.counts`): lower a number that has fallen, never raise one.
MOST = {
    "files over 300 lines": 0,
    "functions over 60 lines": 0,
    "folders over 12 files": 0,
    "imports of another package's private module": 0,
    "tests on a model's class": 0,
    "arithmetic on positions of parameters": 0,
    "bare Any, percent of annotations": 8.0,
    "lines of the package": 65424,
}


def test_what_should_become_less_does_not_become_more(request):
    files = counts.sources()
    found = counts.count(files)
    assert found.keys() == MOST.keys()
    risen = [
        f"{name}: {number:g}, and at most {MOST[name]:g} before"
        + "".join(f"\n    {place}" for place in counts.KINDS.get(name, lambda _: ())(files))
        for name, number in found.items()
        if number > MOST[name]
    ]
    assert risen == [], "\n".join(risen)
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    for name, number in found.items():
        if terminal and number < MOST[name]:
            terminal.write_line(f"\n{name}: {number:g} and no longer {MOST[name]:g}: lower MOST")


def test_the_counts_see_what_they_count(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "_own.py").write_text("class GammaForm(Form): ...\n" + "x = 1\n" * 300)
    body = "    a = 1\n" * 61
    (tmp_path / "outer.py").write_text(
        "from survjax.inner import _own\n"
        "from survjax.inner._own import x\n"
        f"def f(a: Any, k: int) -> list[Any]:\n{body}"
        "def g(m, k):\n"
        "    match m:\n"
        "        case GammaForm(): return 3 * k - 1\n"
        "    return isinstance(m, (int, GammaForm)) or type(m) is GammaForm or k - 1\n"
        "n = x[: k * 2], np.zeros(k - 1), (x.size + 1) // 3\n"
    )
    for i in range(13):
        (tmp_path / "inner" / f"part_{i}.py").write_text("")
    assert counts.count(counts.sources(tmp_path)) == {
        "files over 300 lines": 1,
        "functions over 60 lines": 1,
        "folders over 12 files": 1,
        "imports of another package's private module": 1,
        "tests on a model's class": 3,
        "arithmetic on positions of parameters": 4,
        "bare Any, percent of annotations": 33.3,
        "lines of the package": 301 + 69,
    }


def walk(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder."""
    return folder.rglob("*.py")


def count_lines(path: Path) -> int:
    """Count the lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def public_objects() -> dict[str, object]:
    """Collect what users can reach by name: the table, and the lists of the public packages."""
    found = {f"survjax.{name}": getattr(survjax, name) for name in survjax._PUBLIC}
    for package, path in MODULES.items():
        if path.name == "__init__.py" and package != "survjax" and "._" not in package:
            module = import_module(package)
            for name in getattr(module, "__all__", []):
                found[f"{package}.{name}"] = getattr(module, name)
    return {name: thing for name, thing in found.items() if not inspect.ismodule(thing)}


@pytest.fixture(scope="module")
def public():
    return public_objects()


def test_every_name_in_the_table_loads_and_is_listed_where_it_lives():
    for name, module in survjax._PUBLIC.items():
        assert getattr(survjax, name) is getattr(import_module(module), name)
    assert set(dir(survjax)) >= set(survjax._PUBLIC)
    with pytest.raises(AttributeError, match="no attribute 'WeibullMixtures'"):
        _ = survjax.WeibullMixtures


def test_every_public_package_is_an_attribute_of_survjax_or_of_its_package():
    tops = {part(name) for name, path in MODULES.items() if path.name == "__init__.py"} - {""}
    # A command, and packages whose names for users, if any, are all in the table.
    hidden = {"cli", "data", "likelihood", "fitting", "prediction", "uncertainty", "networks"}
    hidden.add("estimators")
    assert {name for name in tops if name[0] != "_"} - hidden == set(survjax._MODULES)


def test_the_stub_for_type_checkers_lists_exactly_the_table():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    listed = {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    expected = survjax._PUBLIC | dict.fromkeys(survjax._MODULES, "survjax")
    missing = [f"from {m} import {n} as {n}" for n, m in expected.items() if listed.get(n) != m]
    assert missing == [], "add these lines to survjax/__init__.pyi"
    assert set(listed) == set(expected), "survjax/__init__.pyi lists names that are not public"


def test_every_public_name_has_a_docstring(public):
    bare = [name for name, thing in public.items() if not (inspect.getdoc(thing) or "").strip()]
    for name, thing in public.items():
        if inspect.isclass(thing):
            bare += [f"{name}.{member}" for member in undocumented(thing)]
    assert bare == []


def undocumented(cls: type) -> Iterator[str]:
    """Yield the public methods and properties, defined by survjax, that lack a docstring."""
    for name, member in inspect.getmembers(cls):
        function = member.fget if isinstance(member, property) else member
        if name.startswith("_") or not callable(function):
            continue
        ours = (getattr(function, "__module__", "") or "").startswith("survjax")
        if ours and not (inspect.getdoc(member) or "").strip():
            yield name


def test_every_public_function_names_its_parameters_in_its_docstring(public):
    missing = [
        f"{name}: {parameter}"
        for name, thing in public.items()
        if inspect.isfunction(thing)
        for parameter in inspect.signature(thing).parameters
        if not re.search(rf"\b{parameter}\b", inspect.getdoc(thing) or "")
    ]
    assert missing == []


def documented_objects() -> list[object]:
    """Load everything that has an entry in the documentation; a package stands for its list."""
    pages = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").rglob("*.md"))
    found = []
    for entry in re.findall(r"^::: ([\w.]+)$", pages, flags=re.MULTILINE):
        if entry in MODULES:
            package = import_module(entry)
            found += [getattr(package, name) for name in package.__all__]
        else:
            module, _, name = entry.rpartition(".")
            found.append(getattr(import_module(module), name))
    return found


def test_every_public_name_has_its_place_in_the_documentation(public):
    documented = {id(thing) for thing in documented_objects()}
    missing = [
        name
        for name, thing in public.items()
        if id(thing) not in documented and (inspect.isclass(thing) or callable(thing))
    ]
    assert missing == [], "add `::: name` for these to a page in docs/"


LIGHT = f"""
import sys
{{statement}}
heavy = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded {{{{', '.join(heavy)}}}}" if heavy else 0)
"""


@pytest.mark.parametrize(
    "statement",
    ["import survjax; dir(survjax)", "from survjax.cli import main\nhelp_on(main)"],
    ids=["import", "help"],
)
def test_importing_survjax_and_asking_for_help_load_no_heavy_library(statement):
    helper = (
        "def help_on(main):\n"
        "    try:\n"
        "        main(['--help'])\n"
        "    except SystemExit as stop:\n"
        "        assert not stop.code, stop.code\n"
    )
    code = helper + LIGHT.format(statement=statement)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
