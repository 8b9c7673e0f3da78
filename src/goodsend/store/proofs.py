"""Results of proofs: what comparing the row path with an engine over a tenant's own archive found."""

import msgspec

from goodsend.kit.clock import Micros
from goodsend.kit.ids import derived_id
from goodsend.reports.proof import Proof
from goodsend.store.connection import At, Connection
from goodsend.store.jsonable import encode


def keep(connection: Connection, tenant: str, proof: Proof, at: Micros) -> str:
    """Keep a proof and return its id."""
    proof_id = derived_id("prf", tenant, proof.engine, str(at))
    connection.execute(
        "INSERT INTO proof (tenant, proof_id, ran_at, differences, body) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT DO NOTHING",
        (tenant, proof_id, At(at), proof.differences, encode(proof)),
    )
    return proof_id


def latest(connection: Connection, tenant: str, limit: int = 20) -> list[tuple[Micros, Proof]]:
    """Return proofs with when they ran, latest first."""
    rows = connection.execute(
        "SELECT ran_at, body FROM proof WHERE tenant = %s ORDER BY ran_at DESC, proof_id LIMIT %s", (tenant, limit)
    )
    return [(at, msgspec.convert(body, Proof)) for at, body in rows]
