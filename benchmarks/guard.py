"""Hold what the library does for a burst to a budget, in counts that repeat on any machine.

    python benchmarks/guard.py               compare; exits with 1 if a count grew by over 3 %
    python benchmarks/guard.py --update      make the counts the budget; its commit says why
    python benchmarks/guard.py --repeat 10   show how far the counts of so many runs lie apart

For a burst of 100 games with 10 orders over each transport, and for one decode, per game: calls of
functions in Python and in C; blocks of memory that the report holds; objects in it that the garbage
collector walks; the most memory at a time. And where there are valgrind, its headers and a C
compiler: the instructions, by callgrind. The exchange is in the memory of the client, without TLS;
what it does is not counted (`in_memory.py`).

The budget is in `guard_budget.json`, for each version of Python, with and without msgspec.
Instructions follow from how Python was built, and are compared on the same build alone.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_FOLDER = Path(__file__).parent
_BUDGET = _FOLDER / "guard_budget.json"
_COUNTS = _FOLDER / "guard_counts.py"
_TOGGLES = _FOLDER / "callgrind_toggles.c"
_TOLERANCE = 0.03
_GAMES = 100
_INSTRUCTIONS = "instructions"
_PACKAGES = ("aiohttp", "attrs", "cattrs", "orjson", "msgspec")

Figures = dict[str, dict[str, float]]


def counted() -> Figures:
    """Return the counts of one run, without instructions."""
    figures: Figures = json.loads(_run([sys.executable, str(_COUNTS)]))
    return figures


def instructions() -> dict[str, float] | None:
    """Return the instructions per game, `None` where they cannot be counted."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if shutil.which("valgrind") is None or compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        toggles, out = f"{folder}/toggles.so", f"{folder}/out"
        compiled = subprocess.run(  # noqa: S603  # our own source
            [compiler, "-O2", "-shared", "-fPIC", "-o", toggles, str(_TOGGLES)],
            check=False,
            capture_output=True,
        )
        if compiled.returncode:
            return None
        callgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
        callgrind += ["--instr-atstart=no", "--collect-atstart=no"]
        _run([*callgrind, sys.executable, str(_COUNTS), f"--toggles={toggles}"])
        found: dict[str, float] = {}
        for part in Path(folder).glob("out.*"):
            text = part.read_text()
            name = re.findall(r"^desc: Trigger: Client Request: (\w+)$", text, re.MULTILINE)
            total = re.findall(r"^totals: (\d+)$", text, re.MULTILINE)
            if name and total:
                found[name[0]] = int(total[0]) / _GAMES
    return found


def _run(command: list[str]) -> str:
    # The seed decides where collisions are in dicts and sets.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603  # a script of ours
        command, check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def key() -> str:
    """Return which budget is for this Python."""
    name = ".".join(platform.python_version_tuple()[:2])
    return f"{name} with msgspec" if find_spec("msgspec") else name


def build() -> str:
    """Return what the number of instructions depends on beside the code."""
    return f"{platform.python_version()}, {platform.python_compiler()}, {platform.machine()}"


def packages() -> dict[str, str]:
    """Return the versions of what runs in a burst."""
    return {name: version(name) for name in _PACKAGES if find_spec(name)}


def differences(
    budget: Mapping[str, Mapping[str, float]], figures: Figures
) -> Iterator[tuple[str, str, float, float]]:
    """Give each transport, count, budget and figure that the two have in common."""
    for name, counts in figures.items():
        for count, figure in counts.items():
            if count in budget.get(name, {}):
                yield name, count, budget[name][count], figure


def compare(figures: Figures) -> int:
    """Print the figures beside the budget; return 1 if one is past it."""
    entry = json.loads(_BUDGET.read_text()).get(key()) if _BUDGET.exists() else None
    if entry is None:
        print(f"there is no budget for Python {key()}: --update makes one")
        return 1
    same_build = entry["build"] == build()
    past = []
    print(f"Python {key()}, per game{'':22}budget     counted")
    for name, count, allowed, figure in differences(entry["counts"], figures):
        grown = figure / allowed - 1 if allowed else float(figure > 0)
        known = count != _INSTRUCTIONS or same_build
        verdict = "" if known else "  of another build: not compared"
        if known and grown > _TOLERANCE:
            past.append(f"{name}, {count}")
            verdict = "  past the budget"
        print(f"{name:8}{count:14}{allowed:20,.1f}{figure:12,.1f}{grown:+8.1%}{verdict}")
    if past:
        print(f"\npast the budget by over {_TOLERANCE:.0%}: {'; '.join(past)}")
        others = {
            each: (was, packages().get(each))
            for each, was in entry["packages"].items()
            if was != packages().get(each)
        }
        for each, (was, now) in others.items():
            print(f"the budget was made with {each} {was}, this is {now}")
        print("If it has to be, run benchmarks/guard.py --update and say in the commit why.")
    return 1 if past else 0


def update(figures: Figures) -> None:
    """Write the figures as the budget for this Python."""
    budget = json.loads(_BUDGET.read_text()) if _BUDGET.exists() else {}
    rounded = {
        name: {count: round(figure, 2) for count, figure in counts.items()}
        for name, counts in figures.items()
    }
    budget[key()] = {"build": build(), "packages": packages(), "counts": rounded}
    _BUDGET.write_text(json.dumps(budget, indent=1, sort_keys=True) + "\n")


def spread(runs: list[Figures]) -> None:
    """Print how far the runs lie apart."""
    print(f"{len(runs)} runs of Python {key()}, per game, and how far they lie apart")
    for name, counts in runs[0].items():
        for count in counts:
            values = [run[name][count] for run in runs]
            apart = (max(values) - min(values)) / min(values) if min(values) else 0.0
            print(f"{name:8}{count:14}{min(values):14,.1f}{apart:10.3%}")


def figures_of(*, with_instructions: bool) -> Figures:
    """Return all counts of one run."""
    figures = counted()
    executed = instructions() if with_instructions else None
    for name, count in (executed or {}).items():
        figures[name][_INSTRUCTIONS] = count
    return figures


def main() -> None:
    """Read the options, count, and compare, update or repeat."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    todo = parser.add_mutually_exclusive_group()
    todo.add_argument("--update", action="store_true", help="write the budget")
    todo.add_argument("--repeat", type=int, help="show the spread of so many runs")
    parser.add_argument(
        "--instructions",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="count them if valgrind is there",
    )
    options = parser.parse_args()
    if options.repeat:
        spread([figures_of(with_instructions=options.instructions) for _ in range(options.repeat)])
        return
    figures = figures_of(with_instructions=options.instructions)
    if options.update:
        update(figures)
        return
    sys.exit(compare(figures))


if __name__ == "__main__":
    main()
