"""`python -m fourcasters_async` and the command `fourcasters`."""

import gc
import sys
from importlib.util import find_spec

# As in `cli.exits`, which is not imported by then.
_INTERRUPTED = 3


def main() -> None:
    """Run the command line, or say which extra it needs."""
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
    run(prog_name="fourcasters")


if __name__ == "__main__":
    main()
