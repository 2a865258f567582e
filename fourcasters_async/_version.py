"""The version, where the build and the `User-Agent` both read it."""

__version__ = "0.1.0"
