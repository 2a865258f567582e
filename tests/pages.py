"""The code that the README and the pages of docs/ show."""

import ast
import re
import textwrap
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from types import CodeType

from attrs import frozen

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
GAME = "688c0516fbc14da0c202d426"
OTHER = f"{GAME[:-1]}7"

_FENCED = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2$", re.DOTALL | re.MULTILINE)
_TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@frozen
class Block:
    """A fenced block of a page: its language, its text, and what is said before it.

    `output` is the block of plain text that follows at once: what the code prints.
    """

    page: Path
    line: int
    language: str
    code: str
    before: str
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def is_snippet(self) -> bool:
        """Whether it is written for `python -m asyncio`, and not a program."""
        return "asyncio.run(" not in self.code and "__main__" not in self.code


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """Return the blocks of a page, or those in a language."""
    return [each for each in _blocks(page) if language in (None, each.language)]


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    found = list(_FENCED.finditer(text))
    end = 0
    for match, following in zip_longest(found, found[1:]):
        output = None
        if following is not None and following[3] == "text":
            between = text[match.end() : following.start()]
            output = None if between.strip() else textwrap.dedent(following[4])
        yield Block(
            page,
            text.count("\n", 0, match.start()) + 1,
            match[3].strip(),
            textwrap.dedent(match[4]),
            text[end : match.start()],
            output,
        )
        end = match.end()


def block_with(text: str) -> str:
    """Return the only Python block, of all pages and the README, that has a text."""
    (code,) = {
        each.code
        for page in (README, *PAGES)
        for each in blocks(page, "python")
        if text in each.code
    }
    return code


def compiled(block: Block) -> CodeType:
    """Compile a snippet, which may await."""
    code: CodeType = compile(block.code, str(block), "exec", flags=_TOP_LEVEL_AWAIT)
    return code


def prints(wanted: str, printed: str) -> bool:
    """Whether something was printed as a page says: `…` stands for any part of a line."""
    lines = (".*".join(map(re.escape, line.split("…"))) for line in wanted.strip().split("\n"))
    return re.fullmatch("\n".join(lines), printed.strip()) is not None
