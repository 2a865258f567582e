"""WebSockets, and requests over one."""
