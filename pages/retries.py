"""Retries: every order to try failed images again, watched and steered to its end."""

from ops_core.domain.access import Role
from ops_core.ui import cached, retries_list, retry_dialog
from ops_core.ui.frame import open_page
from ops_core.ui.viewer import zone_name

with open_page("Retries") as person:
    names = cached.provider_names()
    retries_list.header()
    retries_list.retries(names=names, zone=zone_name(), may_retry=person.role >= Role.OPERATOR)
    retry_dialog.draw(names)
