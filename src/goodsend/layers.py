"""
The pack of each tenant: the installation's files with the tenant's own definitions over them.

A layer with problems never takes the place of a running pack. What is live is looked up once a second, so that every
process follows what was approved in another; who has just changed it calls `refresh`.
"""

import logging
import threading
from collections.abc import Callable, Mapping

import psycopg
from psycopg_pool import PoolTimeout

from goodsend.kit.clock import Micros
from goodsend.kit.errors import Problem
from goodsend.pack import Pack, build_pack, pack_version
from goodsend.store import definitions
from goodsend.store.connection import Connection, Pool

_LOG = logging.getLogger("goodsend.layers")
EVERY_S = 1.0


class Layers:
    """Packs by tenant. `files` are those of the installation, `base` the pack they make."""

    def __init__(self, pool: Pool, files: Mapping[str, bytes], base: Pack, now: Callable[[], Micros]) -> None:
        self._pool = pool
        self._files = dict(files)
        self._now = now
        self.base = base
        self._packs: dict[str, Pack] = {}
        self._layers: dict[str, dict[str, bytes]] = {}
        self._generations: dict[str, int] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}
        self._lock = threading.Lock()

    def pack(self, tenant: str) -> Pack:
        """Return the definitions in force for a tenant. Never waits."""
        return self._packs.get(tenant, self.base)

    def files(self, tenant: str) -> dict[str, bytes] | None:
        """Return the files that the tenant's pack is made of; None where it is not made of all of them."""
        files = {**self._files, **self._layers.get(tenant, {})}
        return files if pack_version(files) == self.pack(tenant).version else None

    def problems(self, tenant: str) -> tuple[Problem, ...]:
        """Return why the latest layer of a tenant is not in force; none where it is."""
        return self._problems.get(tenant, ())

    def build(self, layer: Mapping[str, bytes]) -> tuple[Pack | None, list[Problem]]:
        """Return the pack of the installation's files with these over them, or None with every Problem."""
        if not layer:
            return self.base, []
        return build_pack({**self._files, **layer})

    def refresh(self) -> None:
        """Build anew the packs of tenants whose definitions changed. Raises what the database raises."""
        with self._lock, self._pool.connection() as connection:
            for tenant, generation in definitions.generations(connection).items():
                if self._generations.get(tenant) != generation:
                    self._renew(connection, tenant, generation)
                    self._generations[tenant] = generation

    def watch(self, stop: threading.Event) -> None:
        """Refresh once a second until told to stop; an outage is waited out."""
        while not stop.wait(EVERY_S):
            try:
                self.refresh()
            except (psycopg.Error, PoolTimeout) as error:
                _LOG.debug("own definitions could not be looked up: %s", error)

    def _renew(self, connection: Connection, tenant: str, generation: int) -> None:
        layer = definitions.layer(connection, tenant)
        pack, problems = self.build(layer)
        self._problems[tenant] = tuple(problems)
        if problems:
            told = [problem.render() for problem in problems]
            if definitions.refuse(connection, tenant, generation, told, self._now()):
                _LOG.error("own definitions of %s are not put to work:\n%s", tenant, "\n".join(told))
            if tenant not in self._packs:
                pack = self._without(layer, problems)
        if pack is not None:
            self._packs[tenant] = pack
            self._layers[tenant] = layer

    def _without(self, layer: Mapping[str, bytes], problems: list[Problem]) -> Pack | None:
        """Return the pack without the definitions that have problems: at a start there is no older one to keep."""
        sound = {
            path: body
            for path, body in layer.items()
            if not any(problem.place.startswith(path) for problem in problems)
        }
        pack, _ = self.build(sound)
        return pack
