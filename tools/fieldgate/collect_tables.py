"""The tables that `fieldgate collect` keeps, for any database that SQLAlchemy reaches.

    boxes ─< logs ─< boots ─< samples >─ points >─ groups (one retained meta message)
                       └────< events, batches          logs ─< ranges (record numbers that have arrived)

A value is identified by point, boot and uptime; that is the primary key, so it cannot be there twice. Times are ms:
`utc_ms` since 1970-01-01 (NULL until the box's clock is known), `uptime_ms` of one boot, `arrival_ms` UTC on the host
that collects. The view `readings` joins names and units to the values.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    select,
)
from sqlalchemy.engine import Connection

FORMAT = 1  # of these tables; another number in `about` is refused
TABLES = MetaData()


def _key(name: str = "id") -> Column[int]:
    return Column(name, Integer, primary_key=True, autoincrement=True)


def _of(table: str, primary_key: bool = False) -> Column[int]:
    name = "box_id" if table == "boxes" else table[:-1] + "_id"
    return Column(name, ForeignKey(f"{table}.id"), nullable=False, primary_key=primary_key)


about = Table("about", TABLES, Column("format", Integer, nullable=False))
boxes = Table(
    "boxes", TABLES, _key(),
    Column("base", String(255), nullable=False, unique=True),  # topic that its messages stand below
    Column("box", String(64)),
    Column("state", String(16)),  # of the newest status message
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
)  # fmt: skip
documents = Table(  # the newest of each retained message: status, telemetry, glossary, inventory
    "documents", TABLES, _key(), _of("boxes"),
    Column("topic", String(255), nullable=False),  # below the base
    Column("text", Text, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),
    UniqueConstraint("box_id", "topic"),
)  # fmt: skip
groups = Table(
    "groups", TABLES, _key(), _of("boxes"),
    Column("schema_id", String(16), nullable=False),
    Column("number", Integer, nullable=False),
    Column("meta", Text, nullable=False),
    UniqueConstraint("box_id", "schema_id", "number"),
)  # fmt: skip
points = Table(
    "points", TABLES, _key(), _of("groups"),
    Column("position", Integer, nullable=False),
    Column("name", String(128), nullable=False),  # unit.name
    Column("type", String(16), nullable=False),
    Column("unit", String(32), nullable=False),
    UniqueConstraint("group_id", "position"),
)  # fmt: skip
logs = Table(
    "logs", TABLES, _key(), _of("boxes"),
    Column("log", String(16), nullable=False),
    Column("given_up", BigInteger, nullable=False, default=0),  # missing records of gaps too old to be listed
    UniqueConstraint("box_id", "log"),
)  # fmt: skip
ranges = Table(  # half-open ranges of record numbers that have arrived; what lies between them is missing
    "ranges", TABLES, _of("logs", primary_key=True),
    Column("start_seq", BigInteger, primary_key=True),
    Column("end_seq", BigInteger, nullable=False),
)  # fmt: skip
boots = Table(
    "boots", TABLES, _key(), _of("logs"),
    Column("boot", BigInteger, nullable=False),
    Column("zero_utc_ms", BigInteger),  # UTC of uptime 0 by the newest time mark
    UniqueConstraint("log_id", "boot"),
)  # fmt: skip
batches = Table(
    "batches", TABLES, _key(), _of("boots"),
    Column("schema_id", String(16), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),  # of the first arrival
    Column("repeats", Integer, nullable=False, default=0),  # arrivals after that
    UniqueConstraint("boot_id", "seq", "records"),
)  # fmt: skip
samples = Table(
    "samples", TABLES,
    _of("points", primary_key=True),
    _of("boots", primary_key=True),
    Column("uptime_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("utc_ms", BigInteger),
    Column("quality", Integer, nullable=False),  # of this value: 0 good; the others stand in the box's glossary
    Column("value", Double),  # NULL if there is none, or if it is no number
    Column("exact", String(128)),  # the value in decimal, every digit, or its text; NULL if the read failed
    Column("seq", BigInteger, nullable=False),  # of the batch that brought it
    Column("arrival_ms", BigInteger, nullable=False),
)  # fmt: skip
Index("samples_by_time", samples.c.point_id, samples.c.utc_ms)
Index("samples_without_time", samples.c.boot_id, sqlite_where=samples.c.utc_ms.is_(None),
      postgresql_where=samples.c.utc_ms.is_(None))  # fmt: skip
events = Table(
    "events", TABLES,
    _of("boots", primary_key=True),
    Column("uptime_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("what", String(200), primary_key=True),  # its arguments as a JSON list
    Column("utc_ms", BigInteger),
    Column("seq", BigInteger, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),
)  # fmt: skip
waiting = Table(  # batches whose meta has not arrived yet
    "waiting", TABLES, _key(), _of("boxes"),
    Column("schema_id", String(16), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),
)  # fmt: skip

_READINGS = (
    select(
        boxes.c.base, boxes.c.box, points.c.name, samples.c.utc_ms, samples.c.value, points.c.unit, samples.c.quality,
        samples.c.exact, logs.c.log, boots.c.boot, samples.c.uptime_ms, samples.c.seq, samples.c.arrival_ms,
    )
    .select_from(samples)
    .join(points, points.c.id == samples.c.point_id)
    .join(boots, boots.c.id == samples.c.boot_id)
    .join(logs, logs.c.id == boots.c.log_id)
    .join(boxes, boxes.c.id == logs.c.box_id)
)  # fmt: skip


class WrongTables(ValueError):
    """The database holds tables of another version, or of another program."""


def create(connection: Connection) -> None:
    """Make what is missing. Raises WrongTables."""
    there = inspect(connection)
    if there.has_table("samples") and not there.has_table("about"):
        raise WrongTables("the database has a table `samples` of another program: give it a database of its own")
    TABLES.create_all(connection)
    found = connection.execute(select(about.c.format)).scalar()
    if found is None:
        connection.execute(about.insert().values(format=FORMAT))
    elif found != FORMAT:
        raise WrongTables(f"the tables are of version {found}, this program writes {FORMAT}: use a new database")
    if "readings" not in there.get_view_names():
        text = str(_READINGS.compile(dialect=connection.dialect))
        connection.exec_driver_sql(f"CREATE VIEW readings AS {text}")
