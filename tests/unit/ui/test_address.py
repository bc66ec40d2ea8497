"""One address, written down where each layer needs it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from ops_core.storage.registry import MEDIA_PATH
from ops_core.ui.address import BASE, why_not_listen


def test_all_parts_agree_on_where_the_console_is():
    config = tomllib.loads((Path(__file__).parents[3] / ".streamlit" / "config.toml").read_text())
    assert f"/{config['server']['baseUrlPath']}" == BASE
    assert f"{BASE}/media" == MEDIA_PATH


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "console.example.org"])
def test_the_console_listens_wider_than_this_machine_only_with_sign_in(host):
    assert why_not_listen(host, sign_in=True) is None
    refusal = why_not_listen(host, sign_in=False)
    assert refusal
    assert host in refusal
    assert "VENUE_OPS_CONSOLE_HOST=127.0.0.1" in refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_console_may_always_listen_to_this_machine(host):
    assert why_not_listen(host, sign_in=False) is None
