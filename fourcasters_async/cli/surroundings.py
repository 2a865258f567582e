"""What is around the library: names, connections and their certificates, and versions."""

import asyncio
import os
import platform
import re
import socket
import ssl
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from attrs import frozen

from fourcasters_async._settings import BASE_URL
from fourcasters_async._version import __version__

_PARTS = ("aiohttp", "orjson", "msgspec")
_DAY = 24 * 3600.0


@frozen
class Address:
    """Where a server is, and whether it is reached over TLS."""

    host: str
    port: int
    tls: bool


@frozen
class Connected:
    """How a connection was made. `days` is for how long its certificate is still valid."""

    protocol: str | None
    days: float | None


def given_address() -> str:
    """Return the REST address of the environment, or that of the real exchange."""
    return os.environ.get("FOURCASTERS_BASE_URL") or BASE_URL


def without_secrets(url: str) -> str:
    """Return a URL without the parts that may hold a secret, whether or not it leads anywhere."""
    scheme, mark, rest = re.split("[?#]", url, maxsplit=1)[0].rpartition("://")
    return scheme + mark + rest.rpartition("@")[2]


def address_of(url: str) -> Address | None:
    """Return where a URL leads, `None` if it leads nowhere."""
    try:
        parts = urlsplit(url)
        tls = parts.scheme in {"https", "wss"}
        port = parts.port or (443 if tls else 80)
    except ValueError:
        return None
    return None if not parts.hostname else Address(parts.hostname, port, tls)


async def look_up(address: Address) -> list[str]:
    """Return the IP addresses of a host. Raises `OSError` if it has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


async def connect(address: Address, now: float) -> Connected:
    """Connect and disconnect. `now` is in seconds since 1970. Raises `OSError`."""
    context = ssl.create_default_context() if address.tls else None
    _, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
    try:
        made = writer.get_extra_info("ssl_object")
        if made is None:
            return Connected(None, None)
        ends = ssl.cert_time_to_seconds(made.getpeercert()["notAfter"])
        return Connected(made.version(), (ends - now) / _DAY)
    finally:
        # Without a wait for the other side's goodbye, which may never come.
        writer.transport.abort()


def versions() -> str:
    """Name the versions of what a report of a fault should name."""
    parts = [f"fourcasters_async {__version__}", f"Python {platform.python_version()}"]
    for name in _PARTS:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"{name} not installed")
    parts += [ssl.OPENSSL_VERSION, f"{platform.system()} {platform.release()}", platform.machine()]
    return ", ".join(parts)
