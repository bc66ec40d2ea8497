"""Every photo source, by the code of its provider. The only place to register one."""

from __future__ import annotations

from ops_core.providers.foursquare import Foursquare
from ops_core.providers.google_places import GooglePlaces
from ops_core.providers.here import Here
from ops_core.providers.mapbox import Mapbox
from ops_core.providers.source import PhotoSource
from ops_core.providers.unsplash import Unsplash
from ops_core.providers.wikimedia_commons import WikimediaCommons

SOURCES: dict[str, PhotoSource] = {
    source.code: source
    for source in (GooglePlaces(), WikimediaCommons(), Here(), Mapbox(), Foursquare(), Unsplash())
}
