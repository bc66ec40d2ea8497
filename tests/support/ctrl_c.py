"""Ctrl-C for processes that tests start."""

from __future__ import annotations

import signal


def hears_ctrl_c() -> None:
    """For children, as `preexec_fn`: what a shell started in the background does not hear, they must."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
