"""The credit that providers' rules want beside every photo."""

from __future__ import annotations

from typing import Any

import pytest

from ops_core.domain.providers import FACTS, credit_of
from ops_core.ui import gallery


def test_who_wants_to_know_who_sends_visitors_is_told_in_the_link() -> None:
    assert credit_of("unsplash", sender="venue_console") == (
        "Unsplash",
        "https://unsplash.com/?utm_source=venue_console&utm_medium=referral",
    )


@pytest.mark.parametrize("code", sorted(set(FACTS) - {"unsplash"} | {"somebody"}))
def test_the_others_are_credited_as_they_are(code: str) -> None:
    stated = FACTS[code].credit if code in FACTS else None
    assert credit_of(code, sender="venue_console") == stated


@pytest.mark.parametrize(
    ("provider", "credit"),
    [
        ("unsplash", "https://unsplash.com/?utm_source=venue_console&utm_medium=referral"),
        ("foursquare", "Powered by Foursquare"),
        ("google_places", "https://www.google.com/maps"),
    ],
)
def test_the_gallery_shows_it_beside_the_author(
    provider: str, credit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENUE_OPS_UNSPLASH_APP_NAME", "venue_console")
    image: dict[str, Any] = {"provider": provider, "attribution": "Gille <b>Spie</b>", "license": None}
    shown = gallery.credit({**image, "attribution_url": None, "license_url": None})
    assert shown.startswith("Gille")
    assert credit in shown
    assert "<b>" not in shown
