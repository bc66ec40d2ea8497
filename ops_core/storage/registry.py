"""The image store this system uses."""

from __future__ import annotations

from ops_core.settings import Settings
from ops_core.storage.disk import DiskStore
from ops_core.storage.store import Store

#: Where the console serves the objects of the disk store.
MEDIA_PATH = "/admin/venue-images/media"


def open_store(settings: Settings) -> Store:
    """The store the settings name: the disk of this machine."""
    return DiskStore(settings.store_path, MEDIA_PATH)
