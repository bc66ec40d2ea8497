"""What the Admin page says of a provider, in Markdown."""

from __future__ import annotations

from ops_core.db.health import COUNT_LIMIT
from ops_core.db.provider_rows import ProviderRow
from ops_core.domain import provider_edits
from ops_core.domain.provider_edits import CAPABILITIES, ProviderEdit
from ops_core.domain.providers import Copies, Rehosting, facts_of
from ops_core.domain.readiness import Readiness
from ops_core.settings import Settings
from ops_core.ui import badges
from ops_core.ui.markdown import link, plain

#: What the terms say about copies.
TERMS = {
    Copies.ALLOWED: "The terms allow copies",
    Copies.FORBIDDEN: "The terms forbid copies",
    Copies.UNCLEAR: "The terms do not say that copies are allowed",
}


def standing(row: ProviderRow, ready: Readiness, marks: list[str], usual: str) -> list[str]:
    """The badges of a provider: `marks` of its state, and what the settings let it be asked for."""
    lacking = ready.lacking(row.edit.capabilities)
    left = [words for name, words in CAPABILITIES.items() if name in row.edit.capabilities - lacking.keys()]
    if not left:
        return [*marks, badges.badge("Not set up", "gray", "key_off")]
    if lacking:
        return [*marks, badges.badge(f"Asked for {left[0]} only", "orange", "key_off")]
    return marks or [usual]


def missing(row: ProviderRow, ready: Readiness) -> list[str]:
    """Why it is not asked for what its row says it is to be asked for; sentences, each once."""
    return [plain(reason) for reason in dict.fromkeys(ready.lacking(row.edit.capabilities).values())]


def limits(edit: ProviderEdit) -> str:
    """ "50 calls a second, 3,000 a minute"."""
    said = provider_edits.limits_in_words(edit)
    return said if said == "no limit" else said.replace(" a", " calls a", 1)


def prices(code: str, edit: ProviderEdit) -> str:
    """What each call costs."""
    words = (("listing", edit.listing_usd), ("photo", edit.photo_usd), ("search", edit.search_usd))
    if not any(usd for _, usd in words):
        return "free" if facts_of(code).free else "none entered: they are in your contract"
    return ", ".join(f"{name} {plain(provider_edits.price(usd))}" for name, usd in words)


def departures(row: ProviderRow, settings: Settings) -> str:
    """The documented values that are not those of the row; empty if there are none."""
    theirs = provider_edits.documented(row.code, google_legacy=settings.google_places_api == "legacy")
    if theirs is None:
        return ""
    found = provider_edits.departures(theirs, row.edit)
    return f"Documented: {plain(', '.join(found))}" if found else ""


def interface(code: str, settings: Settings) -> list[str]:
    """Which of several interfaces is asked, where that is not the usual one."""
    if code == "google_places" and settings.google_places_api == "legacy":
        usd = provider_edits.price(provider_edits.GOOGLE_LEGACY_LISTING_USD)
        return [
            plain("Asked through Google's legacy interface (VENUE_OPS_GOOGLE_PLACES_API)"),
            plain(f"A listing is documented at {usd} there; not verified"),
        ]
    if code == "foursquare" and settings.foursquare_api == "v3":
        return [plain("Asked through Foursquare's v3 interface (VENUE_OPS_FOURSQUARE_API)")]
    return []


def policy(row: ProviderRow, drawn: bool) -> str:
    """What is done with its photos, as a badge."""
    if row.rehosting is Rehosting.STORE or drawn:
        allowed = row.copies is Copies.ALLOWED or drawn
        return badges.badge("Copied", "green" if allowed else "orange", "content_copy")
    return badges.badge("Referenced only", "blue", "link")


def terms(row: ProviderRow) -> str:
    """What the terms say, with where they say it."""
    note = plain(row.terms_note) or f"{TERMS[row.copies]}."
    return f"{note} {link('Read the terms', row.terms_url)}" if row.terms_url else note


def count(number: int) -> str:
    """A bounded count: "10,000+" where there are more."""
    return f"{COUNT_LIMIT:,}+" if number > COUNT_LIMIT else f"{number:,}"
