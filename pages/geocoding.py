"""Geocoding: which place at each provider a venue is, what needs a person, and correcting it."""

from ops_core.domain.access import Role
from ops_core.ui import cached, geocoding_list
from ops_core.ui.frame import open_page
from ops_core.ui.viewer import zone_name

with open_page("Geocoding") as person:
    viewer = geocoding_list.Viewer(
        names=cached.provider_names(), zone=zone_name(), may_decide=person.role >= Role.OPERATOR
    )
    geocoding_list.header(viewer)
    geocoding_list.figures(viewer)
    geocoding_list.filters(viewer)
    geocoding_list.review(viewer)
    geocoding_list.everything(viewer)
