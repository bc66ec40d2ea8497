"""Finding the same picture among a million: what a round of the dispatcher costs for it."""

from __future__ import annotations

import random
import time

import numpy
import pytest
from sqlalchemy import Engine, text

from ops_core.domain.pictures import BANDS, HASH_BITS, bands
from ops_core.work import same_pictures
from tests.support.factories import make_venue

pytestmark = [pytest.mark.benchmark, pytest.mark.postgres, pytest.mark.timeout(900)]

PICTURES = 1_000_000


def known_pictures(engine: Engine, count: int) -> list[str]:
    """Pictures with ids from 1 to `count`, each with one image's counts, and their hashes."""
    chance = numpy.random.default_rng(1)
    data = chance.integers(0, 256, (count, HASH_BITS // 8), dtype=numpy.uint8)
    hashes = [row.tobytes().hex() for row in data]
    square = numpy.unpackbits(data, axis=1).reshape(count, BANDS, BANDS)
    assert bands(hashes[0]) == tuple(int(sliced(square, band)[0]) for band in range(BANDS))
    connection = engine.raw_connection()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET synchronous_commit = off")
        cursor.execute("SET session_replication_role = replica")  # no look-up of each row's picture
        with cursor.copy("COPY pictures (perceptual_hash, images, venues) FROM STDIN") as copy:
            for each in hashes:
                copy.write_row((each, 1, 1))
        with cursor.copy("COPY picture_bands (band, bits, picture_id) FROM STDIN BINARY") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for band in range(BANDS):
                copy.write(band_rows(band, sliced(square, band)))
            copy.write(b"\xff\xff")
    connection.commit()
    connection.close()
    return hashes


def sliced(square: numpy.ndarray, band: int) -> numpy.ndarray:
    """`domain.pictures.bands` of all hashes at once."""
    rows = numpy.arange(BANDS)
    bits = square[:, rows, (rows + band) % BANDS].astype(numpy.int64)
    return bits @ (1 << numpy.arange(BANDS)[::-1])


def band_rows(band: int, bits: numpy.ndarray) -> bytes:
    """Rows of `picture_bands` as COPY takes them, in the order of its key."""
    fields = [
        ("columns", ">i2"),
        ("a", ">i4"),
        ("band", ">i2"),
        ("b", ">i4"),
        ("bits", ">i8"),
        ("c", ">i4"),
        ("picture", ">i8"),
    ]
    rows = numpy.zeros(len(bits), dtype=fields)
    order = numpy.argsort(bits, kind="stable")
    rows["columns"], rows["a"], rows["b"], rows["c"] = 3, 2, 8, 8
    rows["band"], rows["bits"], rows["picture"] = band, bits[order], order + 1
    return rows.tobytes()


def add_images(engine: Engine, hashes: list[str]) -> None:
    with engine.begin() as connection:
        venues = [make_venue(connection).id for _ in range(50)]
        connection.execute(
            text("""
                INSERT INTO images (venue_id, provider, provider_ref, state, storage_key, perceptual_hash)
                SELECT (CAST(:venues AS bigint[]))[1 + place % :many], 'google_places', gen_random_uuid(),
                    'uploaded', 'k', hash
                FROM unnest(CAST(:hashes AS text[])) WITH ORDINALITY AS new(hash, place)
            """),
            {"venues": venues, "many": len(venues), "hashes": hashes},
        )


def test_grouping_among_a_million_pictures(database: Engine) -> None:
    began = time.monotonic()
    known = known_pictures(database, PICTURES)
    with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE pictures, picture_bands"))
    loaded = time.monotonic() - began
    chance = random.Random(2)
    took: dict[str, list[float]] = {"all new": [], "half known": []}
    for number in range(10):
        for kind, old in (("all new", 0), ("half known", 500)):
            new = [chance.randbytes(32).hex() for _ in range(1000 - old)]
            add_images(database, new + chance.sample(known, old))
            began = time.monotonic()
            grouped = 0
            while grouped < 1000:
                grouped += same_pictures.group(database)
            if number:  # the first finds nothing in the database's memory
                took[kind].append(time.monotonic() - began)
    began = time.monotonic()
    same_pictures.group(database)
    idle = time.monotonic() - began
    words = ", ".join(
        f"{kind} median {sorted(times)[len(times) // 2] * 1000:.0f} ms, slowest {max(times) * 1000:.0f} ms"
        for kind, times in took.items()
    )
    print(
        f"\n1,000 images among {PICTURES:,} pictures: {words}; a round with nothing to do "
        f"{idle * 1000:.1f} ms (loaded in {loaded:.0f} s)"
    )
