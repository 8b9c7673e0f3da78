"""What Alembic runs for every command: the revisions, on the connection that `migrate.py` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, on_version_apply=context.config.attributes["on_version_apply"])
with context.begin_transaction():
    context.run_migrations()
