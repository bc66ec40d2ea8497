"""What the settings of a store must say, and what is told when they do not."""

from __future__ import annotations

from typing import Any

import pytest

from ops_core.settings import Settings
from ops_core.storage.access import s3_address
from ops_core.storage.registry import NotSetUp, behind_console, open_named, store_origins, store_problem

S3 = {
    "s3_bucket": "photos",
    "s3_endpoint": "https://0a1b2c.r2.cloudflarestorage.com",
    "s3_access_key_id": "AKIAEXAMPLE",
    "s3_secret_access_key": "example-secret",
}
IMAGEKIT = {
    "imagekit_private_key": "private_example",
    "imagekit_url_endpoint": "https://ik.imagekit.io/your_id/",
}


def settings(**given: Any) -> Settings:
    return Settings(**given)


def test_the_disk_needs_no_setting() -> None:
    assert store_problem(settings()) is None
    assert behind_console(settings()) is None


@pytest.mark.parametrize("absent", ["s3_bucket", "s3_access_key_id", "s3_secret_access_key"])
def test_what_s3_lacks_is_named(absent: str) -> None:
    given = {name: value for name, value in S3.items() if name != absent}
    problem = store_problem(settings(store="s3", **given))
    assert problem is not None
    assert f"VENUE_OPS_{absent.upper()}" in problem
    assert "example-secret" not in problem
    with pytest.raises(NotSetUp, match=f"VENUE_OPS_{absent.upper()}"):
        open_named(settings(**given), "s3")


@pytest.mark.parametrize("absent", ["imagekit_private_key", "imagekit_url_endpoint"])
def test_what_imagekit_lacks_is_named(absent: str) -> None:
    given = {name: value for name, value in IMAGEKIT.items() if name != absent}
    problem = store_problem(settings(store="imagekit", **given))
    assert problem is not None
    assert f"VENUE_OPS_{absent.upper()}" in problem


def test_whole_settings_are_no_problem() -> None:
    for store in ("disk", "s3", "imagekit"):
        assert store_problem(settings(store=store, **S3, **IMAGEKIT)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"s3_endpoint": "http://minio.example.org:9000"}, "must begin with https"),
        ({"s3_endpoint": "0a1b2c.r2.cloudflarestorage.com"}, "must look like"),
        ({"s3_endpoint": "https://key:secret@minio.example.org"}, "must look like"),
        ({"s3_endpoint": "https://minio.example.org/?x=1"}, "must look like"),
        ({"s3_endpoint": "https://0a1b2c.r2.cloudflarestorage.com/photos"}, "leave the bucket out"),
        ({"s3_endpoint": None}, "VENUE_OPS_S3_REGION"),
        ({"s3_public_url": "http://images.example.org"}, "must begin with https"),
        ({"s3_public_url": "https://images.example.org; script-src *"}, "must look like"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_before_anything_is_sent(
    change: dict[str, str | None], words: str
) -> None:
    problem = store_problem(settings(store="s3", **S3 | change))
    assert problem is not None
    assert words in problem
    assert problem.startswith("VENUE_OPS_S3_")
    assert "secret@" not in problem


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"imagekit_private_key": "public_example"}, "public key"),
        ({"imagekit_url_endpoint": "https://ik.imagekit.io/"}, "id of the account"),
        ({"imagekit_url_endpoint": "http://ik.imagekit.io/your_id"}, "must begin with https"),
        ({"imagekit_api_url": "http://proxy.example.org"}, "must begin with https"),
    ],
)
def test_settings_of_imagekit_that_cannot_be_right_are_refused(change: dict[str, str], words: str) -> None:
    problem = store_problem(settings(store="imagekit", **IMAGEKIT | change))
    assert problem is not None
    assert words in problem


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:9000", "[::1]:9000"])
def test_a_service_on_this_machine_may_speak_plain_http(host: str) -> None:
    assert store_problem(settings(store="s3", **S3 | {"s3_endpoint": f"http://{host}"})) is None


@pytest.mark.parametrize(
    ("change", "address"),
    [
        ({}, "https://0a1b2c.r2.cloudflarestorage.com"),
        ({"s3_endpoint": "https://minio.example.org/s3/"}, "https://minio.example.org/s3"),
        ({"s3_endpoint": None, "s3_region": "eu-central-1"}, "https://s3.eu-central-1.amazonaws.com"),
        (
            {"s3_endpoint": None, "s3_region": "eu-central-1", "s3_path_style": False},
            "https://photos.s3.eu-central-1.amazonaws.com",
        ),
        (
            {"s3_endpoint": "https://minio.example.org:9000", "s3_path_style": False},
            "https://photos.minio.example.org:9000",
        ),
    ],
)
def test_the_bucket_is_named_in_the_path_or_in_the_host(change: dict[str, Any], address: str) -> None:
    given = settings(**S3 | change)
    assert store_problem(given, "s3") is None
    assert s3_address(given) == address


def test_a_store_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NotSetUp, match="disk, s3, imagekit"):
        open_named(settings(), "floppy")


def test_pages_may_load_from_the_stores_that_browsers_reach_and_from_no_other() -> None:
    public = {"s3_public_url": "https://Images.Example.org:443/venues"}
    assert store_origins(settings()) == []
    assert store_origins(settings(**S3)) == []
    assert store_origins(settings(**S3, **public, **IMAGEKIT)) == [
        "https://images.example.org",
        "https://ik.imagekit.io",
    ]
    assert store_origins(settings(**public)) == []
