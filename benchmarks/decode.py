"""Compare ways to read one answer to a cancel: this library's, pydantic's, msgspec's, orjson alone.

    python -m benchmarks.decode
    python -m benchmarks.decode --write

An answer over the Orders WebSocket says that 1, 10 or 100 orders are cancelled. Each reads it from
its bytes:

- `library`: as a burst does, with every check of what decides; `library, records` then looks at
  every record, which makes those that are made when somebody asks for them;
- `pydantic`: a model with all fields, by `model_validate_json`;
- `msgspec`: a struct with all fields; `msgspec, attrs` makes attrs records;
- `orjson`: dicts and lists, unchecked.

They take turns, in a new random order for each round. The figures are medians of the rounds, in
microseconds of CPU time an answer. `--write` keeps them in `benchmarks/results/`.
"""

import argparse
import gc
import json
import platform
import random
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import orjson

# They are scripts, which find each other in their own folder.
sys.path.insert(0, str(Path(__file__).parent))

from guard_counts import cancel_request, decoded, socket_answer
from suite.machine import described

RESULTS = Path(__file__).parent / "results"
_SIZES = (1, 10, 100)
# Seconds of each measurement, about.
_LENGTH = 0.02

Decode = Callable[[bytes], object]


def readers() -> Mapping[str, Decode]:
    """Return the ways to read an answer that can be had here."""
    request = cancel_request(f"{0x65B036DF << 64:024x}")

    def with_records(frame: bytes) -> object:
        results: Any = decoded(frame, request)
        for result in results:
            if not result.success:
                raise RuntimeError("an order was not cancelled")
        return results

    found: dict[str, Decode] = {
        "library": lambda frame: decoded(frame, request),
        "library, records": with_records,
    }
    if find_spec("pydantic"):
        from suite.models import SocketAnswer  # noqa: PLC0415  # needs an extra of the benchmarks

        found["pydantic"] = SocketAnswer.model_validate_json
    if find_spec("msgspec"):
        import msgspec  # noqa: PLC0415  # as above
        from suite.rows import FullAnswer, FullStructs  # noqa: PLC0415  # as above

        found["msgspec"] = msgspec.json.Decoder(FullStructs).decode
        found["msgspec, attrs"] = msgspec.json.Decoder(FullAnswer).decode
    found["orjson"] = orjson.loads
    return found


def timed(decode: Decode, frame: bytes, times: int) -> float:
    """Return the seconds of CPU time that one takes, of so many."""
    began = time.process_time()
    for _ in range(times):
        decode(frame)
    return (time.process_time() - began) / times


def measure(rounds: int) -> list[dict[str, object]]:
    """Return the microseconds of each way with each size."""
    figures: list[dict[str, object]] = []
    for orders in _SIZES:
        frame, ways = socket_answer(orders), readers()
        times = {
            name: max(1, int(_LENGTH / timed(decode, frame, 20))) for name, decode in ways.items()
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        gc.collect()
        for _ in range(rounds):
            for name in random.sample(list(ways), len(ways)):
                taken[name].append(timed(ways[name], frame, times[name]))
        figures.append(
            {
                "orders": orders,
                "bytes": len(frame),
                "us_an_answer": {
                    name: round(median(each) * 1e6, 2) for name, each in taken.items()
                },
            }
        )
    return figures


def main() -> None:
    """Read the options, measure, print, and keep the figures if told to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decode",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--write", action="store_true", help="keep the figures")
    options = parser.parse_args()
    machine = described()
    sizes = measure(options.rounds)
    print(f"Python {machine['python']}, load {machine['load_before']}, microseconds an answer")
    for size in sizes:
        print(size)
    if options.write:
        name = f"decode-{'.'.join(platform.python_version_tuple()[:2])}.json"
        RESULTS.mkdir(exist_ok=True)
        figures = {"machine": machine, "rounds": options.rounds, "sizes": sizes}
        (RESULTS / name).write_text(json.dumps(figures, indent=1) + "\n")
        print(f"written: benchmarks/results/{name}")


if __name__ == "__main__":
    main()
