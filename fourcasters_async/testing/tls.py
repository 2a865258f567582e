"""The certificates of an exchange that serves TLS."""

import ssl


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make an authority, and return contexts for a server on loopback and for its clients."""
    # Only those who serve TLS need trustme.
    import trustme  # noqa: PLC0415  # as above

    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
