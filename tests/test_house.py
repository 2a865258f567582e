"""The floors of the house: which package may import which, and where an endpoint stands.

When a test here fails, the import that it names goes upwards or sideways. Move the code to the
package that its idea belongs to, or pass the thing in as an argument. A new package or public
module gets a line in `MAY_IMPORT`.
"""

import ast
import re
from pathlib import Path

import pytest

import fourcasters_async

ROOT = Path(fourcasters_async.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LINES = 330

RECORDS = {"errors", "models"}
TRANSPORTS = {"_http", "_websocket"}
VERBS = {"account", "markets", "orders", "dead_man", "flatten", "feeds"}
# Each package or public module, with those that it may import.
MAY_IMPORT: dict[str, set[str]] = {
    "_lazy": set(),
    "_version": set(),
    "errors": set(),
    "models": {"_lazy", "errors"},
    "_core": {"_version", "errors"},
    "_json": {"_core", *RECORDS},
    "_http": {"_core", "_json", *RECORDS},
    "_websocket": {"_core", "_http", "_json", *RECORDS},
    "events": {"_core", "dead_man", *RECORDS},
    "_events": {"_core", "dead_man", "events", *RECORDS},
    "contrib": {"_version", "dead_man", "events", *RECORDS},
    "exposure": {"models"},
    "graded": {"_core", *RECORDS},
    "account": {"_core", "exposure", "graded", *RECORDS},
    "search": {"models"},
    "markets": {"_core", "search", *RECORDS},
    "dead_man": {"_core", "errors"},
    "orders": {"_core", "_websocket", "account", "dead_man", *RECORDS},
    "_signals": {"_core", "errors"},
    "flatten": {"_core", "_signals", *RECORDS},
    "_transports": {"_core", "_json", "dead_man", "orders", *RECORDS, *TRANSPORTS},
    "_settings": {"_core", "errors", "events"},
    "_sign_in": {"_core", "orders", *RECORDS},
    "feeds": {"_core", "_websocket", "_json", *RECORDS},
    "session": {
        *("_core", "_events", "_http", "_settings", "_sign_in", "_transports"),
        *RECORDS,
        *VERBS,
    },
    "testing": set(),
    # It draws what a bot is given, records of the client among them. The sandbox does without it.
    "testing.strategies": {"models", "testing"},
    "_pytest_plugin": {"session", "testing"},
    "cli": {
        *("_core", "_settings", "_version", "feeds", "orders", "search", "session", "testing"),
        *RECORDS,
    },
    "__main__": {"cli"},
}
# What makes a decision or does arithmetic: no loop, no clock, no log.
PURE = {
    "errors.py",
    "exposure.py",
    "feeds/ledger.py",
    "models",
    "search.py",
    "_json",
    "_core/failures.py",
    "_core/holds.py",
    "_core/outcome.py",
    "_core/request.py",
    "_core/retry.py",
    "_core/secret.py",
    "_core/sliding_window.py",
    "_core/text.py",
    "_core/validation.py",
    "_http/response.py",
    "_websocket/frames.py",
    "feeds/order_book.py",
    "feeds/price_frames.py",
    "feeds/subscriptions.py",
    "feeds/messages.py",
    "feeds/open_order.py",
    "feeds/owed.py",
    "feeds/upkeep.py",
    "feeds/replay.py",
    "orders/answers.py",
    "orders/arguments.py",
}
ENDPOINTS = ("GET /", "POST /")
# In docs/architecture.md the arrows to these are not drawn.
GROUND = {"_core", "_lazy", "_version", *RECORDS}
DRAWING = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    whole = ".".join(parts)
    return whole if whole in MAY_IMPORT else parts[0]


def modules_imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def strings_in(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def is_pure(path: Path) -> bool:
    inside = path.relative_to(ROOT)
    return str(inside) in PURE or inside.parts[0] in PURE


MODULES = [path for path in FILES if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = package_of(path)
    imported = {
        name.split(".")[1]
        for name in modules_imported_by(path)
        if name.startswith("fourcasters_async.")
    }
    upwards = imported - {package} - MAY_IMPORT[package]
    assert not upwards, f"{package} may import only {sorted(MAY_IMPORT[package])}"


def test_the_plan_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^ +([\w.]+)(?:\[.*?\])? --> (\w+)", DRAWING, re.MULTILINE)
    planned = [(package, each) for package in MAY_IMPORT for each in MAY_IMPORT[package] - GROUND]
    assert sorted(drawn) == sorted(planned), "draw the arrows of MAY_IMPORT in docs/architecture.md"


def test_no_module_imports_itself_in_a_circle() -> None:
    names = {
        "fourcasters_async." + ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in MODULES
    }
    reached: dict[str, set[str]] = {}

    def reach(name: str, path: tuple[str, ...] = ()) -> set[str]:
        assert name not in path, " imports ".join([*path[path.index(name) :], name])
        if name not in reached:
            direct = modules_imported_by(names[name]) & names.keys()
            reached[name] = direct.union(*[reach(each, (*path, name)) for each in direct])
        return reached[name]

    for name in names:
        reach(name)


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if is_pure(path)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_pure_module_has_no_loop_no_clock_and_no_log(path: Path) -> None:
    impure = {"asyncio", "time", "logging", "socket", "ssl", "threading"}
    assert not modules_imported_by(path) & impure


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_idea_and_not_a_long_one(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES


def test_an_endpoint_is_declared_once() -> None:
    endpoints = [
        text
        for path in FILES
        if package_of(path) not in ("testing", "cli")
        for text in strings_in(path)
        if text.startswith(ENDPOINTS) and "{" not in text
    ]
    assert len(endpoints) == len(set(endpoints)) > 0


def test_only_the_verbs_know_endpoints() -> None:
    knowing = {
        package_of(path)
        for path in FILES
        if any(text.startswith(ENDPOINTS) and text.split()[1] != "/" for text in strings_in(path))
    }
    assert knowing <= VERBS | {"_sign_in", "graded", "testing"}


def test_every_public_name_is_documented_and_exported() -> None:
    for name in fourcasters_async.__all__:
        public = getattr(fourcasters_async, name)
        assert isinstance(public, str) or public.__doc__
