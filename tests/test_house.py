"""The floors of the house: who may know whom, who may wait, and where an endpoint stands."""

import ast
from pathlib import Path

import pytest

import fourcasters_async

ROOT = Path(fourcasters_async.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LINES = 330

# Each room with those below it that it may know.
KNOWS: dict[str, set[str]] = {
    "errors": set(),
    "_secret": set(),
    "_tasks": set(),
    "_version": set(),
    "models": {"errors"},
    "_strict": set(),
    "converter": {"_strict", "errors", "models"},
    "_request": set(),
    "_document": {"_request", "converter", "errors"},
    "_verdict": {"_request", "errors"},
    "_reply": {"_document", "_request", "_verdict", "converter", "errors"},
    "_checks": {"_secret", "errors", "models"},
    "_pacing": {"_checks", "_request", "_verdict", "errors"},
    "_attempts": {"_pacing", "_request", "_verdict", "errors"},
    "_sender": {"_request", "_verdict"},
    "rate_limit": {"_checks", "_pacing", "errors"},
    "_middleware": set(),
    "_pool": {"_middleware", "_reply", "_request", "_tasks", "_verdict"},
    "_auth": {"_secret", "_version", "errors"},
    "_http": {
        "_attempts",
        "_auth",
        "_checks",
        "_pacing",
        "_reply",
        "_request",
        "_secret",
        "_sender",
        "_tasks",
        "_verdict",
        "errors",
        "rate_limit",
    },
    "_frames": {"_document", "_request", "_verdict", "converter", "errors"},
    "_cork": set(),
    "_connection": {"_cork", "_frames", "_reply", "_secret", "_verdict"},
    "_handshaker": {
        "_connection",
        "_cork",
        "_middleware",
        "_reply",
        "_request",
        "_secret",
        "_tasks",
        "_verdict",
    },
    "_socket": {
        "_attempts",
        "_auth",
        "_connection",
        "_handshaker",
        "_frames",
        "_http",
        "_pacing",
        "_request",
        "_secret",
        "_sender",
        "_verdict",
        "errors",
    },
    "fanout": {"_tasks", "_verdict", "errors", "models"},
    "_hedge": {"_verdict", "errors", "fanout", "models"},
    "dead_man": {"_checks", "errors"},
    "shutdown": {"errors", "models"},
    "account": {"_checks", "_http", "_request", "models"},
    "orders": {
        "_checks",
        "_request",
        "_sender",
        "_verdict",
        "account",
        "dead_man",
        "fanout",
        "models",
    },
    "rest_orders": {"_checks", "_request", "errors", "models", "orders"},
    "_heartbeat": {"_pacing", "_request"},
    "orders_socket": {
        "_checks",
        "_heartbeat",
        "_hedge",
        "_request",
        "_sender",
        "_socket",
        "dead_man",
        "fanout",
        "models",
        "orders",
    },
    "_transports": {
        "_auth",
        "_handshaker",
        "_heartbeat",
        "_http",
        "_pacing",
        "_pool",
        "_socket",
        "dead_man",
        "rate_limit",
    },
    "session": {
        "_auth",
        "_checks",
        "_heartbeat",
        "_pacing",
        "_request",
        "_secret",
        "_transports",
        "account",
        "dead_man",
        "errors",
        "models",
        "orders_socket",
        "rate_limit",
        "rest_orders",
        "shutdown",
    },
    "demo": {"models", "rate_limit", "session"},
    "_display": {"demo", "models"},
    "cli": {"_checks", "_display", "_version", "demo", "errors", "models", "session"},
    "__main__": {"cli"},
    "testing": set(),
}
PURE = {
    "_attempts",
    "_checks",
    "_document",
    "_frames",
    "_pacing",
    "_reply",
    "_request",
    "_secret",
    "_strict",
    "_verdict",
    "converter",
    "errors",
    "models",
}
ENDPOINTS = ("GET /", "POST /")
VERBS = {"_heartbeat", "_socket", "account", "rest_orders", "session"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            inside = node.module == "fourcasters_async"
            names |= {f"{node.module}.{a.name}" for a in node.names} if inside else {node.module}
    return names


def strings_of(path: Path) -> set[str]:
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


ROOMS = [path for path in FILES if path != ROOT / "__init__.py"]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_knows_only_those_below_it(path: Path) -> None:
    room = room_of(path)
    known = {
        name.split(".")[1] for name in imports_of(path) if name.startswith("fourcasters_async.")
    }
    assert known - {room} <= KNOWS[room]


@pytest.mark.parametrize("path", [p for p in ROOMS if room_of(p) in PURE], ids=lambda p: p.stem)
def test_a_pure_room_has_no_loop_no_clock_and_no_log(path: Path) -> None:
    assert not imports_of(path) & {"asyncio", "time", "logging", "socket", "ssl", "threading"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_one_idea_and_not_a_long_one(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES


def test_an_endpoint_is_declared_once() -> None:
    endpoints = [
        text
        for path in FILES
        if room_of(path) not in ("testing", "cli", "demo")
        for text in strings_of(path)
        if text.startswith(ENDPOINTS)
    ]
    assert len(endpoints) == len(set(endpoints)) > 0


def test_only_the_verbs_know_endpoints() -> None:
    knowing = {
        room_of(path)
        for path in FILES
        if any(text.startswith(ENDPOINTS) for text in strings_of(path))
    }
    assert knowing <= VERBS | {"testing"}


def test_every_public_name_is_documented_and_exported() -> None:
    for name in fourcasters_async.__all__:
        public = getattr(fourcasters_async, name)
        assert isinstance(public, str) or public.__doc__
