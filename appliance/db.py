"""The database: SQLAlchemy 2 typed models on SQLite (WAL), one linear Alembic history.

Two ways in, and no third: ``with db.reading() as session`` and ``with db.writing() as session``.  A writing
session takes SQLite's write lock at once (``BEGIN IMMEDIATE``), so it waits its turn instead of failing half-way;
it commits when the block ends and rolls back when the block raises.
"""

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    ExceptionContext,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session

from appliance import reserve
from appliance.text import one_word, words_of
from appliance.words import Message

BUSY_TIMEOUT_S = 30


#: What SQLite says when the disk below it is the trouble, and not what was asked.
OF_THE_DISK = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_READONLY")


def is_the_disk(error: BaseException) -> bool:
    """The database's disk is full, failing, or busy for long: nobody's mistake, and over when the cause is."""
    return getattr(getattr(error, "orig", None), "sqlite_errorname", "").startswith(OF_THE_DISK)


class Base(DeclarativeBase):
    """Parent of every table; constraint names follow one convention so that Alembic can change them."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {int: BigInteger().with_variant(Integer, "sqlite")}
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, stored in UTC; naive times are refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database: UTC without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database: an aware UTC moment."""
        return None if value is None else value.replace(tzinfo=UTC)


class MessageColumn(TypeDecorator[Message]):
    """A translatable sentence, stored as JSON."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Message | None, dialect: Dialect) -> Any:
        """To the database."""
        return None if value is None else value.as_json()

    def process_result_value(self, value: Any, dialect: Dialect) -> Message | None:
        """From the database."""
        return None if value is None else Message.from_json(value)


ShortText = String(255)


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def _tune(connection: Any, _record: Any) -> None:
    """Give every connection the same rules; FULL because an acknowledged upload is a committed row."""
    connection.isolation_level = None  # SQLAlchemy says BEGIN, see _begin
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
        "cache_size=-8000",
        "temp_store=FILE",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("words_of", -1, words_of, deterministic=True)  # asked for by triggers on photos
    connection.create_function("one_word", 1, one_word, deterministic=True)


def _begin(connection: Any) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")


def open_engine(path: Path) -> Engine:
    """An engine on one SQLite file; the file is created if absent, its tables are not."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _tune)
    event.listen(engine, "begin", _begin)

    def look(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlite_errorname", "") == "SQLITE_FULL":
            reserve.give_up(path)

    event.listen(engine, "handle_error", look)
    return engine


class Database:
    """One station's database."""

    def __init__(self, path: Path) -> None:
        importlib.import_module("appliance.schema")  # every foreign key finds its table, whatever else is imported
        self.path = path
        self.engine = open_engine(path)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent snapshot; what it changes is thrown away."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock; commits at the end, rolls back on any error."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.connection(execution_options={"begin": "IMMEDIATE"})
            yield session

    @contextmanager
    def noting(self) -> Iterator[Session]:
        """As :meth:`writing`, for what is good to know and nobody waits for: lost where the disk takes nothing."""
        try:
            with self.writing() as session:
                yield session
        except DBAPIError as error:
            if not is_the_disk(error):
                raise

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def migrate(path: Path) -> None:
    """Bring the database to the newest revision; the old file is copied first, and an error stops the start.

    What is true if the plug is pulled here: SQLite's own journal makes each revision whole or absent, and
    ``everpx.db.before-migration`` is the last state that the previous version wrote.
    """
    from alembic import command  # 39 MiB that only a start needs
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["path"] = path
    newest = ScriptDirectory.from_config(config).get_current_head()
    existed = path.exists()
    engine = open_engine(path)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current == newest:
                return
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.exec_driver_sql("BEGIN")
    finally:
        engine.dispose()
    if existed and current is not None:
        shutil.copy2(path, path.with_name(path.name + ".before-migration"))
    command.upgrade(config, "head")
