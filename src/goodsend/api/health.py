"""Whether the process lives, and whether it can serve. No key is needed, so nothing here tells more than that."""

from typing import Annotated

import psycopg
import psycopg_pool
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta, Struct

from goodsend import __version__
from goodsend.api.context import Asked, installation_of
from goodsend.store.migrate import newest_revision
from goodsend.wiring import Installation

_PATIENCE_S = 2.0


class Health(Struct, frozen=True):
    """The process lives."""

    status: str
    version: str


class Check(Struct, frozen=True):
    """One thing that must hold before requests can be served."""

    name: str
    ok: bool
    detail: Annotated[str | None, Meta(description="What is wrong, null when nothing is.")]


class Readiness(Struct, frozen=True):
    """Whether requests can be served, and each thing that must hold for it."""

    ready: bool
    checks: list[Check]


@get(
    "/healthz",
    operation_id="health",
    summary="Say that the process lives",
    description="Answers without the database: a load balancer restarts a process that does not answer this.",
    response_description="The process lives.",
    tags=["Health"],
    security=[{}],
)
async def healthz() -> Health:
    """Answer at once, from the event loop itself."""
    return Health("ok", __version__)


@get(
    "/readyz",
    operation_id="readiness",
    summary="Say whether requests can be served",
    description="Checks that the database answers, that its schema is this release's, and that the engine runs.",
    response_description="Requests can be served.",
    responses={503: ResponseSpec(Readiness, generate_examples=False, description="Not now.")},
    tags=["Health"],
    security=[{}],
    sync_to_thread=True,
)
def readyz(request: Asked) -> Response[Readiness]:
    """Run each check; 503 when one fails."""
    installation = installation_of(request)
    checks = [*_database(installation), _engine(installation)]
    ready = all(check.ok for check in checks)
    headers = {} if ready else {"Retry-After": "2"}
    return Response(Readiness(ready, checks), status_code=200 if ready else 503, headers=headers)


def _database(installation: Installation) -> list[Check]:
    try:
        with installation.pool.connection(timeout=_PATIENCE_S) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return [Check("database", True, None), Check("schema", False, "no migration has run")]
    except (psycopg.Error, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed):
        return [Check("database", False, "it does not answer"), Check("schema", False, "not known")]
    found, wanted = row[0] if row else "none", newest_revision()
    detail = None if found == wanted else f"at revision {found}, this release needs {wanted}"
    return [Check("database", True, None), Check("schema", detail is None, detail)]


def _engine(installation: Installation) -> Check:
    engine = installation.engine
    if not engine.is_running:
        return Check("engine", False, "it does not take events")
    return Check("engine", engine.is_warm, None if engine.is_warm else "it reads the log into its windows")
