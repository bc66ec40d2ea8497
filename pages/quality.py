"""Picture quality: pictures that repeat across venues, and images that are blank, tiny or no photos."""

from ops_core.ui import cached, quality_list
from ops_core.ui.frame import open_page
from ops_core.ui.viewer import zone_name

with open_page("Picture quality") as person:
    names = cached.provider_names()
    quality_list.header()
    quality_list.figures()
    quality_list.filters(names)
    quality_list.found(names, zone_name(), person=person)
