"""Brings a database to the newest revision. The revisions are plain SQL in `migrations/versions`."""

from pathlib import Path
from typing import Any

import psycopg

from goodsend.kit.errors import Misconfigured

FOLDER = Path(__file__).parent / "migrations"

_LOCK = "goodsend migrations"


def newest_revision() -> str:
    """Return the revision this release needs: revisions are numbered files, one after the other."""
    return max(path.name.split("_", 1)[0] for path in (FOLDER / "versions").glob("*.sql"))


def migrate(url: str) -> list[str]:
    """
    Run the revisions the database lacks, and return them in order (empty when it was up to date).

    Several processes may do this at once: the second waits, then finds nothing to do. A revision that fails leaves
    the database as it was. Raises Misconfigured when the database is newer than this release.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        if _current(connection) == newest_revision():
            return []
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (_LOCK,))
        current = _current(connection)
        if current == newest_revision():
            return []
        if current is not None and current > newest_revision():
            raise Misconfigured(
                f"the database is at revision {current}, this release knows up to {newest_revision()}: "
                "start the newer release again, or restore a backup made before it"
            )
        connection.autocommit = False
        return _upgrade(connection)


def _current(connection: "psycopg.Connection[Any]") -> str | None:
    found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if not found or not found[0]:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return row[0] if row else None


def _upgrade(connection: "psycopg.Connection[Any]") -> list[str]:
    # Imported only when there is work: they take longer to load than the rest of a warm start.
    import alembic.command
    import alembic.config
    import sqlalchemy

    applied: list[str] = []
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=sqlalchemy.pool.StaticPool
    )
    config = alembic.config.Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["on_version_apply"] = lambda step, **_: applied.append(step.up_revision_id)
    with engine.connect() as link:
        config.attributes["connection"] = link
        alembic.command.upgrade(config, "head")
        link.commit()
    return applied
