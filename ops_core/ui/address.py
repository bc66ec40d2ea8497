"""Where the console lives."""

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
