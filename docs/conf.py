"""How the site is built: `sphinx-build -W docs build/site`. It needs the extra `docs`, no network.

The text is MyST Markdown, and the reference is made of the docstrings.
"""

from types import UnionType
from typing import Any, get_args

from fourcasters_async import __version__

project = "fourcasters_async"
author = "The fourcasters_async authors"
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_llm.txt"]
html_theme = "furo"
html_title = f"fourcasters_async {__version__}"
html_show_copyright = False
html_show_sourcelink = False

# Links to headings, in a page and from others.
myst_heading_anchors = 3

# A name in single backticks is a link where it can be one, and code otherwise.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

llms_txt_description = "An async Python client for the 4casters betting exchange."
# In one process and one page a document, so that what is built depends on the sources alone.
llms_txt_build_parallel = False
llms_txt_suffix_mode = "append"

MADE_BY_A_SESSION = {
    f"fourcasters_async.{name}"
    for name in (
        *("Account", "DeadManSwitch", "FlatOnExit", "LiveBook", "LiveOrders", "Markets"),
        *("Orders", "OrdersSocket", "OutcomeStream", "PriceFeed", "UserFeed"),
    )
}


def setup(app: Any) -> None:
    """Take what Markdown and GitHub know, and Sphinx does not."""
    from docutils.nodes import abbreviation  # noqa: PLC0415  # there once Sphinx runs
    from pygments.lexers.special import TextLexer  # noqa: PLC0415  # as above
    from sphinx.highlighting import lexer_classes  # noqa: PLC0415  # as above

    lexer_classes["mermaid"] = TextLexer
    # The `*` before keyword-only parameters, which llms.txt would leave out.
    app.add_node(abbreviation, override=True, markdown=(_as_text, _as_text))
    app.connect("autodoc-process-docstring", _with_directives)
    app.connect("autodoc-process-signature", _for_readers)


def _as_text(*_: Any) -> None:
    """Write what is inside, and nothing around it."""


def _for_readers(*event: Any) -> tuple[str | None, str | None]:
    """Leave out what nobody writes: how a session makes its parts, and the mark of a factory."""
    name, signature, returns = event[2], event[-2], event[-1]
    if name in MADE_BY_A_SESSION:
        return "", None
    return signature and signature.replace("= NOTHING", "= …").replace("=NOTHING", "=…"), returns


def _with_directives(*event: Any) -> None:
    """Write a fenced block of a docstring as a directive, and what has no docstring of its own."""
    what, thing, lines = event[1], event[3], event[-1]
    if isinstance(thing, UnionType):
        lines[:] = [", ".join(f"`{each.__name__}`" for each in get_args(thing)) + "."]
    elif what == "data":
        lines[:] = ["The version of the package."]
    inside = False
    for index, line in enumerate(lines):
        if line.strip().startswith("```"):
            inside = not inside
            language = line.strip("` ")
            lines[index] = f".. code-block:: {language}" if inside else ""
        elif inside:
            lines[index] = f"    {line}"
    # The directive ends its options with an empty line.
    for index in reversed(range(len(lines))):
        if lines[index].startswith(".. code-block::"):
            lines.insert(index + 1, "")
