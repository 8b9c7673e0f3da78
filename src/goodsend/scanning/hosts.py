"""Whether a host is in a set. Canonical forms and registrable domains are made in `events.addresses`."""


def is_in(host: str | None, names: frozenset[str]) -> bool:
    """True when a host, or a domain above it, is in a set."""
    while host:
        if host in names:
            return True
        host = host.partition(".")[2]
    return False
