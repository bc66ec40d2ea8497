"""What a retry will do and what it is expected to come to, before it is ordered."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from ops_core.actions import Preview
from ops_core.analytics.frames import error_label
from ops_core.domain.retry_options import Options
from ops_core.domain.retry_plan import counted
from ops_core.domain.retry_wishes import expected_time
from ops_core.ui import badges, retry_sentences

#: Kinds of failures that are listed; the rest is of few images each.
KINDS_SHOWN = 100


def draw(preview: Preview, options: Options, names: Mapping[str, str]) -> None:
    """The plan and its forecast: what is tried, what comes of it, what is left out and why."""
    plan = preview.plan
    if plan.images:
        st.markdown(
            f"**{counted(plan.images, 'image')}** in **{counted(plan.venues, 'venue')}** will be tried again."
        )
        _providers(preview, names)
        _expected(preview, options, names)
    elif plan.in_scope:
        which = "The one failed image here cannot" if plan.in_scope == 1 else "None of these images can"
        st.info(f"{which} be retried now.", icon=":material/block:")
    else:
        st.success("No failed image here: there is nothing to retry.", icon=":material/check_circle:")
    left_out = retry_sentences.left_out(plan)
    if left_out:
        st.markdown(left_out)
    if plan.images and preview.forecast.kinds:
        with st.expander("By provider and error", key="retry_kinds", type="compact"):
            _kinds(preview, names)


def _providers(preview: Preview, names: Mapping[str, str]) -> None:
    column = st.column_config
    shares = preview.plan.by_provider
    parts = {part.provider: part for part in preview.forecast.by_provider}
    found = [parts.get(share.provider) for share in shares]
    st.dataframe(
        pd.DataFrame(
            {
                "provider": [[names.get(share.provider, share.provider)] for share in shares],
                "images": [share.images for share in shares],
                "calls": [share.calls for share in shares],
                "cost": [float(share.cost_usd) for share in shares],
                "today": [retry_sentences.of_today(part) if part else "" for part in found],
                "time": [
                    expected_time(part.seconds).removeprefix("about ") if part else "" for part in found
                ],
            }
        ),
        hide_index=True,
        column_config={
            "provider": badges.provider_column(names, "Provider"),
            "images": column.NumberColumn("Images"),
            "calls": column.NumberColumn(
                "Calls", help="Paid or counted calls to the provider's API that are expected, one try each"
            ),
            "cost": column.NumberColumn("Cost", format="$%.3f", help="Expected, at the provider's prices"),
            "today": column.TextColumn(
                "Of today's limit",
                help="What this takes of what the provider allows in a day, and what is used already",
            ),
            "time": column.TextColumn("Time", help="As fast as the provider's own limits allow"),
        },
        alt="What is tried, by provider",
    )


def _expected(preview: Preview, options: Options, names: Mapping[str, str]) -> None:
    plan, forecast = preview.plan, preview.forecast
    lines = [
        f":material/schedule: {retry_sentences.takes(forecast, options, names)}",
        f":material/trending_up: {retry_sentences.comes_in(forecast, plan.images)}",
        f":material/payments: **{counted(plan.calls, 'provider call')}**, **\\${plan.cost_usd:.3f}** in all.",
    ]
    beyond = retry_sentences.beyond_today(forecast, names)
    if beyond:
        lines.append(f":material/hourglass: {beyond}")
    st.markdown("  \n".join(lines))


def _kinds(preview: Preview, names: Mapping[str, str]) -> None:
    kinds = sorted(preview.forecast.kinds, key=lambda kind: -kind.images)[:KINDS_SHOWN]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(
            {
                "provider": [[names.get(kind.provider, kind.provider)] for kind in kinds],
                "error": [[error_label(kind.error_type)] if kind.error_type else [] for kind in kinds],
                "images": [kind.images for kind in kinds],
                "share": [retry_sentences.share(kind) for kind in kinds],
                "interval": [retry_sentences.interval(kind) for kind in kinds],
                "tries": [kind.tries for kind in kinds],
            }
        ),
        hide_index=True,
        column_config={
            "provider": badges.provider_column(names, "Provider"),
            "error": badges.error_column(),
            "images": column.NumberColumn("Images"),
            "share": column.TextColumn("Should come in", help="Share of like retries that came in"),
            "interval": column.TextColumn("95 % interval"),
            "tries": column.NumberColumn("From retries", help="Like retries in the last 30 days"),
        },
        alt="What is expected, by provider and error",
    )
