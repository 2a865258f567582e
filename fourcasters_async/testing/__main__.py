"""Serve a sandbox exchange: `python -m fourcasters_async.testing`."""

from fourcasters_async.testing.process import main

if __name__ == "__main__":
    main()
