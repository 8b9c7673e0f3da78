"""
The right to write a tenant's log: a lock on a connection of its own, held while there is work, let go soon after.

Held across transactions, so that a batch can be judged while the one before it is being written. Should the connection
break, another process may take the lock while a batch of ours is on its way: then the log's own keys refuse the second
of the two (`arrival` is unique), and it is judged again.
"""

import time

from goodsend.store import log
from goodsend.store.connection import Connection, Pool


class Hold:
    """At most one tenant is held at a time. Used by the engine's thread alone."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None
        self.tenant: str | None = None
        self._since = 0.0

    @property
    def age_s(self) -> float:
        """Seconds since the tenant was taken."""
        return time.monotonic() - self._since

    def connection(self) -> Connection:
        """Return the connection of the hold; statements on it commit by themselves."""
        if self._connection is None:
            self._connection = self._pool.getconn()
            self._connection.autocommit = True
        return self._connection

    def ask(self, tenant: str, *, renew: bool) -> None:
        """Send, within a pipeline, what it takes to hold this tenant; waits for other writers there."""
        connection = self.connection()
        if self.tenant is not None and (renew or self.tenant != tenant):
            log.release_tenant(connection, self.tenant)
            self.tenant = None
        if self.tenant is None:
            log.hold_tenant(connection, tenant)
            self.tenant = tenant
            self._since = time.monotonic()

    def release(self) -> None:
        """Let others write; does nothing when nothing is held. A connection that broke has let go already."""
        connection, self._connection = self._connection, None
        tenant, self.tenant = self.tenant, None
        if connection is None:
            return
        try:
            if tenant is not None:
                log.release_tenant(connection, tenant)
            connection.autocommit = False
        except Exception:  # noqa: BLE001 - whatever state it is in, closing it lets go
            connection.close()
        self._pool.putconn(connection)

    def drop(self) -> None:
        """Close the connection, and with it the lock: its state is not known."""
        connection, self._connection, self.tenant = self._connection, None, None
        if connection is not None:
            connection.close()
            self._pool.putconn(connection)
