"""Which store pictures are kept in, and where that is; no secret is shown."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from ops_core.settings import Settings, get_settings
from ops_core.ui import badges, providers_read, providers_words
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain

_NAMES = {"disk": "Disk", "s3": "S3", "imagekit": "ImageKit"}


def section() -> None:
    """The store in use, how many pictures are in it, and in others."""
    settings = get_settings()
    st.subheader("Store", anchor=False)
    st.markdown(
        f"{badges.badge(_NAMES[settings.store], 'blue', 'hard_drive')} " + " · ".join(where(settings))
    )
    counts = providers_read.pictures_in()
    fine_print(
        f"{_pictures(counts[settings.store])} in it. New ones go there; VENUE\\_OPS\\_STORE says which it is."
    )
    others = {store: count for store, count in counts.items() if store != settings.store and count}
    for store, count in others.items():
        fine_print(f"{_pictures(count)} still in {_NAMES[store]}: `venue-ops store move` brings them over.")


def where(settings: Settings) -> list[str]:
    """Where the store is, as Markdown; what is not set is named."""
    if settings.store == "disk":
        return [plain(str(settings.store_path.absolute()))]
    if settings.store == "imagekit":
        key = "" if settings.imagekit_private_key else "VENUE_OPS_IMAGEKIT_PRIVATE_KEY is not set"
        return [_set("VENUE_OPS_IMAGEKIT_URL_ENDPOINT", _bare(settings.imagekit_url_endpoint)), *_known(key)]
    service = _bare(settings.s3_endpoint) or f"AWS in {settings.s3_region}"
    keys = "" if settings.s3_access_key_id and settings.s3_secret_access_key else "its keys are not set"
    shown = (
        f"browsers load from {_bare(settings.s3_public_url)}"
        if settings.s3_public_url
        else "the console fetches its pictures for those who may look"
    )
    bucket = settings.s3_bucket and f"bucket {settings.s3_bucket}"
    return [_set("VENUE_OPS_S3_BUCKET", bucket), plain(service), plain(shown), *_known(keys)]


def _bare(url: str | None) -> str:
    """An address without what may be a secret in it: user, password, query."""
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _set(name: str, value: str | None) -> str:
    return plain(value or f"{name} is not set")


def _known(words: str) -> list[str]:
    return [plain(words)] if words else []


def _pictures(count: int) -> str:
    return (
        f"{providers_words.count(count)} picture{'' if count == 1 else 's'} {'is' if count == 1 else 'are'}"
    )
