"""Alembic's entry: migrations run over the connection that `ops_core.db.migrate` hands in."""

from alembic import context

from ops_core.db.schema import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_server_default=True,
    # partitions of attempts come and go with the months
    include_name=lambda name, kind, parents: not (kind == "table" and name and name.startswith("attempts_")),
)
with context.begin_transaction():
    context.run_migrations()
