"""From a provider to a group: what the sandbox hands out more than once is found after a real enrichment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable

import pytest

from ops_core.domain.pictures import PictureFlag
from ops_core.work import same_pictures
from tests.support.given_jobs import run_given
from tests.support.system import System

pytestmark = [pytest.mark.postgres]


def grouped(pairs: Iterable[tuple[Hashable, int]]) -> set[frozenset[int]]:
    groups: dict[Hashable, set[int]] = defaultdict(set)
    for key, image in pairs:
        groups[key].add(image)
    return {frozenset(group) for group in groups.values()}


def test_uploads_are_looked_at_and_grouped_as_their_thumbnails_say_and_nothing_is_dropped(
    system: System,
) -> None:
    job_ids = system.enqueue(system.add_venues(30))
    for first in range(0, 30, 8):
        run_given(system.engine, system.settings, job_ids[first : first + 8])
    before = system.agree()

    while same_pictures.group(system.engine):
        pass

    images = system.rows("SELECT * FROM images WHERE state = 'uploaded'")
    assert {flag for image in images for flag in image.flags} == set(PictureFlag)
    assert all((image.perceptual_hash is None) == (PictureFlag.BLANK in image.flags) for image in images)
    told = [image for image in images if image.perceptual_hash]
    store = system.settings.store_path
    alike = grouped(((store / image.thumbnail_key).read_bytes(), image.id) for image in told)
    assert grouped((image.picture_id, image.id) for image in told) == alike
    assert any(len(group) > 2 for group in alike), "the sandbox's card"
    assert system.agree() == before
    assert before["uploaded"] == len(images)
