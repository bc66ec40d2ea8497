"""The operations: what each finished job did, what failed and why, and putting it right."""

from zoneinfo import ZoneInfo

from ops_core.domain.access import Role
from ops_core.ui import cached, cards, filters, live, operations_list, place, retries_running, retry_dialog
from ops_core.ui.charts import charts_section
from ops_core.ui.frame import open_page
from ops_core.ui.viewer import zone_name

with open_page("Operations") as person:
    may_retry = person.role >= Role.OPERATOR
    zone = zone_name()
    filters.arrive()
    now = live.as_of()
    names = cached.provider_names()

    operations_list.header(may_retry=may_retry, now=now, zone=zone)
    cards.underway_strip()
    retries_running.running_strip(may_retry=may_retry)
    filters.views(now, ZoneInfo(zone))
    chosen = place.here().choice.filters(now, ZoneInfo(zone))
    filters.bar(cached.facets(chosen.since, chosen.until), names)
    page = cached.operations_page(chosen, place.here().older_than, place.here().newer_than)
    if page.rows.empty:
        operations_list.nothing(chosen)
    else:
        figures = cached.figures(chosen, zone, now)
        cards.figure_cards(figures)
        charts_section(chosen, zone=zone, now=now, names=names, on_pick=filters.narrow)
        operations_list.operations(page, chosen, figures.this.jobs, names=names, zone=zone, person=person)
    operations_list.details(names=names, zone=zone, may_retry=may_retry)
    retry_dialog.draw(names)
