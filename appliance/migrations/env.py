"""How Alembic meets our database: one SQLite file, whose path the caller hands over."""

from alembic import context

from appliance.db import open_engine
from appliance.schema import Base, is_ours

engine = open_engine(context.config.attributes["path"])
try:
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=is_ours,
            render_as_batch=True,
            transactional_ddl=True,
            user_module_prefix="appliance.db.",
        )
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
