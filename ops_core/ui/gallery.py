"""Thumbnails with the attribution that licences ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import streamlit as st

from ops_core.domain.providers import credit_of
from ops_core.settings import get_settings
from ops_core.storage.registry import behind_console
from ops_core.ui import badges, cached_detail
from ops_core.ui.address import media_is_served
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import link, plain
from ops_core.ui.provider_photos import photo_path
from ops_core.ui.quality_marks import image_badges

#: Photos shown at first, and how many more with each click.
FIRST, STEP = 8, 24
#: Pixels of a column at least: the longest name of a provider stands in one line.
_COLUMN = 140

_QUALITY = (
    "From 0.1 to 1: seven parts size, up to four megapixels, and three parts a shape that crops well. "
    "A photo of unknown size scores 0.1. The best are taken first."
)


def job_photos(job_id: int, total: int, names: Mapping[str, str]) -> None:
    """The first photos that a job brought in, and a button for the next ones of `total`."""
    key = f"job_{job_id}_photos_shown"
    images = cached_detail.photos(job_id, st.session_state.setdefault(key, FIRST))
    fine_print(
        "In the order they were chosen; a click opens the full image.",
        help_text=f"**Quality**: {plain(_QUALITY)}",
    )
    gallery(images, names)
    left = total - len(images)
    if left > 0 and images:
        step = min(left, STEP)
        st.button(
            f"and {left:,} more",
            key=f"job_{job_id}_photos_more",
            icon=":material/expand_more:",
            help=f"Show the next {step}" if step < left else "Show them",
            on_click=_show_more,
            args=(key,),
        )


def job_references(job_id: int, total: int, names: Mapping[str, str]) -> None:
    """The photos a job found that are shown from their provider, which may have to be asked for them."""
    images = cached_detail.references(job_id, FIRST)
    fine_print(
        "These are not copied, as their providers' terms ask: they are shown from there, with their credit. "
        "Providers that let nobody keep an address are asked anew, which is counted and may cost."
    )
    if not media_is_served():
        fine_print("Photos of this kind show where the console is started with `venue-ops web`.")
    with st.grid("auto", min_column_width=_COLUMN, gap="small"):
        for number, image in enumerate(images, start=1):
            provider = names.get(image["provider"], image["provider"])
            with st.container(gap="xxsmall"):
                _reference(image, f"Photo {number}, shown from {provider}")
                st.markdown(" ".join([badges.provider_badge(image["provider"], names), *image_badges(image)]))
                fine_print(*filter(None, (credit(image), _size_in_pixels(image))))
    if total > len(images):
        fine_print(f"The first {len(images)} of {total:,}.")


def _reference(image: Mapping[str, Any], alt: str) -> None:
    if not media_is_served():
        return
    source = _address(photo_path(image["id"]))
    st.image(source, width="stretch", link=image["source_url"] or source, alt=alt)


def gallery(images: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    """A responsive grid of thumbnails; each shows who made it and opens the photo.

    Images with their `venue` and `city` lead there, and `image_badges` says what they may have besides.
    """
    with st.grid("auto", min_column_width=_COLUMN, gap="small"):
        for number, image in enumerate(images, start=1):
            provider = names.get(image["provider"], image["provider"])
            with st.container(gap="xxsmall"):
                thumbnail(image, f"Photo {number} from {provider}")
                if image.get("venue"):
                    _venue(image)
                st.markdown(" ".join([badges.provider_badge(image["provider"], names), *image_badges(image)]))
                fine_print(credit(image), _measures(image))


def _show_more(key: str) -> None:
    st.session_state[key] += STEP


def _venue(image: Mapping[str, Any]) -> None:
    """Where the photo belongs; a click shows what happened to that venue's images."""
    st.page_link(
        "pages/operations.py",
        label=plain(image["venue"]),
        help=f"{plain(image['city'])}, venue {image['venue_id']}: all its operations",
        query_params={"venue": str(image["venue_id"]), "period": "all"},
    )


def thumbnail(image: Mapping[str, Any], alt: str) -> None:
    """The image's thumbnail, which opens the photo; what is missing is said in its place."""
    if not _is_elsewhere(image["thumbnail_url"]):
        settings = get_settings()
        file = settings.store_path / (image["thumbnail_key"] or "")
        served = media_is_served() and image["thumbnail_url"]
        # what is not on the disk may be in a bucket that the console fetches it from
        if not (file.is_file() or (served and behind_console(settings))):
            fine_print(":material/broken_image: This photo is not in this store any more.")
            return
        if not served:
            st.image(file, width="stretch", alt=alt)
            return
    st.image(_address(image["thumbnail_url"]), width="stretch", link=_full(image["url"]), alt=alt)


def _full(url: str | None) -> str | None:
    """Where a click leads; None if nobody answers there."""
    return _address(url) if url and (_is_elsewhere(url) or media_is_served()) else None


def _is_elsewhere(url: str | None) -> bool:
    return urlsplit(url or "").scheme in ("http", "https")


def _address(url: str) -> str:
    # st.image takes a bare path for a file, so the page's own origin goes before it
    return url if _is_elsewhere(url) else urljoin(st.context.url or "", url)


def credit(image: Mapping[str, Any]) -> str:
    """Author, licence and the provider's own credit, as Markdown: to stand wherever the image is shown."""
    maker = link(image["attribution"], image["attribution_url"]) if image["attribution"] else ""
    terms = link(image["license"], image["license_url"]) if image["license"] else ""
    provider = credit_of(image["provider"], sender=get_settings().unsplash_app_name)
    if provider and provider[0] == image["attribution"] and not image["attribution_url"]:
        maker = ""  # the provider's says the same, with its link
    given = [part for part in (maker, terms, link(*provider) if provider else "") if part]
    return " · ".join(dict.fromkeys(given)) or "Unknown author"


def _measures(image: Mapping[str, Any]) -> str:
    parts = [size] if (size := _size_in_pixels(image)) else []
    parts.append(f"{image['quality_score']:.2f} quality")
    if image["bytes"] is not None:
        parts.append(_size(image["bytes"]))
    return " · ".join(parts)


def _size_in_pixels(image: Mapping[str, Any]) -> str:
    return f"{image['width']} × {image['height']}" if image["width"] and image["height"] else ""


def _size(amount: int) -> str:
    return f"{amount / 1000:,.0f} kB" if amount < 1_000_000 else f"{amount / 1_000_000:,.1f} MB"
