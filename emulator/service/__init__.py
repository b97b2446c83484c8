"""The only package with sockets, wall time and storage: HTTP services, pump, outbox, journal, persistence."""
