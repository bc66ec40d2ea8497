"""The settings as people read them: names in the environment, defaults, help lines."""

from __future__ import annotations

import textwrap

from pydantic import AliasChoices
from pydantic_core import PydanticUndefined

from ops_core.settings import Settings

_INTRO = """\
# Every setting of Venue Image Operations. Copy this file to .env and take the # away from what you change;
# a variable in the environment goes before the same one in .env.
"""


def env_name(field: str) -> str:
    """The environment variable of a setting, such as VENUE_OPS_DATA_DIR of `data_dir`."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{Settings.model_config.get('env_prefix', '')}{field}".upper()


def env_example() -> str:
    """The text of `.env.example`: every setting with its help line, and its default commented out."""
    entries = [_INTRO]
    # what stands in parts of its own comes after the rest
    fields = sorted(Settings.model_fields.items(), key=lambda item: item[0] not in Settings.__annotations__)
    for field, info in fields:
        help_lines = textwrap.wrap(
            info.description or "", width=105, initial_indent="# ", subsequent_indent="# "
        )
        default = "" if info.default in (None, PydanticUndefined) else _plain(info.default)
        entries.append("\n".join([*help_lines, f"# {env_name(field)}={default}"]) + "\n")
    return "\n".join(entries)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
