"""Every setting has a help line and an entry in `.env.example`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops_core.settings import Settings
from ops_core.settings_help import env_example, env_name

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_env_example_is_what_the_settings_say() -> None:
    assert EXAMPLE.read_text() == env_example(), "run `venue-ops settings > .env.example`"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_setting_has_a_help_line_that_is_a_sentence(field: str) -> None:
    description = Settings.model_fields[field].description or ""
    assert description.endswith("."), f"{field}: {description!r}"


def test_every_line_of_env_example_taken_as_it_is_gives_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VENUE_OPS_DATA_DIR")
    names = {env_name(field) for field in Settings.model_fields}
    lines = [line.removeprefix("# ") for line in env_example().splitlines()]
    entries = [line for line in lines if line.partition("=")[0] in names and not line.endswith("=")]
    (tmp_path / "env").write_text("\n".join(entries))
    assert Settings(_env_file=tmp_path / "env") == Settings(_env_file=None)
