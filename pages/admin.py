"""Admin: the providers, what each may be asked for and at what price, copies of photos, and the store."""

from ops_core.domain.access import Role
from ops_core.ui import admin_changes, admin_store, cached, providers_dialogs, providers_list
from ops_core.ui.frame import open_page
from ops_core.ui.viewer import zone_name

with open_page("Admin", role=Role.ADMIN):
    zone = zone_name()
    providers_list.header()
    providers_list.providers(zone=zone)
    admin_changes.recent(names=cached.provider_names(), zone=zone)
    admin_store.section()
    providers_dialogs.draw()
