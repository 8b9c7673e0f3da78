"""Content by its digest, kept once per tenant, and the last scan of each."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from goodsend.events.model import Content
from goodsend.kit.clock import Micros
from goodsend.scanning.model import Scan
from goodsend.store.connection import Asked, At, Connection
from goodsend.store.jsonable import clean, encode


def keep(connection: Connection, tenant: str, contents: Iterable[Content], at: Micros) -> None:
    """Keep these bodies; one that is there already stays as it is."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO content (tenant, digest, media_type, size_bytes, body, first_seen_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(tenant, c.digest, clean(c.media_type), len(c.body), c.body, At(at)) for c in contents],
        )


def keep_scans(connection: Connection, tenant: str, scans: Mapping[str, Scan], pack: str, at: Micros) -> None:
    """Keep the scans of these digests, made with this version of the pack; a newer scan replaces an older one."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO scan (tenant, digest, pack, scanned_at, body) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (tenant, digest) DO UPDATE"
            " SET pack = excluded.pack, scanned_at = excluded.scanned_at, body = excluded.body",
            [(tenant, digest, pack, At(at), encode(scan)) for digest, scan in scans.items()],
        )


def ask_bodies(connection: Connection, tenant: str, digests: Collection[str]) -> Asked[dict[str, Content]]:
    """Ask for the kept content of these digests; what was never kept is absent."""
    cursor = connection.cursor(binary=True).execute(
        "SELECT digest, media_type, body FROM content WHERE tenant = %s AND digest = ANY(%s)",
        (tenant, [clean(digest) for digest in digests]),
    )
    return lambda: {digest: Content(digest, media_type, bytes(body)) for digest, media_type, body in cursor}


def bodies(connection: Connection, tenant: str, digests: Collection[str]) -> dict[str, Content]:
    """Return the kept content of these digests; what was never kept is absent."""
    return ask_bodies(connection, tenant, digests)()


def body(connection: Connection, tenant: str, digest: str) -> Content | None:
    """Return one content, None when it was never kept."""
    return bodies(connection, tenant, [digest]).get(digest)


def scan_of(connection: Connection, tenant: str, digest: str) -> Scan | None:
    """Return the last scan of a content, None when it was never scanned."""
    row = connection.execute(
        "SELECT body FROM scan WHERE tenant = %s AND digest = %s", (tenant, clean(digest))
    ).fetchone()
    return msgspec.convert(row[0], Scan) if row else None
