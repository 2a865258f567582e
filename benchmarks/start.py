"""Measure how long the library and its command take to start, each time in a new interpreter.

    python benchmarks/start.py --rounds 40

What is compared takes turns. The first table is about imports: the interpreter alone, the
dependencies, and the library after them. The second is about cancelling on some games of a server
on this machine: a script with aiohttp alone over REST, and `fourcasters cancel-games` over the
Orders WebSocket and over REST alone. The server answers after `--latency` milliseconds, with
`--tls` over TLS. `--before` is the directory of another version, whose command takes its turns too.
CPU time is that of the process and varies less on a busy machine.
"""

import argparse
import json
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from attrs import frozen

DEPENDENCIES = "import aiohttp, attrs, cattrs, orjson"
IMPORTS: Mapping[str, str] = {
    "interpreter": "",
    "dependencies": DEPENDENCIES,
    "library": f"{DEPENDENCIES}; import fourcasters_async",
    "library, a session made": (
        f"{DEPENDENCIES}; from fourcasters_async import AsyncSession; AsyncSession('a' * 32)"
    ),
    "library, every name": f"{DEPENDENCIES}; from fourcasters_async import *",
}
SCRIPT = """
import asyncio, os, sys
import aiohttp

async def cancel(session, game):
    body = {"gameID": game}
    async with session.post("/session/cancelAllOrdersForGame", json=body) as response:
        response.raise_for_status()
        return (await response.json())["data"]

async def main():
    headers = {"Authorization": "Bearer " + os.environ["FOURCASTERS_TOKEN"]}
    base_url = os.environ["FOURCASTERS_BASE_URL"]
    async with aiohttp.ClientSession(base_url, headers=headers) as session:
        await asyncio.gather(*[cancel(session, game) for game in sys.argv[1:]])
    for game in sys.argv[1:]:
        print(game, "cancelled", sep="\\t")

asyncio.run(main())
"""
SERVER = Path(__file__).with_name("server.py")


@frozen
class Run:
    """What one process took, in milliseconds."""

    wall: float
    cpu: float


def run(command: Sequence[str], environment: Mapping[str, str]) -> Run:
    """Run a command to its end, and return what it took. Raises if it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  # commands of this file
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    # Popen must not wait for what was waited for.
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Run(wall * 1000, (used.ru_utime + used.ru_stime) * 1000)


def compare(commands: Mapping[str, tuple[Sequence[str], Mapping[str, str]]], rounds: int) -> None:
    """Run commands by turns, and print the medians and what each takes more than the one before."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for command, environment in commands.values():
        run(command, environment)
    for _ in range(rounds):
        for name in random.sample(list(commands), len(commands)):
            runs[name].append(run(*commands[name]))
    first = next(iter(runs))
    print(f"{'':<28}{'median ms':>11}{'fastest':>9}{'CPU ms':>9}   over {first!r}: ms, CPU ms")
    for name, made in runs.items():
        wall, cpu = median(each.wall for each in made), median(each.cpu for each in made)
        pairs = list(zip(made, runs[first], strict=True))
        more = median(each.wall - base.wall for each, base in pairs)
        more_cpu = median(each.cpu - base.cpu for each, base in pairs)
        fastest = min(each.wall for each in made)
        print(f"{name:<28}{wall:11.1f}{fastest:9.1f}{cpu:9.1f}{more:19.1f}{more_cpu:9.1f}")
    print()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--games", type=int, default=100)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--before", metavar="DIRECTORY")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, {options.rounds} rounds\n")
    # What is compiled in the first run is kept for the others, as where a library is installed.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    imports = {name: ([sys.executable, "-c", code], os.environ) for name, code in IMPORTS.items()}
    compare(imports, options.rounds)
    games = [secrets.token_hex(12) for _ in range(options.games)]
    server = subprocess.Popen(  # noqa: S603  # a file beside this one
        [
            *(sys.executable, str(SERVER), "--latency", str(options.latency), "--orders", "10"),
            *(["--tls"] if options.tls else []),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with server, TemporaryDirectory() as state:
        if server.stdout is None:
            raise RuntimeError("the server has no output")
        address = json.loads(server.stdout.readline())
        rest = {
            **os.environ,
            "FOURCASTERS_TOKEN": secrets.token_hex(16),
            "FOURCASTERS_BASE_URL": address["url"],
            "XDG_STATE_HOME": state,
            **({"SSL_CERT_FILE": address["ca"]} if options.tls else {}),
        }
        both = {**rest, "FOURCASTERS_ORDERS_URL": address["orders_url"]}
        # With -P another version is not hidden by the one in the working directory.
        command = [sys.executable, "-P", "-m", "fourcasters_async", "cancel-games", *games]
        commands = {
            "a script with aiohttp": ([sys.executable, "-c", SCRIPT, *games], rest),
            "cancel-games": (command, both),
            "cancel-games, REST alone": (command, rest),
        }
        if options.before:
            commands["cancel-games, before"] = command, {**both, "PYTHONPATH": options.before}
        print(f"{options.games} games, an answer takes {options.latency:g} ms")
        compare(commands, options.rounds)
        server.communicate()


if __name__ == "__main__":
    main()
