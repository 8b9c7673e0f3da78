"""Who is behind a host. Canonical forms are made in `events.addresses`."""

from goodsend.events.addresses import registrable_domain


def domain_of(host: str) -> str | None:
    """
    Return the registrable domain of a canonical host, None for addresses, single labels and bare suffixes.

    Where the list has no rule for an ending, the ending counts as one label (the list's own default rule, `*`), so that
    reserved and new endings work too. Source: publicsuffix.org, algorithm, step 2.
    """
    found = registrable_domain(host)
    if found is not None:
        return found
    before, _, last = host.rpartition(".")
    if not before or ":" in host or last.isdigit() or registrable_domain(f"x.{host}") is not None:
        return None
    return f"{before.rpartition('.')[2]}.{last}"


def is_in(host: str | None, names: frozenset[str]) -> bool:
    """True when a host, or a domain above it, is in a set."""
    while host:
        if host in names:
            return True
        host = host.partition(".")[2]
    return False
