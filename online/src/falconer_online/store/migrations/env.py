from __future__ import annotations

from alembic import context

from falconer_online.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
# no begin_transaction: the caller's transaction holds the whole migration
context.run_migrations()
