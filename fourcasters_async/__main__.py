"""`python -m fourcasters_async` and the command `fourcasters`."""

import gc
import io
import os
import sys
from importlib.util import find_spec

# As in `cli.exits`, which is not imported by then.
_INTERRUPTED = 3


def main() -> None:
    """Run the command line, or say which extra it needs."""
    _open_what_is_closed()
    # Some are imported late: a command must not fail for want of one once it has cancelled orders.
    if None in map(find_spec, ("click", "platformdirs", "rich")):
        sys.exit("The command line needs an extra: pip install 'fourcasters-async[cli]'")
    # What is imported stays, and to look for garbage in it, now and at the end, takes time.
    gc.disable()
    try:
        from fourcasters_async.cli.commands import main as run  # noqa: PLC0415  # it needs the extra
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    gc.freeze()
    gc.enable()
    try:
        run(prog_name="fourcasters")
    finally:
        _forget_what_cannot_be_written()


def _open_what_is_closed() -> None:
    """Give a standard stream that was closed, such as by `<&-`, where nothing is read or written.

    Otherwise it is `None`, and the first file or connection gets its number: what a library or a
    child process writes to standard error would go to the exchange.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  # it stays open


def _forget_what_cannot_be_written() -> None:
    """Give up the outputs that failed, so that the exit status stays what it is.

    Python tries again at its end to write what is left in a buffer, and exits with 120.
    """
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError):
            setattr(sys, name, io.StringIO())


if __name__ == "__main__":
    main()
