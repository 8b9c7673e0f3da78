"""Revision 0005: when definitions moved is quick to find. The statements are in 0005_moves.sql."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run the file as it is: no parameter is taken from it, so a `%` in it is a `%`."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101
    driver.execute((Path(__file__).parent / "0005_moves.sql").read_text(encoding="utf-8"))
