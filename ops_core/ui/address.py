"""Where the console lives."""

import ipaddress

#: Path of the console on its host; the same as `server.baseUrlPath` in `.streamlit/config.toml`.
BASE = "/admin/venue-images"

_served_by_us = False


def serve_media() -> None:
    """Say that this process answers at `BASE`/media: pages may then point browsers there."""
    global _served_by_us
    _served_by_us = True


def media_is_served() -> bool:
    """Whether addresses of stored images work; under plain `streamlit run` they do not."""
    return _served_by_us


def why_not_listen(host: str) -> str | None:
    """Why the console may not listen on `host`: without sign-in it serves its own machine only."""
    if _is_loopback(host):
        return None
    return (
        f"The console has no sign-in, so it listens on this machine only, not on {host}: set "
        "VENUE_OPS_CONSOLE_HOST=127.0.0.1, and let a proxy that signs people in stand before it."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
