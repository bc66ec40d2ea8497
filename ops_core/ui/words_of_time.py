"""Times and durations as people read them, on the viewer's clock."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def moment(at: datetime, zone: str, *, after: datetime | None = None) -> str:
    """`at` in the time zone of that name; without its date if that is the day of `after`."""
    local = at.astimezone(ZoneInfo(zone))
    if after is not None and after.astimezone(ZoneInfo(zone)).date() == local.date():
        return f"{local:%H:%M:%S}"
    return f"{local.day} {local:%b %Y, %H:%M:%S}"


def duration(length: timedelta) -> str:
    """How long, in the two largest units that say something: "0.4 s", "2 min 05 s", "1 h 20 min"."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"
