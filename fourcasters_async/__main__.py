"""`python -m fourcasters_async` and the command `fourcasters`."""

import sys


def main() -> None:
    """Run the command line, or say which extra it needs."""
    try:
        from fourcasters_async.cli.commands import main as run  # noqa: PLC0415  # the extra may be missing
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.exit("The command line needs an extra: pip install 'fourcasters-async[cli]'")
    run(prog_name="fourcasters")


if __name__ == "__main__":
    main()
