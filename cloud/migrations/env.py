"""How Alembic reaches the database: over the connection that `cloud.database.migrate` hands in.

Decides that the way leads forward only: no migration has a `downgrade`, as money, records and who
did what would have to be thrown away. The way back is the copy made before.
"""

from alembic import context

from cloud.models import Base


def run() -> None:
    """Applies the migrations in one transaction on the given connection."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=Base.metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


run()
