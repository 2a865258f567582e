"""Draw the charts from the figures in `benchmarks/results/`: the same bytes each time.

The table of goals in `benchmarks/README.md` is made of the same figures.

    pip install -r benchmarks/requirements.txt
    python -m benchmarks.charts            draw them
    python -m benchmarks.charts --check    draw them again, and compare; exits with 1 if one differs

Each is a Vega-Lite specification that vl-convert renders to SVG, light and dark.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

# Run as a module: the folder of the suite is not on the path.
sys.path.insert(0, str(Path(__file__).parent))

from suite import goals  # only now it is found

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).with_name("README.md")
_GOALS, _END = "<!-- goals -->", "<!-- end of goals -->"
_VEGA_LITE = "5.20"
_LIBRARY, _OTHERS, _LIMIT = "this library", "others", "practical limit"
_KINDS = {"socket": _LIBRARY, "rest": _LIBRARY, "bare": _LIMIT, "library": _LIBRARY}
_SHAPES = ("circle", "square", "diamond")
_YARDSTICK = "one answer"
_GROWING = ("socket", "rest", "by hand", "fetch", "bare")
_SECOND = 1000.0
_THREE_DIGITS = 100
# Lines that end so many times apart have room for a label each.
_APART = 1.15

Figures = Mapping[str, Any]
Spec = dict[str, Any]


@frozen
class Theme:
    """The colours of a chart. The kinds differ in shape and lightness too."""

    background: str
    text: str
    faint: str
    kinds: Sequence[str]


THEMES = {
    "light": Theme("#ffffff", "#1f2328", "#d1d9e0", ("#0969da", "#818b98", "#1a7f37")),
    "dark": Theme("#0d1117", "#f0f6fc", "#3d444d", ("#58a6ff", "#7d8590", "#3fb950")),
}


def kind_of(name: str) -> str:
    """Return what a contestant is."""
    return _KINDS.get(name.partition(",")[0], _OTHERS)


def milliseconds(value: float) -> str:
    """Return a time as text, with three digits."""
    if value >= _SECOND:
        return f"{value / _SECOND:.3g} s" if value < _SECOND * _SECOND else f"{value / 1e3:.0f} s"
    return f"{value:.0f} ms" if value >= _THREE_DIGITS else f"{value:.3g} ms"


def ticks(least: float, most: float) -> list[float]:
    """Return powers of ten between two times, and what is between those if they are few."""
    powers = [10.0**power for power in range(-3, 7)]
    few = most / least < _THREE_DIGITS
    steps = [power * step for power in powers for step in ((1, 2, 5) if few else (1, 3))]
    return [round(tick, 6) for tick in steps if least <= tick <= most]


def case_of(figures: Figures, **wanted: object) -> Figures | None:
    """Return the case with these conditions, `None` if it was not measured."""
    conditions = {"state": "warm", "orders": 10, "delay_ms": 20, **wanted}
    for case in figures["cases"]:
        if all(case[name] == value for name, value in conditions.items()):
            found: Figures = case
            return found
    return None


def kinds(names: Iterable[str], looks: Sequence[str]) -> Spec:
    """Return how the kinds of these contestants are told apart."""
    there = {kind_of(name) for name in names}
    pairs = zip((_LIBRARY, _OTHERS, _LIMIT), looks, strict=True)
    domain, its = zip(*((kind, look) for kind, look in pairs if kind in there), strict=True)
    scale = {"domain": domain, "range": its}
    return {"field": "kind", "type": "nominal", "scale": scale, "title": None}


def dots(title: str, times: Mapping[str, float], theme: Theme, *, legend: bool) -> Spec:
    """Return a panel with one dot for each contestant, on a logarithmic axis."""
    values = [
        {"name": name, "ms": ms, "kind": kind_of(name), "label": milliseconds(ms)}
        for name, ms in sorted(times.items(), key=lambda each: each[1])
    ]
    y = {"field": "name", "type": "nominal", "sort": [each["name"] for each in values]}
    # There is room for the label of the last.
    least, most = min(times.values()) * 0.8, max(times.values()) * 3
    x = {
        "field": "ms",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [least, most], "nice": False},
        "axis": {"title": "milliseconds", "values": ticks(least, most), "format": ",~r"},
    }
    where = {"legend": {"orient": "bottom"} if legend else None}
    colour = {**kinds(times, theme.kinds), **where}
    shape = {**kinds(times, _SHAPES), **where}
    return {
        "title": {"text": title, "anchor": "start", "fontSize": 13},
        "width": 300,
        "height": {"step": 22},
        "data": {"values": values},
        "encoding": {"y": {**y, "axis": {"title": None, "grid": True}}, "x": x},
        "layer": [
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {"color": colour, "shape": shape},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 9, "fontSize": 11},
                "encoding": {"text": {"field": "label", "type": "nominal"}},
            },
        ],
    }


def conditions(figures: Figures) -> str:
    """Return what all charts of a file have in common, as text."""
    return f"10 orders a game, TLS, an answer takes 20 ms. Python {figures['machine']['python']}"


def panels(
    title: str, field: str, figures: Figures, theme: Theme, cases: Sequence[tuple[str, int]]
) -> Spec | None:
    """Return a chart with a panel for each state and number of games that was measured."""
    made: list[Spec] = []
    for state, games in cases:
        case = case_of(figures, state=state, games=games)
        if case is None:
            continue
        times = {
            name: each[field]
            for name, each in case["contestants"].items()
            if name != _YARDSTICK and each[field]
        }
        made.append(dots(f"{games:,} games, {state}", times, theme, legend=not made))
    return whole(title, conditions(figures), {"hconcat": made}, theme) if made else None


def whole(title: str, subtitle: str, spec: Spec, theme: Theme) -> Spec:
    """Return a chart with its title and its theme."""
    text = {"labelColor": theme.text, "titleColor": theme.text}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {
            "text": title,
            "subtitle": subtitle,
            "anchor": "start",
            "color": theme.text,
            "subtitleColor": theme.text,
            "offset": 14,
        },
        "background": theme.background,
        "padding": 14,
        "config": {
            # vl-convert brings this font: no other is looked for on the machine.
            "font": "Liberation Sans",
            "view": {"stroke": None},
            "title": {"color": theme.text},
            "text": {"color": theme.text},
            "axis": {
                **text,
                "gridColor": theme.faint,
                "domainColor": theme.faint,
                "tickColor": theme.faint,
                "labelLimit": 200,
                "titleFontWeight": "normal",
            },
            "legend": text,
        },
        **spec,
    }


def burst(figures: Figures, theme: Theme) -> Spec | None:
    """Draw how long a burst takes."""
    title = "Cancelling on many games: until every answer is read"
    return panels(title, "wall_ms", figures, theme, [("warm", 100), ("warm", 1000)])


def last_request(figures: Figures, theme: Theme) -> Spec | None:
    """Draw when the last request is at the exchange."""
    title = "When the last request of a burst is at the exchange"
    return panels(title, "last_request_ms", figures, theme, [("warm", 100), ("warm", 1000)])


def cold(figures: Figures, theme: Theme) -> Spec | None:
    """Draw how long a burst takes that has to connect first."""
    title = "With no connection yet"
    if case_of(figures, state="idle", games=100) is not None:
        title += ", and after a minute's idling"
    return panels(title, "wall_ms", figures, theme, [("cold", 100), ("idle", 100)])


def ends(values: Sequence[Mapping[str, Any]], games: int) -> list[dict[str, Any]]:
    """Return the labels at the ends of the lines, one for those that end in one place."""
    made: list[dict[str, Any]] = []
    for each in sorted((each for each in values if each["games"] == games), key=_milliseconds):
        if made and each["ms"] < made[-1]["ms"] * _APART:
            made[-1]["name"] += f", {each['name']}"
        else:
            made.append(dict(each))
    return made


def _milliseconds(value: Mapping[str, Any]) -> float:
    milliseconds: float = value["ms"]
    return milliseconds


def growth(figures: Figures, theme: Theme) -> Spec | None:
    """Draw how the time grows with the number of games."""
    values = [
        {
            "name": name,
            "games": case["games"],
            "ms": case["contestants"][name]["wall_ms"],
            "kind": kind_of(name),
        }
        for case in figures["cases"]
        if (case["state"], case["orders"], case["delay_ms"]) == ("warm", 10, 20)
        for name in _GROWING
        if name in case["contestants"]
    ]
    sizes = sorted({each["games"] for each in values})
    if len(sizes) < 3:  # noqa: PLR2004  # two points are no curve
        return None
    least, most = min(each["ms"] for each in values), max(each["ms"] for each in values)
    encoding = {
        "x": {
            "field": "games",
            "type": "quantitative",
            "scale": {"type": "log"},
            "axis": {"title": "games", "values": sizes, "format": ","},
        },
        "y": {
            "field": "ms",
            "type": "quantitative",
            "scale": {"type": "log", "domain": [least * 0.8, most * 1.2], "nice": False},
            "axis": {
                "title": "milliseconds",
                "values": ticks(least * 0.8, most * 1.2),
                "format": ",~r",
            },
        },
    }
    colour = {**kinds(_GROWING, theme.kinds), "legend": {"orient": "bottom"}}
    detail = {"field": "name", "type": "nominal"}
    spec = {
        "width": 520,
        "height": 320,
        "encoding": encoding,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "line", "point": True, "strokeWidth": 2},
                "encoding": {"color": colour, "detail": detail},
            },
            {
                "data": {"values": ends(values, sizes[-1])},
                "mark": {"type": "text", "align": "left", "dx": 8},
                "encoding": {"text": detail},
            },
        ],
    }
    title = "How the time of a burst grows with the number of games, warm"
    return whole(title, conditions(figures), spec, theme)


def decode(figures: Figures, theme: Theme) -> Spec | None:
    """Draw what it takes to read one answer."""
    made: list[Spec] = []
    for size in figures["sizes"]:
        times = size["us_an_answer"]
        values = [
            {"name": name, "us": us, "kind": kind_of(name), "label": f"{us:.3g}"}
            for name, us in sorted(times.items(), key=lambda each: each[1])
        ]
        colour = kinds(times, theme.kinds)
        colour["legend"] = {"orient": "bottom"} if not made else None
        orders = size["orders"]
        made.append(
            {
                "title": {
                    "text": f"{orders} order{'s' if orders > 1 else ''}",
                    "anchor": "start",
                    "fontSize": 13,
                },
                "width": 190,
                "height": {"step": 22},
                "data": {"values": values},
                "encoding": {
                    "y": {
                        "field": "name",
                        "type": "nominal",
                        "sort": [each["name"] for each in values],
                        "axis": {"title": None},
                    },
                    "x": {
                        "field": "us",
                        "type": "quantitative",
                        "scale": {"domain": [0, max(times.values()) * 1.2], "nice": False},
                        "axis": {"title": "microseconds", "tickCount": 4},
                    },
                },
                "layer": [
                    {"mark": "bar", "encoding": {"color": colour}},
                    {
                        "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 11},
                        "encoding": {"text": {"field": "label", "type": "nominal"}},
                    },
                ],
            }
        )
    subtitle = f"CPU time. Python {figures['machine']['python']}"
    return whole("Reading one answer to a cancel", subtitle, {"hconcat": made}, theme)


Draw = Callable[[Figures, Theme], Spec | None]
CHARTS: Mapping[Literal["suite", "decode"], Mapping[str, Draw]] = {
    "suite": {"burst": burst, "last-request": last_request, "cold": cold, "growth": growth},
    "decode": {"decode": decode},
}


def with_goals(text: str) -> str:
    """Return the text of `benchmarks/README.md` with the goals that the figures meet and miss."""
    suites = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("suite-*.json"))]
    before, _, rest = text.partition(_GOALS)
    _, end, after = rest.partition(_END)
    if not end:
        raise RuntimeError(f"{README} has no place for the goals: {_GOALS} … {_END}")
    return f"{before}{_GOALS}\n{goals.table(suites)}\n{end}{after}"


def drawn() -> Iterator[tuple[Path, str]]:
    """Give the file of each chart, and its SVG."""
    import vl_convert  # noqa: PLC0415  # an extra of the benchmarks

    for measured, charts in CHARTS.items():
        for path in sorted(RESULTS.glob(f"{measured}-*.json")):
            figures = json.loads(path.read_text())
            version = path.stem.removeprefix(f"{measured}-")
            for name, draw in charts.items():
                for shade, theme in THEMES.items():
                    spec = draw(figures, theme)
                    if spec is not None:
                        svg = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE)
                        yield RESULTS / f"{name}-{version}-{shade}.svg", f"{svg}\n"


def main() -> None:
    """Draw the charts, or compare them with those that are there."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.charts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing, and compare")
    options = parser.parse_args()
    readme = README.read_text()
    charts = {README: with_goals(readme), **dict(drawn())}
    there = {README: readme, **{path: path.read_text() for path in RESULTS.glob("*.svg")}}
    differ = sorted(path.name for path in {*charts, *there} if charts.get(path) != there.get(path))
    if options.check:
        if differ:
            sys.exit(f"not what the figures give: {', '.join(differ)}; draw them again")
        print(f"{len(charts) - 1} charts are what the figures give")
        return
    for path in there.keys() - charts.keys():
        path.unlink()
    for path, svg in charts.items():
        path.write_text(svg)
    print(f"{len(charts) - 1} charts drawn, {len(differ)} files changed")


if __name__ == "__main__":
    main()
