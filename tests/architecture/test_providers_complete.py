"""Whatever must know of a provider does, and the paper on adding one names it all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops_core.actions import matches
from ops_core.domain.places import PROVIDER_ID_SHAPES
from ops_core.domain.providers import FACTS, SEED
from ops_core.domain.retry_plan import CALLS_PER_PHOTO
from ops_core.providers.registry import SOURCES
from ops_core.providers.source import PlaceFinder
from ops_core.sandbox.server import PROVIDERS
from ops_core.settings import Settings
from ops_core.settings_help import env_name
from ops_core.storage.store import PROVIDER_CODES

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
ROWS = {terms.code: terms for terms in SEED}


def test_every_source_has_a_row_and_every_row_a_source():
    assert set(SOURCES) == set(ROWS)


@pytest.mark.parametrize("code", sorted(SOURCES))
def test_everything_that_must_know_of_a_provider_does(code: str):
    assert SOURCES[code].code == code
    assert FACTS[code].photo_hosts
    assert code in CALLS_PER_PHOTO
    assert code in PROVIDER_CODES
    assert code in {module.CODE for module in PROVIDERS}


@pytest.mark.parametrize("code", sorted(SOURCES))
def test_a_providers_row_says_what_its_module_can_do(code: str):
    source = SOURCES[code]
    searches = isinstance(source, PlaceFinder)
    assert set(ROWS[code].capabilities) == ({"photos", "search"} if searches else {"photos"})
    if isinstance(source, PlaceFinder):
        assert source.id_key in PROVIDER_ID_SHAPES
        assert source.id_key in matches._EXAMPLES


@pytest.mark.parametrize("code", sorted(SOURCES))
def test_a_provider_that_cannot_be_asked_names_a_setting_there_is(code: str):
    named = re.findall(r"VENUE_OPS_[A-Z0-9_]+", SOURCES[code].not_ready(Settings(_env_file=None)) or "")
    assert named
    assert set(named) <= {env_name(field) for field in Settings.model_fields}


def test_the_letters_that_files_begin_with_are_each_providers_own():
    assert len(set(PROVIDER_CODES.values())) == len(PROVIDER_CODES)


def test_the_files_that_the_paper_names_are_there():
    named = re.findall(r"(?:ops_core|tests)/[\w./-]+|docs/[\w./-]+", PAPER)
    paths = {path.rstrip(".") for path in named if "NAME" not in path}
    assert len(paths) > 15
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_paper_names_every_list_that_a_provider_must_be_entered_in():
    lists = ("SOURCES", "SEED", "FACTS", "PROVIDER_ID_SHAPES", "IDENTIFYING", "CALLS_PER_PHOTO")
    for name in (*lists, "PROVIDER_CODES", "PROVIDERS", "CASES", "SEARCHES", "VENUES"):
        assert f"`{name}`" in PAPER, name
