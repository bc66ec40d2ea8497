"""Where the console may listen."""

from __future__ import annotations

import socket

import pytest

from ops_core.settings import Settings
from ops_core.ui.server import CannotServe, serve


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "console.example.org"])
def test_without_sign_in_the_console_listens_on_this_machine_only(host):
    with pytest.raises(CannotServe, match="VENUE_OPS_CONSOLE_HOST"):
        serve(Settings(console_host=host))


def test_a_port_in_use_is_one_sentence_that_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotServe, match=f"127.0.0.1:{port}.*VENUE_OPS_CONSOLE_PORT"):
            serve(Settings(console_port=port))
