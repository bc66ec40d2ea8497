"""Venues of the sandbox's world under seed 7, for tests that need some with photos and some without."""

from __future__ import annotations

from ops_core.sandbox.google_places import photo_ref, place_photos
from ops_core.sandbox.world import World

WORLD = World(7)
AGENT = {"User-Agent": "venue-ops/1.0 (ops@example.org)"}
KEY = {"X-Goog-Api-Key": "sandbox-key"}
MASK = {**KEY, "X-Goog-FieldMask": "id,photos"}
GOOGLE = "/places.googleapis.com/v1/places/"
WIKIDATA = "/www.wikidata.org/w/api.php?format=json&action=wbgetclaims&"
COMMONS = "/commons.wikimedia.org/w/api.php?format=json&formatversion=2&action=query&"

_PLACES = [f"ChIJsandbox_{number:012d}" for number in range(99)]
_ENTITIES = {f"Q{number}": WORLD.photos("wikimedia_commons", f"Sandbox Q{number}") for number in range(1, 99)}

#: A Google place with at least three photos, the first a JPEG; and one without any.
PLACE = next(
    place
    for place in _PLACES
    if len(place_photos(WORLD, place)) > 2 and place_photos(WORLD, place)[0].format == "jpeg"
)
EMPTY_PLACE = next(place for place in _PLACES if not place_photos(WORLD, place))

#: The first photo of `PLACE`, its reference, its media call and its bytes.
PHOTO = place_photos(WORLD, PLACE)[0]
REF = photo_ref(WORLD, PHOTO)
MEDIA = f"{GOOGLE}{PLACE}/photos/{REF}/media"
IMAGE = f"/lh3.googleusercontent.com/places/{REF}=s400-w400"
IMAGE_KEY = f"image:google_places:{REF}"

#: References of more photos.
REFS = [photo_ref(WORLD, photo) for place in _PLACES[:20] for photo in place_photos(WORLD, place)]

#: A Wikidata entity with at least four photos, and one without any.
ENTITY = next(entity for entity, photos in _ENTITIES.items() if len(photos) > 3)
EMPTY_ENTITY = next(entity for entity, photos in _ENTITIES.items() if not photos)


def image(ref: str) -> str:
    """Where the bytes of a Google photo are."""
    return IMAGE.replace(REF, ref)
