"""One address, written down where each layer needs it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ops_core.storage.registry import MEDIA_PATH
from ops_core.ui.address import BASE


def test_all_parts_agree_on_where_the_console_is():
    config = tomllib.loads((Path(__file__).parents[3] / ".streamlit" / "config.toml").read_text())
    assert f"/{config['server']['baseUrlPath']}" == BASE
    assert f"{BASE}/media" == MEDIA_PATH
