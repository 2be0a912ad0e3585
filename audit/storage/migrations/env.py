"""How Alembic runs the steps: on the connection that ``audit.storage.migrating`` gives, in its transaction."""

from alembic import context

from audit.storage import tables

context.configure(
    connection=context.config.attributes["connection"], target_metadata=tables.Base.metadata, transactional_ddl=False
)
context.run_migrations()
