"""Describe what the figures were measured on."""

import os
import platform
import shutil
import ssl
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PACKAGES = (
    "aiohttp",
    "attrs",
    "cattrs",
    "httpx",
    "msgspec",
    "niquests",
    "orjson",
    "pydantic",
    "requests",
    "uvloop",
)


def described() -> dict[str, object]:
    """Return the machine, the versions and the commit."""
    return {
        "python": platform.python_version(),
        "built_with": platform.python_compiler(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": [round(load, 1) for load in os.getloadavg()],
        "openssl": ssl.OPENSSL_VERSION,
        "node": _said("node", "--version"),
        "commit": _commit(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def cores() -> tuple[int | None, int | None]:
    """Return a core for the mock and another for the clients, or `None` where there is but one."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    ours = sorted(os.sched_getaffinity(0))
    if len(ours) < 2:  # noqa: PLR2004  # one for each
        print("there is but one core: the mock takes from the clients", file=sys.stderr)
        return None, None
    return ours[0], ours[-1]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _said(program: str, *arguments: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    said = subprocess.run(  # noqa: S603  # a program of the machine
        [path, *arguments], capture_output=True, text=True, check=False, cwd=_ROOT
    )
    return said.stdout.strip() or None


def _commit() -> str | None:
    commit = _said("git", "rev-parse", "--short", "HEAD")
    changed = _said("git", "status", "--porcelain", "--", "fourcasters_async")
    return f"{commit}, changed" if commit and changed else commit
