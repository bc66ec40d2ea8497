"""One picture that repeats: a thumbnail, where it is, and, opened, its images venue by venue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from ops_core.analytics.picture_frames import headline
from ops_core.db.picture_lists import PROVIDERS_FROM
from ops_core.ui import badges, gallery, quality_cached, quality_marks, words_of_time
from ops_core.ui.fine_print import fine_print
from ops_core.ui.markdown import plain

#: Images shown at first, and how many more with each click.
FIRST, STEP = 24, 48
#: Pixels of the thumbnail's column.
_WIDTH = 150


def picture(row: Mapping[str, Any], *, names: Mapping[str, str], zone: str) -> None:
    """A row of `db.picture_lists.page`."""
    picture_id = row["picture_id"]
    with st.container(border=True, gap="small", key=f"picture_{picture_id}"):
        with st.container(horizontal=True, gap="medium", vertical_alignment="top"):
            with st.container(width=_WIDTH):
                gallery.thumbnail(row, headline(row["venues"], row["images"]))
            with st.container(gap="xsmall", width="stretch"):
                _words(row, names, zone)
        _images(row, names)


def _words(row: Mapping[str, Any], names: Mapping[str, str], zone: str) -> None:
    marks = quality_marks.flag_badges({*row["picture_flags"], *row["flags"]})
    st.markdown(" ".join([f"**{headline(row['venues'], row['images'])}**", *marks]))
    providers = [badges.provider_badge(code, names) for code in row["providers"]]
    # of a picture with many more images, another provider may have one that was not read
    more = ["and maybe others"] if row["images"] > PROVIDERS_FROM else []
    st.markdown(" ".join([*providers, *more]))
    where = [f"{plain(row['venue'])}, {plain(row['city'])}"] if row["venues"] == 1 else []
    images = "1 image" if row["images"] == 1 else f"{row['images']:,} images"
    seen = f"first seen {words_of_time.moment(row['created_at'], zone)}"
    fine_print(" · ".join([*where, images, seen]), f"Photo: {gallery.credit(row)}")


def _images(row: Mapping[str, Any], names: Mapping[str, str]) -> None:
    picture_id, total = row["picture_id"], row["images"]
    box = st.expander(
        f"Venues and images ({total:,})",
        key=f"picture_{picture_id}_images",
        icon=":material/storefront:",
        on_change="rerun",
    )
    if not box.open:
        return
    key = f"picture_{picture_id}_shown"
    with box:
        images = quality_cached.images_of(picture_id, st.session_state.setdefault(key, FIRST))
        gallery.gallery(images, names)
        left = total - len(images)
        if left > 0 and images:
            st.button(
                f"and {left:,} more",
                key=f"picture_{picture_id}_more",
                icon=":material/expand_more:",
                help=f"Show the next {min(left, STEP)}",
                on_click=_show_more,
                args=(key,),
            )


def _show_more(key: str) -> None:
    st.session_state[key] += STEP
