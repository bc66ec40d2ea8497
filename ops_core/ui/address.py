"""Where the console lives."""

from ops_core.domain.web_addresses import is_this_machine

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


def redirect_uri(public_url: str) -> str:
    """Where the sign-in provider sends people back to; it must be told of this address beforehand."""
    return f"{public_url}{BASE}/oauth2callback"


def why_not_listen(host: str, *, sign_in: bool) -> str | None:
    """Why the console may not listen on `host`: while nobody signs in, it serves its own machine only."""
    if sign_in or is_this_machine(host):
        return None
    return (
        f"The console has no sign-in, so it serves this machine only and does not listen on {host}: set "
        "VENUE_OPS_CONSOLE_HOST=127.0.0.1, or set up sign-in, beginning with VENUE_OPS_OIDC_METADATA_URL."
    )
