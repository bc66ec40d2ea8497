"""All that a database holds, to look for what must not be there."""

from __future__ import annotations

from sqlalchemy import Engine, text

_TABLES = text("""
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
""")


def rows_of_all_tables(engine: Engine) -> list[str]:
    """Every row of every table, as text that begins with the table's name: "public.jobs: {...}"."""
    with engine.connect() as connection:
        tables = list(connection.scalars(_TABLES))
        assert len(tables) > 20
        return [
            f"{table}: {row}"
            for table in tables
            for row in connection.scalars(text(f"SELECT row_to_json(t)::text FROM {table} AS t"))
        ]
