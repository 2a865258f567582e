"""Which goals the figures meet."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Games: the most, for a burst over a warm socket with 10 orders a game and answers after 20 ms.
_TIMES_ONE_ANSWER = {100: 1.15, 1000: 1.75}
_TIMES_BARE = {100: 1.25, 1000: 1.25, 5000: 1.25}
_RECORDS_TIMES_BARE = {100: 1.15, 1000: 1.15, 5000: 1.15}
_LAST_REQUEST_MS = {100: 1.1, 1000: 6.0, 5000: 35.0}
# Over REST.
_GAMES_OVER_REST = (100, 1000)
_TIMES_BY_HAND = {"3.11": 0.80}
_TIMES_BY_HAND_LATER = 0.95
# The time a game at 5,000 games, against that at 1,000.
_GROWTH = 1.15
_IDLE = 1.15

Contestants = Mapping[str, Mapping[str, Any]]
Goal = tuple[str, float | None, float]
"""What it is about, the figure, and the most that it may be."""


def goals(figures: Mapping[str, Any]) -> Iterator[Goal]:
    """Give every goal of which the figures have something to say."""
    cases: dict[tuple[str, int], Contestants] = {
        (case["state"], case["games"]): case["contestants"]
        for case in figures["cases"]
        if (case["orders"], case["delay_ms"]) == (10, 20)
    }
    python = ".".join(figures["machine"]["python"].split(".")[:2])
    by_hand = _TIMES_BY_HAND.get(python, _TIMES_BY_HAND_LATER)
    for (state, games), its in cases.items():
        if state == "warm":
            yield from _of_socket(games, its)
            if games in _GAMES_OVER_REST:
                ratio = its.get("rest", {}).get("times_by_hand")
                yield f"rest, {games:,} games: x by hand", ratio, by_hand
        elif state == "idle":
            warm = _ratio(its.get("socket"), cases.get(("warm", games), {}).get("socket"))
            yield f"socket, {games:,} games after a minute's idling: x warm", warm, _IDLE
    growth = _ratio(
        cases.get(("warm", 5000), {}).get("socket"), cases.get(("warm", 1000), {}).get("socket")
    )
    yield "socket: time a game at 5,000 games: x at 1,000", growth and growth / 5, _GROWTH


def _of_socket(games: int, its: Contestants) -> Iterator[Goal]:
    socket = its.get("socket", {})
    for field, text, most in (
        ("times_one_answer", "x one answer", _TIMES_ONE_ANSWER),
        ("times_bare", "x bare", _TIMES_BARE),
        ("last_request_ms", "last request, ms", _LAST_REQUEST_MS),
    ):
        if games in most:
            yield f"socket, {games:,} games: {text}", socket.get(field), most[games]
    if games in _RECORDS_TIMES_BARE:
        ratio = _ratio(its.get("socket, records"), its.get("bare, records"))
        name = f"socket, records, {games:,} games: x bare, records"
        yield name, ratio, _RECORDS_TIMES_BARE[games]


def _ratio(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> float | None:
    return one["wall_ms"] / other["wall_ms"] if one and other else None


def rows(figures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    """Give the rows of a table of the goals that were measured."""
    yield "goal", "figure", "at most", ""
    for name, figure, most in goals(figures):
        if figure is not None:
            yield name, f"{figure:.3g}", f"{most:g}", "met" if figure <= most else "missed"


def table(measured: Sequence[Mapping[str, Any]]) -> str:
    """Return all goals as a table in Markdown, with a column for each of the measurements."""
    pythons = [figures["machine"]["python"] for figures in measured]
    by_name: dict[str, dict[str, str]] = {}
    for python, figures in zip(pythons, measured, strict=True):
        for name, figure, most in goals(figures):
            if figure is not None:
                text = f"{figure:.3g} (at most {most:g})"
                by_name.setdefault(name, {})[python] = text if figure <= most else f"**{text}**"
    lines = [
        ("", *(f"Python {python}" for python in pythons)),
        ("---",) * (len(pythons) + 1),
        *((name, *map(cells.get, pythons, [""] * len(pythons))) for name, cells in by_name.items()),
    ]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)
