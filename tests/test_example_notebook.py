"""The notebook of `examples`, executed from its first cell to its last."""

from pathlib import Path
from typing import Any

import pytest
from support import environment

from fourcasters_async.testing import FakeExchange

for needed in ("nbclient", "ipykernel", "matplotlib", "polars"):
    pytest.importorskip(
        needed, reason=f"{needed} is not installed: pip install '.[examples-tests]'"
    )

import nbformat  # noqa: E402  # it may not be installed
from nbclient import NotebookClient  # noqa: E402  # as above

pytestmark = pytest.mark.real_time
NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"


def outputs(notebook: Any, kind: str) -> list[str]:
    """Return what cells have shown, as one kind of document or as text."""
    shown = [each for cell in notebook.cells for each in cell.get("outputs", ())]
    data = [each.data[kind] for each in shown if kind in each.get("data", ())]
    return data + [each.text for each in shown if kind == "text/plain" and "text" in each]


@pytest.fixture
def kernel_settings(fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    # A kernel has the environment of who starts it.
    for name, value in environment(fake_exchange).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FOURCASTERS_STREAMING_URL", fake_exchange.streaming_url)


@pytest.mark.usefixtures("kernel_settings")
async def test_every_cell_runs_and_the_game_is_proved_clear(fake_exchange: FakeExchange) -> None:
    fake_exchange.fill_day()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    await NotebookClient(notebook, timeout=300).async_execute()
    text = "\n".join(outputs(notebook, "text/plain"))
    assert "25.00 at +900 rests" in text
    assert "1 game: 1 confirmed;" in text
    assert "verified clear" in text
    assert outputs(notebook, "image/png")
    assert fake_exchange.received("place") == 1


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
