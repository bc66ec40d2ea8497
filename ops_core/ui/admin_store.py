"""Which store pictures are kept in, and where that is; no secret is shown."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from ops_core.settings import Settings, get_settings
from ops_core.storage.registry import store_problem
from ops_core.ui import badges, providers_read, providers_words
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain

_NAMES = {"disk": "Disk", "s3": "S3", "imagekit": "ImageKit"}


def section() -> None:
    """The store in use, how many pictures are in it, and in others."""
    settings = get_settings()
    st.subheader("Store", anchor=False)
    places = " · ".join(plain(place) for place in where(settings))
    st.markdown(f"{badges.badge(_NAMES[settings.store], 'blue', 'hard_drive')} {places}")
    problem = store_problem(settings)
    if problem:
        st.warning(plain(problem), icon=":material/hard_drive:")
    counts = providers_read.pictures_in()
    lines = [plain(f"{_pictures(counts[settings.store])} in it. VENUE_OPS_STORE says where new ones go.")]
    lines += [
        f"{_pictures(count)} in {_NAMES[store]}: `venue-ops store move --to {settings.store}` moves them."
        for store, count in counts.items()
        if count and store != settings.store
    ]
    fine_print(*lines)


def where(settings: Settings) -> list[str]:
    """Where the store is, as far as it is set up."""
    match settings.store:
        case "disk":
            return [str(settings.store_path.absolute())]
        case "imagekit":
            found = [_bare(settings.imagekit_url_endpoint)]
        case "s3":
            found = [
                f"bucket {settings.s3_bucket}" if settings.s3_bucket else "",
                _bare(settings.s3_endpoint) or f"AWS in {settings.s3_region}",
                f"browsers load from {_bare(settings.s3_public_url)}"
                if settings.s3_public_url
                else "the console fetches pictures for those who may look",
            ]
    return [words for words in found if words]


def _bare(url: str | None) -> str:
    """An address without what may be a secret in it: user, password, query."""
    if not url:
        return ""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _pictures(count: int) -> str:
    return f"{providers_words.count(count)} {'picture is' if count == 1 else 'pictures are'}"
