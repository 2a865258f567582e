"""Nothing: the fixtures come with the pytest plugin, which needs no line in a conftest.

A conftest that still has `pytest_plugins = ["fourcasters_async.testing.fixtures"]` works as before.
"""
