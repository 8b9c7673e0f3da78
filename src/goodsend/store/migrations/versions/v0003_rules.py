"""Revision 0003: rule versions and approvals. The statements are in 0003_rules.sql."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the file as it is: no parameter is taken from it, so a `%` in it is a `%`."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101
    driver.execute((Path(__file__).parent / "0003_rules.sql").read_text(encoding="utf-8"))
