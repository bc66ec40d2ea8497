"""The console shows pictures of a bucket that browsers cannot reach themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_core.settings import Settings
from ops_core.settings_help import env_name
from ops_core.storage.registry import open_named
from ops_core.ui.address import BASE
from tests.support.console import Console, running_console
from tests.support.photos import jpeg
from tests.support.s3_server import S3Server

pytestmark = pytest.mark.postgres

IN_BUCKET, ON_DISK, IN_BOTH = (f"venues/7-bar/gp-{name}.jpg" for name in ("bucket", "disk", "both"))


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> S3Server:
    s3_server.reset()
    settings = Settings(_env_file=None, **s3_server.settings)

    async def fill() -> None:
        store = open_named(settings, "s3")
        for key in (IN_BUCKET, IN_BOTH):
            await store.put(key, jpeg(seed=1), "image/jpeg")
        await store.put("venues/7-bar/page.html", b"<script>alert(1)</script>", "text/html")
        await store.put("outside.jpg", jpeg(), "image/jpeg")

    asyncio.run(fill())
    return s3_server


@pytest.fixture(scope="module")
def console(postgres, bucket: S3Server, tmp_path_factory) -> Iterator[Console]:
    data_dir: Path = tmp_path_factory.mktemp("console")
    for key in (ON_DISK, IN_BOTH):
        path = data_dir / "store" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed=2))
    env = {env_name(name): str(value) for name, value in bucket.settings.items()}
    env["VENUE_OPS_STORE"] = "s3"
    with postgres.fresh() as url, running_console(url, data_dir, env=env) as running:
        yield running


def test_a_picture_of_the_bucket_is_served_like_one_of_the_disk(console: Console) -> None:
    answers = [console.ask(f"{BASE}/media/{key}") for key in (IN_BUCKET, ON_DISK)]
    assert [body for _, body in answers] == [jpeg(seed=1), jpeg(seed=2)]
    first, second = (answer.headers for answer, _ in answers)
    for name in (
        "Content-Type",
        "Cache-Control",
        "Content-Disposition",
        "Content-Security-Policy",
        "Cross-Origin-Resource-Policy",
        "X-Content-Type-Options",
    ):
        assert first[name] == second[name], name
    assert first["Content-Type"] == "image/jpeg"
    assert first["Cache-Control"].startswith("private")


def test_what_is_here_is_not_fetched(console: Console) -> None:
    assert console.ask(f"{BASE}/media/{IN_BOTH}")[1] == jpeg(seed=2)


@pytest.mark.parametrize(
    "path",
    [
        "venues/7-bar/absent.jpg",
        "venues/7-bar/page.html",
        "venues/../outside.jpg",
        "venues/%2e%2e/outside.jpg",
        "venues//etc.jpg",
        "outside.jpg",
    ],
)
def test_what_is_no_stored_photo_is_not_there(console: Console, path: str) -> None:
    answer, body = console.ask(f"{BASE}/media/{path}")
    assert answer.status in (400, 404)
    assert b"alert" not in body
    assert "immutable" not in answer.headers.get("Cache-Control", "")


def test_a_stranger_gets_nothing_of_the_bucket(console: Console) -> None:
    headers = {"Host": f"stranger.example:{console.port}"}
    assert console.ask(f"{BASE}/media/{IN_BUCKET}", headers=headers)[0].status == 403


def test_a_bucket_that_is_away_is_said_plainly_and_the_rest_works(postgres, tmp_path: Path, bucket) -> None:
    env = {env_name(name): str(value) for name, value in bucket.settings.items()}
    env |= {
        "VENUE_OPS_STORE": "s3",
        "VENUE_OPS_S3_SECRET_ACCESS_KEY": "a-wrong-secret",
        "VENUE_OPS_STORE_TIMEOUT": "3",
    }
    with postgres.fresh() as url, running_console(url, tmp_path / "data", env=env) as console:
        answer, body = console.ask(f"{BASE}/media/{IN_BUCKET}")
        assert answer.status == 502
        assert b"image store" in body
        assert b"secret" not in body.lower()
        assert answer.headers["Cache-Control"] == "no-store"
        assert console.ask(f"{BASE}/healthz/ready")[0].status == 200
        assert "VENUE_OPS_S3_SECRET_ACCESS_KEY" in console.log.read_text()
        assert "a-wrong-secret" not in console.log.read_text()


def test_pages_may_show_pictures_of_public_stores(postgres, tmp_path: Path, bucket) -> None:
    env = {env_name(name): str(value) for name, value in bucket.settings.items()}
    env |= {
        "VENUE_OPS_S3_PUBLIC_URL": "https://images.example.org/venues",
        "VENUE_OPS_IMAGEKIT_PRIVATE_KEY": "private_example",
        "VENUE_OPS_IMAGEKIT_URL_ENDPOINT": "https://ik.imagekit.io/your_id",
    }
    with postgres.fresh() as url, running_console(url, tmp_path / "data", env=env) as console:
        policy = console.ask(f"{BASE}/operations")[0].headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    sources = rules["img-src"].split()
    assert {"'self'", "https://images.example.org", "https://ik.imagekit.io"} <= set(sources)
    assert "*" not in sources
    assert "imagekit" not in rules["script-src"] + rules["default-src"] + rules["connect-src"]
