"""Colours can be read in both themes, and the theme has the same ones."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ops_core.analytics import palette
from ops_core.domain.errors import ERRORS, Classification
from ops_core.domain.images import ImageState
from ops_core.domain.jobs import JobStatus, ProviderStatus

CONFIG = tomllib.loads((Path(__file__).parents[3] / ".streamlit" / "config.toml").read_text())
THEMES = {"light": palette.LIGHT, "dark": palette.DARK}
SHADES = [(theme, name) for theme in THEMES for name in THEMES[theme].shades]

#: WCAG 2.2 AA: text, and marks that carry meaning.
TEXT, MARK = 4.5, 3.0


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_of_contrast_is_right():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("theme", "name"), SHADES)
def test_badges_figures_and_chart_marks_have_enough_contrast(theme, name):
    surfaces, shade = THEMES[theme], THEMES[theme].shades[name]
    assert contrast(shade.text, shade.fill) >= TEXT
    assert contrast(shade.text, surfaces.page) >= TEXT
    assert contrast(shade.text, surfaces.panel) >= TEXT
    assert contrast(surfaces.ink, shade.fill) >= TEXT  # badges in tables are written in body text
    assert contrast(shade.mark, surfaces.page) >= MARK


@pytest.mark.parametrize("theme", THEMES)
def test_body_text_and_white_on_buttons_have_enough_contrast(theme):
    surfaces = THEMES[theme]
    assert contrast(surfaces.ink, surfaces.page) >= TEXT
    assert contrast(surfaces.ink, surfaces.panel) >= TEXT
    assert contrast("#ffffff", CONFIG["theme"][theme]["primaryColor"]) >= MARK


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_of_the_pages_is_the_palette(theme):
    surfaces, configured = THEMES[theme], CONFIG["theme"][theme]
    assert configured["backgroundColor"] == surfaces.page
    assert configured["secondaryBackgroundColor"] == surfaces.panel
    assert configured["textColor"] == surfaces.ink
    assert configured["borderColor"] == surfaces.line
    for name, shade in surfaces.shades.items():
        if name == "pink":  # Streamlit has no such name
            continue
        assert configured[f"{name}Color"] == shade.mark
        assert configured[f"{name}BackgroundColor"] == shade.fill
        assert configured[f"{name}TextColor"] == shade.text


def test_everything_that_is_shown_has_a_colour_both_themes_know():
    assert set(palette.STATUS) == set(JobStatus)
    assert set(palette.PROVIDER_STATUS) == set(ProviderStatus)
    assert set(palette.IMAGE_STATE) == set(ImageState)
    assert set(palette.CLASSIFICATION) == set(Classification)
    used = {
        *palette.STATUS.values(),
        *palette.STATE.values(),
        *palette.PROVIDER_STATUS.values(),
        *palette.IMAGE_STATE.values(),
        *palette.CLASSIFICATION.values(),
        *(row.colour for row in ERRORS.values()),
        *map(palette.provider_colour, ("google_places", "foursquare", "here", "mapbox", "unsplash")),
    }
    assert used <= set(palette.LIGHT.shades)
    assert palette.LIGHT.shades.keys() == palette.DARK.shades.keys()


def test_providers_have_the_colours_people_know_them_by():
    colours = [palette.provider_colour(code) for code in ("google_places", "foursquare", "here", "mapbox")]
    assert colours == ["orange", "pink", "violet", "blue"]
    assert palette.provider_colour("wikimedia_commons") == "gray"
