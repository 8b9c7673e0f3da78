"""
Settings become built parts: the database, the pack, the engine. The only place that reads the clock for the product.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg_pool import PoolTimeout

from goodsend.connectors import postgres
from goodsend.handle import Engine
from goodsend.kit.clock import Micros
from goodsend.kit.errors import Misconfigured, Problem, Retryable
from goodsend.layers import Layers
from goodsend.pack import Pack, build_pack
from goodsend.settings import Settings
from goodsend.store.connection import Pool, open_pool
from goodsend.store.definitions import LAYER
from goodsend.store.migrate import migrate

SHIPPED = Path(__file__).parent / "packs" / "core"
_MAX_PACK_BYTES = 64_000_000
_POOL_SIZE = 12


def system_now() -> Micros:
    """Return the present, from the system's clock."""
    return time.time_ns() // 1_000


class Installation:
    """
    What one process has of an installation. `pool` hands out connections (autocommit off); `engine` judges events.

    Store functions take a connection of the pool and a tenant; times come from `now`. `layers` knows what each tenant
    defines over the installation's packs.
    """

    def __init__(self, settings: Settings, pool: Pool, layers: Layers, now: Callable[[], Micros]) -> None:
        self.settings = settings
        self.pool = pool
        self.now = now
        self.layers = layers
        self.engine = Engine(pool, self.pack, now, settings)

    def pack(self, tenant: str) -> Pack:
        """Return the definitions in force for a tenant."""
        return self.layers.pack(tenant)


def read_layer(folder: Path) -> dict[str, bytes]:
    """
    Return a pack's files as `layer/room/name` → bytes, sorted by name; the layer is the folder's name.

    Raises Misconfigured when the folder cannot be read or is larger than any pack should be.
    """
    if not (folder / "pack.toml").is_file():
        raise Misconfigured(f"{folder} is not a pack: it has no pack.toml")
    folder = folder.resolve()
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix not in (".toml", ".json"):
            continue
        total += path.stat().st_size
        if total > _MAX_PACK_BYTES:
            raise Misconfigured(f"the pack {folder} is larger than {_MAX_PACK_BYTES:,} bytes")
        files[f"{folder.name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    return files


def read_files(folders: Sequence[Path]) -> dict[str, bytes]:
    """Return the files of the shipped layer and of these folders over it, in that order. Raises Misconfigured."""
    files = read_layer(SHIPPED)
    names = {SHIPPED.name, LAYER}
    for folder in folders:
        name = folder.resolve().name
        if name in names:
            raise Misconfigured(f"two packs are named {name!r}: give each folder a name of its own")
        names.add(name)
        files |= read_layer(folder)
    return files


def read_pack(folders: Sequence[Path]) -> tuple[Pack | None, list[Problem]]:
    """Return the pack made of the shipped layer and these folders over it, or None with every Problem."""
    return build_pack(read_files(folders))


def load_pack(folders: Sequence[Path]) -> Pack:
    """Return the pack; raises Misconfigured with every Problem."""
    return _sound(*read_pack(folders))


def _sound(pack: Pack | None, problems: list[Problem]) -> Pack:
    if pack is None:
        raise Misconfigured("the pack has problems", problems)
    return pack


@contextmanager
def install(settings: Settings, *, now: Callable[[], Micros] = system_now) -> Iterator[Installation]:
    """
    Start or join the database, bring it up to date, load the pack, and hand out the parts; all is closed at the end.

    Raises Misconfigured or Retryable with a sentence for the operator.
    """
    files = read_files(settings.packs)
    pack = _sound(*build_pack(files))
    with ExitStack() as stack:
        url = settings.database_url
        if not url:
            url = stack.enter_context(postgres.start(settings.data_dir.expanduser())).url
        try:
            migrate(url)
            pool = stack.enter_context(open_pool(url, size=_POOL_SIZE))
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Retryable(f"the database is away: {error}") from error
        except psycopg.Error as error:
            raise Misconfigured(f"the database cannot be used: {error}") from error
        layers = Layers(pool, files, pack, now)
        layers.refresh()
        stop = threading.Event()
        watch = threading.Thread(target=layers.watch, args=(stop,), name="layers", daemon=True)
        watch.start()
        stack.callback(watch.join, 10)
        stack.callback(stop.set)
        installation = Installation(settings, pool, layers, now)
        stack.callback(installation.engine.close)
        yield installation
