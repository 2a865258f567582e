"""The benchmarks measure what they say, and what they have measured is what is drawn."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import charts  # noqa: E402  # the benchmarks are scripts, not installed
import guard  # noqa: E402  # as above
from suite.clients import CLIENTS  # noqa: E402  # as above
from suite.contestant import Exchange  # noqa: E402  # as above
from suite.flood import flood  # noqa: E402  # as above
from suite.mock import ORDERS_PATH, Counted, Mock  # noqa: E402  # as above

SUITES = sorted((ROOT / "benchmarks" / "results").glob("suite-*.json"))
GAMES = [f"{game:024x}" for game in range(30)]


def test_the_charts_are_what_the_figures_give() -> None:
    pytest.importorskip("vl_convert", reason="only vl-convert-python draws the charts")
    checked = subprocess.run(
        [sys.executable, "-m", "benchmarks.charts", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_the_mock_was_never_what_was_measured(path: Path) -> None:
    busiest = max(
        (each["mock_busy"], name, str(case["games"]))
        for case in json.loads(path.read_text())["cases"]
        for name, each in case["contestants"].items()
    )
    assert busiest[0] < 0.6, busiest


class Drawing:
    """Draws the specification itself."""

    @staticmethod
    def vegalite_to_svg(spec: dict[str, Any], **_: str) -> str:
        return json.dumps(spec)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(charts, "RESULTS", tmp_path)
    monkeypatch.setattr(charts, "README", Path(shutil.copy(charts.README, tmp_path)))
    monkeypatch.setitem(sys.modules, "vl_convert", Drawing)
    monkeypatch.setattr(sys, "argv", ["charts"])
    charts.main()
    monkeypatch.setattr(sys, "argv", ["charts", "--check"])
    return tmp_path


def test_charts_that_were_just_drawn_are_what_the_figures_give(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    charts.main()
    drawn = len(list(results.glob("*.svg")))
    assert drawn
    assert capsys.readouterr().out.endswith(f"{drawn} charts are what the figures give\n")


def test_a_chart_that_is_not_what_the_figures_give_is_named(results: Path) -> None:
    path = next(iter(sorted(results.glob("*.svg"))))
    path.write_text(path.read_text().replace("Python", "Ruby"))
    with pytest.raises(SystemExit, match=path.name):
        charts.main()


def test_a_chart_without_figures_is_named(results: Path) -> None:
    (results / "other-3.11-light.svg").touch()
    with pytest.raises(SystemExit, match=r"other-3\.11-light\.svg"):
        charts.main()


def test_goals_that_are_not_those_of_the_figures_are_named(results: Path) -> None:
    path = results / "README.md"
    path.write_text(path.read_text().replace("<!-- goals -->", "<!-- goals -->\n| all | met |"))
    with pytest.raises(SystemExit, match=r"README\.md"):
        charts.main()


def test_the_goals_of_the_benchmarks_are_what_the_figures_give() -> None:
    assert charts.with_goals(charts.README.read_text()) == charts.README.read_text()


@pytest.fixture
def budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "budget.json"
    monkeypatch.setattr(guard, "_BUDGET", path)
    guard.update({"socket": {"calls": 100.0, "instructions": 1000.0}})
    return path


@pytest.mark.usefixtures("budget")
@pytest.mark.parametrize(("calls", "status"), [(90.0, 0), (102.9, 0), (103.1, 1)])
def test_the_guard_fails_when_a_count_grew_by_over_three_percent(calls: float, status: int) -> None:
    assert guard.compare({"socket": {"calls": calls, "instructions": 1000.0}}) == status


def test_the_guard_compares_no_instructions_of_another_build(budget: Path) -> None:
    entries = json.loads(budget.read_text())
    figures = {"socket": {"calls": 100.0, "instructions": 1100.0}}
    assert guard.compare(figures) == 1
    entries[guard.key()]["build"] = "another"
    budget.write_text(json.dumps(entries))
    assert guard.compare(figures) == 0


def test_the_guard_fails_without_a_budget(budget: Path) -> None:
    budget.unlink()
    assert guard.compare({"socket": {"calls": 100.0}}) == 1


def _can_be_built() -> bool:
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        return False
    command = [compiler, "-E", "-x", "c", "-"]
    includes = b"#include <openssl/ssl.h>\n"
    read = subprocess.run(command, input=includes, capture_output=True, check=False)  # noqa: S603  # a compiler
    return read.returncode == 0


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    if not _can_be_built():
        pytest.skip("the mock needs Linux, a C compiler and the headers of OpenSSL")
    with Mock(None) as running:
        yield running


async def _burst(mock: Mock, client: str) -> tuple[list[int], Counted]:
    address = f"127.0.0.1:{mock.plain_port}"
    exchange = Exchange(f"http://{address}", f"ws://{address}{ORDERS_PATH}", "", "0" * 32)
    contestant = CLIENTS[client](exchange)
    await contestant.open()
    try:
        mock.mark()
        answer = await contestant.cancel(GAMES, None)
        return contestant.orders(answer), mock.report()
    finally:
        await contestant.close()


@pytest.mark.parametrize("client", ["socket", "rest"])
def test_the_mock_answers_each_request_with_the_orders_of_its_game(mock: Mock, client: str) -> None:
    mock.set(orders=3, delay=0)
    orders, counted = asyncio.run(_burst(mock, client))
    assert orders == [3] * len(GAMES)
    assert counted.requests == counted.answers == len(GAMES)


@pytest.mark.parametrize("client", ["socket", "rest"])
def test_no_answer_of_the_mock_takes_less_than_its_delay(mock: Mock, client: str) -> None:
    mock.set(orders=1, delay=15)
    _, counted = asyncio.run(_burst(mock, client))
    assert counted.first <= counted.last <= counted.answered - 15_000_000


def test_the_mock_answers_over_tls_what_is_sent_at_once(mock: Mock) -> None:
    assert flood(mock, games=200, orders=10)["games"] == 200
