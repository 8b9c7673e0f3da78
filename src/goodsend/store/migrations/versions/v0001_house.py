"""Revision 0001: the first house. The statements are in 0001_house.sql."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the file as it is: no parameter is taken from it, so a `%` in it is a `%`."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101
    driver.execute((Path(__file__).parent / "0001_house.sql").read_text(encoding="utf-8"))
