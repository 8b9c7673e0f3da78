"""Revision 0002: what the engine keeps for a quick start. The statements are in 0002_snapshots.sql."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the file as it is: no parameter is taken from it, so a `%` in it is a `%`."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101
    driver.execute((Path(__file__).parent / "0002_snapshots.sql").read_text(encoding="utf-8"))
