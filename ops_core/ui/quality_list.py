"""The Picture quality page: its head, figures and filters, and the list that is chosen."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ops_core.db.picture_lists import Key, Narrowed, Page, Which
from ops_core.domain.access import Actor
from ops_core.domain.pictures import FLAGS, PLACEHOLDER_VENUES, PictureFlag
from ops_core.ui import gallery, quality_cached, quality_export, quality_picture, quality_place
from ops_core.ui.cards import amount
from ops_core.ui.fine_print import fine_print

_TAB, _PROVIDER, _CITY = "quality_tab", "quality_provider", "quality_city"
_ANY = "Any"

_TABS = {
    Which.SEVERAL: ":material/compare: On several venues",
    Which.TWICE: ":material/content_copy: Twice at one venue",
    Which.PLACEHOLDER: ":material/image_not_supported: Placeholders",
    Which.BLANK: ":material/rectangle: Blank",
    Which.TINY: ":material/photo_size_select_small: Tiny",
}
#: What each list has, and what to do about it.
_ABOUT = {
    Which.SEVERAL: (
        "Pictures that look the same, whatever their files: from whichever provider, at any size and in any "
        "format. The picture on the most venues comes first."
    ),
    Which.TWICE: (
        "The same photo more than once at one venue, often from two providers: it takes the place of another."
    ),
    **{
        which: f"{FLAGS[flag].meaning} {FLAGS[flag].advice}"
        for which, flag in (
            (Which.PLACEHOLDER, PictureFlag.PLACEHOLDER),
            (Which.BLANK, PictureFlag.BLANK),
            (Which.TINY, PictureFlag.TINY),
        )
    },
}
_NONE = {
    Which.SEVERAL: "No picture is on more than one venue.",
    Which.TWICE: "No venue has a picture twice.",
    Which.PLACEHOLDER: "No picture looks like a placeholder.",
    Which.BLANK: "No image is blank.",
    Which.TINY: "No image is tiny.",
}


def header() -> None:
    """Title and purpose."""
    arrived = quality_place.arrive(_TAB)
    if arrived or _TAB not in st.session_state:
        _fill()
    quality_place.tell(arrived=arrived)
    heading, corner = st.columns([3, 1], vertical_alignment="top")
    heading.title("Picture quality", anchor=False)
    heading.caption(
        "Pictures that repeat, and those that show little or nothing. They are reported, never removed: "
        "every image stays in the store."
    )
    with corner, st.container(horizontal=True, horizontal_alignment="right"):
        st.button("Refresh", icon=":material/refresh:", key="refresh", on_click=_refresh)


def figures() -> None:
    """How many there are of everything."""
    counts = quality_cached.counts()
    with st.grid(6, min_column_width=140, gap="small"):
        _card("Repeated", amount(counts.several), "Pictures that more than one venue has.", "blue")
        venues = f"{counts.venues:,}+" if counts.venues_more else f"{counts.venues:,}"
        _card("Their venues", venues, "Venues with a picture that another venue has too.")
        _card("Twice at one", amount(counts.twice), "Pictures that one venue has more than once.")
        _card(
            "Placeholders",
            amount(counts.placeholder),
            f"Pictures that are probably no photos: drawn on one flat colour, or on {PLACEHOLDER_VENUES} or "
            "more venues.",
            "violet",
        )
        _card("Blank", amount(counts.blank), FLAGS[PictureFlag.BLANK].meaning, "red")
        _card("Tiny", amount(counts.tiny), FLAGS[PictureFlag.TINY].meaning, "orange")
    if counts.waiting:
        words = "1 image waits" if counts.waiting == 1 else f"{amount(counts.waiting)} images wait"
        fine_print(
            f":material/schedule: {words} to be compared with the others; the dispatcher does it in passing."
        )
    if counts.unseen:
        fine_print(
            f":material/visibility_off: {_unseen(counts.unseen)}: run `venue-ops pictures look`. It brings "
            "what it can read into these lists, and names what it cannot."
        )


def filters(names: Mapping[str, str]) -> None:
    """Which list, and to what it is narrowed."""
    cities = quality_cached.cities()
    narrowed = quality_place.here().narrowed
    # what the address names stays on offer, whether there is such a one or not
    codes = [*names, *([narrowed.provider] if narrowed.provider and narrowed.provider not in names else [])]
    ids = [*cities, *([narrowed.city_id] if narrowed.city_id and narrowed.city_id not in cities else [])]
    st.tabs(list(_TABS.values()), key=_TAB, on_change=_shown)
    with st.grid(4, min_column_width=200, gap="small"):
        st.selectbox(
            "Provider",
            [_ANY, *codes],
            format_func=lambda code: "Any provider" if code == _ANY else names.get(code, code),
            key=_PROVIDER,
            on_change=_narrowed,
        )
        st.selectbox(
            "City",
            [0, *ids],
            format_func=lambda city: cities.get(city, f"City {city}") if city else "Any city",
            key=_CITY,
            on_change=_narrowed,
        )


def found(names: Mapping[str, str], zone: str, *, person: Actor) -> None:
    """The chosen list."""
    place = quality_place.here()
    words, corner = st.columns([6, 1], vertical_alignment="center")
    with words:
        fine_print(_ABOUT[place.which])
    listed = quality_cached.page(place.which, place.narrowed, place.after)
    if listed.rows:
        with corner, st.container(horizontal=True, horizontal_alignment="right"):
            quality_export.button(place.which, place.narrowed, person=person)
    if not listed.rows:
        _nothing(listed)
    elif place.which.is_of_images:
        gallery.gallery(listed.rows, names)
    else:
        for row in listed.rows:
            quality_picture.picture(row, names=names, zone=zone)
    _paging(listed)


def _nothing(listed: Page) -> None:
    place = quality_place.here()
    if listed.is_cut:
        st.info(
            "Nothing here fits the filters so far. Next goes on looking.", icon=":material/manage_search:"
        )
    elif place.after:
        st.info("The list has no more.", icon=":material/last_page:")
    elif place.narrowed:
        st.info("Nothing in this list fits the filters.", title="Nothing here", icon=":material/filter_alt:")
        st.button(
            "Clear filters", key="quality_clear", icon=":material/filter_alt_off:", on_click=_clear_filters
        )
    elif quality_cached.counts().compared:
        st.success(_NONE[place.which], icon=":material/task_alt:")
    else:
        _none_yet()


def _none_yet() -> None:
    with st.container(border=True, key="quality_none_yet"):
        st.markdown("#### :material/compare: No picture was looked at yet", anchors=False)
        if unseen := quality_cached.counts().unseen:
            st.markdown(
                f"Every photo that comes into the store is looked at on its way, but {_unseen(unseen)}. "
                "Have them looked at: `venue-ops pictures look`."
            )
        else:
            st.markdown(
                "Every photo that comes into the store is looked at on its way. Load venues with "
                "`venue-ops venues load FILE`: the dispatcher has their photos asked for."
            )
        st.page_link("pages/operations.py", label="To the operations", icon=":material/arrow_forward:")


def _unseen(count: int) -> str:
    if count == 1:
        return "1 picture was stored before pictures were looked at"
    return f"{amount(count)} pictures were stored before pictures were looked at"


def _paging(listed: Page) -> None:
    after = quality_place.here().after
    if not after and not listed.further:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="quality_paging"):
        _turn("First", "first_page", None, enabled=after is not None)
        _turn("Next", "chevron_right", listed.further, enabled=listed.further is not None)


def _turn(label: str, icon: str, after: Key | None, *, enabled: bool) -> None:
    st.button(
        label,
        key=f"quality_{label.lower()}",
        icon=f":material/{icon}:",
        disabled=not enabled,
        on_click=quality_place.go,
        args=(after,),
    )


def _refresh() -> None:
    quality_cached.forget()
    quality_place.go(None)


def _shown() -> None:
    label = st.session_state[_TAB]
    quality_place.show(next((which for which, words in _TABS.items() if words == label), Which.SEVERAL))


def _narrowed() -> None:
    provider = st.session_state[_PROVIDER]
    quality_place.narrow(
        Narrowed(provider=None if provider == _ANY else provider, city_id=st.session_state[_CITY] or None)
    )


def _clear_filters() -> None:
    quality_place.narrow(Narrowed())
    _fill()


def _fill() -> None:
    place = quality_place.here()
    st.session_state[_TAB] = _TABS[place.which]
    st.session_state[_PROVIDER] = place.narrowed.provider or _ANY
    st.session_state[_CITY] = place.narrowed.city_id or 0


def _card(label: str, text: str, help_text: str, colour: str | None = None) -> None:
    st.metric(
        label,
        f":{colour}[{text}]" if colour and text != "0" else text,
        help=help_text,
        border=True,
        height="stretch",
    )
