"""Thumbnails with the attribution that licences ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import streamlit as st

from ops_core.settings import get_settings
from ops_core.ui.address import media_is_served
from ops_core.ui.markdown import link, plain


def gallery(images: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """A responsive grid of thumbnails; each shows who made it and opens the photo."""
    with st.grid("auto", min_column_width=150, gap="small"):
        for number, image in enumerate(images, start=1):
            provider = names.get(image["provider"], image["provider"])
            with st.container(gap="xxsmall"):
                _thumbnail(image, f"Photo {number} from {provider}")
                st.caption(_credit(image, provider))


def _thumbnail(image: Mapping[str, Any], alt: str) -> None:
    address = _address(image["thumbnail_url"])
    if address:
        st.image(address, width="stretch", link=_address(image["url"]), alt=alt)
        return
    file = get_settings().store_path / (image["thumbnail_key"] or "")
    if file.is_file():
        st.image(file, width="stretch", alt=alt)
    else:
        st.caption(":material/broken_image: not in this store")


def _address(url: str | None) -> str | None:
    """The address a browser can load `url` from; None if nobody answers there."""
    if not url:
        return None
    if urlsplit(url).scheme in ("http", "https"):
        return url
    # st.image takes a bare path for a file, so the page's own origin goes before it
    return urljoin(st.context.url, url) if media_is_served() and st.context.url else None


def _credit(image: Mapping[str, Any], provider: str) -> str:
    maker = link(image["attribution"], image["attribution_url"]) if image["attribution"] else "Unknown author"
    terms = link(image["license"], image["license_url"]) if image["license"] else ""
    parts = [maker, terms, plain(provider)]
    return " · ".join(part for part in parts if part)
