"""What the pages of docs/ name is there, and what there is they name."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pages import PAGES, README, ROOT
from test_house import FILES, package_of

import fourcasters_async
from fourcasters_async import errors, testing
from fourcasters_async.testing import strategies

REFERENCE = "\n".join(page.read_text() for page in PAGES if page.parent.name == "reference")
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
LINKED = [README, *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")), *PAGES]
ERRORS = {
    name
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, Exception)
}
LEVELS = {"log", "warning", "error", "exception", "critical"}


def names_in_the_reference(module: str) -> set[str]:
    return set(re.findall(rf"^\.\. auto\w+:: {re.escape(module)}\.(\w+)$", REFERENCE, re.MULTILINE))


@pytest.mark.parametrize(
    "module", [fourcasters_async, testing, strategies], ids=lambda module: str(module.__name__)
)
def test_every_public_name_is_in_the_reference(module: object) -> None:
    name, public = getattr(module, "__name__", ""), set(getattr(module, "__all__", ()))
    assert names_in_the_reference(name) == public, "see docs/reference/"


def headings(page: Path) -> set[str]:
    """Return what a link to a heading of a page ends with."""
    titles = re.findall(r"^#{1,6} (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not heading or heading in headings(linked), target


def test_the_pictures_show_what_the_command_line_prints() -> None:
    words = (sys.executable, "docs/pictures.py", "--check")
    check = subprocess.run(  # noqa: S603  # it is the script of this project
        words, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


def text_of(node: ast.AST) -> str | None:
    """Return a string of the source with `…` in the place of what is put in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%(\.\d+)?[sdfgr]", "…", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "…" for part in node.values)
    return None


def told(text: str) -> str:
    """Return what a text says after the endpoint, the argument or the game that it begins with."""
    return re.sub(r"^(…: )*(not sent: )?", "", text)


def texts_in(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the texts among nodes of the source that say something of their own."""
    texts = {told(text) for node in nodes if (text := text_of(node)) is not None}
    return {text for text in texts if re.search(r"[a-z]", text)}


def arguments_that_are_told() -> Iterator[ast.AST]:
    """Yield what errors, and log lines at WARNING and above, get as their text.

    What a `DecodeError` says is in the words of JSON, and there is no end of it.
    """
    for node in LIBRARY:
        match node:
            case ast.Call(func=ast.Name(id=name), args=[text, *_]) if name in ERRORS:
                if name != "DecodeError":
                    yield text
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[*texts]
            ) if level in LEVELS:
                yield from texts[:2]


def quoted_texts() -> Iterator[str]:
    """Yield the texts in the tables of the page: the first cell, or the one after a level."""
    for row in re.findall(r"^\| (.*) \|$", TROUBLESHOOTING, re.MULTILINE):
        cells = row.split(" | ")
        cell = cells[1] if cells[0].startswith(("WARNING", "ERROR")) else cells[0]
        if cell.startswith("`") and cell.strip("`") not in ERRORS:
            yield told(cell.strip("` ")).removesuffix("…")


LIBRARY = [
    node
    for path in FILES
    if package_of(path) != "testing"
    for node in ast.walk(ast.parse(path.read_text()))
]
QUOTED = set(quoted_texts())


def test_every_error_is_in_troubleshooting() -> None:
    assert {name for name in ERRORS if f"`{name}`" not in TROUBLESHOOTING} == set()


def test_every_text_of_an_error_or_a_warning_is_in_troubleshooting() -> None:
    texts = texts_in(arguments_that_are_told())
    assert len(texts) > 50
    missing = {text for text in texts if not any(map(text.startswith, QUOTED))}
    assert missing == set(), "add them to docs/troubleshooting.md"


def test_troubleshooting_quotes_only_what_is_said() -> None:
    texts = texts_in(LIBRARY)
    assert "" not in QUOTED
    unknown = {quoted for quoted in QUOTED if not any(text.startswith(quoted) for text in texts)}
    assert unknown == set(), "their texts in the source have changed"
