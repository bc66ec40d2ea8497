"""`venue-ops doctor` and the start of the system, for every store."""

from __future__ import annotations

from typing import Any

import pytest

from ops_core import doctor
from ops_core.doctor import Finding, Mark
from ops_core.embedded import up
from ops_core.embedded.processes import CannotStart
from ops_core.settings import Settings
from ops_core.storage import probe
from tests.support.imagekit_server import PRIVATE_KEY, ImageKitServer
from tests.support.ports import free_port
from tests.support.s3_server import S3Server


def found(everything: Settings, store: str, **changes: Any) -> Finding:
    settings = Settings.model_validate(everything.model_dump() | {"store": store} | changes)
    return doctor._store(settings)


def test_a_store_that_works_is_tried_and_left_as_it_was(
    everything: Settings, s3: S3Server, imagekit: ImageKitServer
) -> None:
    for store in ("disk", "s3", "imagekit"):
        finding = found(everything, store)
        assert finding.mark is Mark.GOOD, finding.text
    assert s3.objects() == {}
    assert imagekit.files == {}
    assert imagekit.asked == ["upload", "list", "serve", "serve", "list", "delete"]


def test_what_is_missing_in_the_settings_is_said_without_asking_anybody(
    everything: Settings, imagekit: ImageKitServer
) -> None:
    finding = found(everything, "imagekit", imagekit_url_endpoint=None)
    assert finding.mark is Mark.WRONG
    assert "VENUE_OPS_IMAGEKIT_URL_ENDPOINT" in finding.text
    assert imagekit.asked == []


@pytest.mark.parametrize(
    ("store", "changes", "words"),
    [
        ("s3", {"s3_bucket": "no-such-bucket"}, "VENUE_OPS_S3_BUCKET"),
        ("s3", {"s3_secret_access_key": "wrong"}, "VENUE_OPS_S3_SECRET_ACCESS_KEY"),
        ("imagekit", {"imagekit_private_key": "private_wrong"}, "VENUE_OPS_IMAGEKIT_PRIVATE_KEY"),
    ],
)
def test_a_store_that_refuses_is_wrong_and_says_what_to_correct(
    everything: Settings, store: str, changes: dict[str, str], words: str
) -> None:
    finding = found(everything, store, **changes)
    assert finding.mark is Mark.WRONG
    assert words in finding.text
    assert PRIVATE_KEY not in finding.text


def test_rights_that_are_missing_are_found_before_a_worker_needs_them(
    everything: Settings, s3: S3Server
) -> None:
    finding = found(everything, "s3", **s3.key("s3:PutObject", "s3:DeleteObject"))
    assert finding.mark is Mark.WRONG
    assert "read, write, list and delete" in finding.text


def test_an_address_at_which_browsers_find_nothing_is_odd(everything: Settings) -> None:
    finding = found(everything, "s3", s3_public_url=f"http://127.0.0.1:{free_port()}/photos")
    assert finding.mark is Mark.ODD
    assert "VENUE_OPS_S3_PUBLIC_URL" in finding.text


def test_a_store_that_lists_late_is_waited_for_and_not_for_ever(
    everything: Settings, imagekit: ImageKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_PAUSE", 0.01)
    empty = {"status": 200, "body": "[]", "headers": {"Content-Type": "application/json"}}
    for _ in range(3):
        imagekit.refuse("list", **empty)
    assert found(everything, "imagekit").mark is Mark.GOOD
    assert imagekit.files == {}
    monkeypatch.setattr(probe, "LISTED_WITHIN", 0.1)
    for _ in range(500):
        imagekit.refuse("list", **empty)
    finding = found(everything, "imagekit")
    assert finding.mark is Mark.WRONG
    assert "does not list" in finding.text


def test_the_system_does_not_start_on_a_store_that_is_set_up_in_part(everything: Settings) -> None:
    half = Settings.model_validate(everything.model_dump() | {"store": "s3", "s3_bucket": None})
    with pytest.raises(CannotStart, match="VENUE_OPS_S3_BUCKET"):
        up._check_store(half)
    up._check_store(everything.model_copy(update={"store": "s3"}))
