"""Revision 0004: labels on entities, alarms, held-back actions. The statements are in 0004_labels.sql."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run the file as it is: no parameter is taken from it, so a `%` in it is a `%`."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101
    driver.execute((Path(__file__).parent / "0004_labels.sql").read_text(encoding="utf-8"))
