"""The strip that says how the providers are that retries wait for, with the breakers that are open."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from ops_core import actions
from ops_core.db.providers_now import ProviderNow
from ops_core.domain.circuits import OVERRIDE_MINUTES, CircuitState
from ops_core.domain.permits import Limits
from ops_core.domain.retry_plan import counted
from ops_core.ui import badges, retries_cached, retries_controls
from ops_core.ui.fine_print import fine_print
from ops_core.ui.frame import database
from ops_core.ui.markdown import plain
from ops_core.ui.words_of_time import moment

#: Seconds between two looks while there is something to look at.
LOOK_SECONDS = 5

#: The badge of a provider that nothing keeps from being asked.
USUAL = badges.badge("Asked as usual", "green", "check_circle")

#: Session key: why a breaker was not closed, by provider.
_NOTES = "retries_provider_notes"


def providers_now(*, names: Mapping[str, str], zone: str, may_retry: bool) -> None:
    """Each provider that open retries need or whose breaker is open; nothing when there is none."""
    shown = bool(retries_cached.providers_now().providers)
    st.fragment(run_every=f"{LOOK_SECONDS}s" if shown else None, key="retries_providers")(_draw)(
        names, zone, may_retry
    )


def _draw(names: Mapping[str, str], zone: str, may_retry: bool) -> None:
    with database():
        now = retries_cached.providers_now()
        if not now.providers:
            return
        st.markdown("**Providers now**")
        with st.grid("auto", min_column_width=270, gap="small"):
            for provider in now.providers:
                with st.container(
                    border=True, gap="xxsmall", height="stretch", key=f"provider_{provider.code}"
                ):
                    _provider(provider, now.now, names, zone, may_retry=may_retry)


def _provider(
    provider: ProviderNow, now: datetime, names: Mapping[str, str], zone: str, *, may_retry: bool
) -> None:
    st.markdown(" ".join([badges.provider_badge(provider.code, names), *(marks(provider) or [USUAL])]))
    fine_print(_limits(provider.limits), *waits(provider, now, zone))
    if not provider.circuit.is_closed:
        breaker(provider, now, zone, may_retry=may_retry)


def waits(provider: ProviderNow, now: datetime, zone: str) -> list[str]:
    """Until when it is not asked, and why, as Markdown; nothing where it is."""
    circuit = provider.circuit
    lines: list[str] = []
    if provider.paused_until:
        why = f": {plain(provider.paused_reason)}" if provider.paused_reason else ""
        lines.append(f"Paused until {moment(provider.paused_until, zone, after=now)}{why}")
    if provider.silent_until:
        lines.append(f"It asked for silence until {moment(provider.silent_until, zone, after=now)}")
    if circuit.overridden_until and circuit.is_overridden(now):
        until = moment(circuit.overridden_until, zone, after=now)
        lines.append(f"Its breaker is held closed by a person until {until}")
    if circuit.state is CircuitState.OPEN and circuit.retry_at:
        if circuit.retry_at > now:
            lines.append(f"Waits until {moment(circuit.retry_at, zone, after=now)}, then one image probes it")
        else:
            lines.append("The next image probes it")
    return lines


def marks(provider: ProviderNow) -> list[str]:
    """How it stands, worst first, as badges; nothing where it is asked as usual."""
    found = []
    if not provider.active:
        found.append(badges.badge("Switched off", "gray", "power_settings_new"))
    if provider.paused_until:
        found.append(badges.badge("Paused", "orange", "pause_circle"))
    match provider.circuit.state:
        case CircuitState.OPEN:
            found.append(badges.badge("Breaker open", "red", "power_off"))
        case CircuitState.HALF_OPEN:
            found.append(badges.badge("Being probed", "orange", "network_check"))
    if provider.silent_until:
        found.append(badges.badge("Asked for silence", "yellow", "volume_off"))
    return found


def breaker(provider: ProviderNow, now: datetime, zone: str, *, may_retry: bool) -> None:
    """When and why the breaker opened, and the button that closes it."""
    circuit = provider.circuit
    last = f", the last: {badges.error_badge(circuit.error_type)}" if circuit.error_type else ""
    opened = f" at {moment(circuit.opened_at, zone, after=now)}" if circuit.opened_at else ""
    st.markdown(f":small[Opened{opened} after {counted(circuit.failures, 'failure')} in a row{last}]")
    st.button(
        "Close it now",
        key=f"provider_{provider.code}_close",
        icon=":material/power:",
        disabled=not may_retry,
        help="Asks the provider again at once, and keeps the breaker from opening for "
        f"{OVERRIDE_MINUTES:.0f} minutes.{retries_controls.who(may_retry)}",
        on_click=_close,
        args=(provider.code,),
    )
    said = st.session_state.get(_NOTES, {}).get(provider.code)
    if said:
        st.warning(plain(said), icon=":material/info:")


def _close(code: str) -> None:
    notes: dict[str, str] = st.session_state.setdefault(_NOTES, {})
    notes.pop(code, None)
    said = retries_controls.attempt(lambda engine, actor: actions.close_circuit(engine, code, actor=actor))
    if said:
        notes[code] = said


def _limits(limits: Limits) -> str:
    windows = ((limits.per_second, "a second"), (limits.per_minute, "a minute"), (limits.per_hour, "an hour"))
    parts = [f"{limit:,} {each}" for limit, each in windows if limit]
    return f"Limit: {', '.join(parts)}" if parts else "No limit"
