"""The sandbox's own paths, for tests and demonstrations.

    GET  /_sandbox/health   whether it answers, its seed and its providers
    GET  /_sandbox/counts   requests, successes (complete bodies sent), bytes and outcomes: per key, per
                            `kind:provider`, and in all
    GET  /_sandbox/log      the last requests in order of arrival; ?provider= ?kind= ?key= choose
    GET  /_sandbox/faults   the plan of faults
    POST /_sandbox/faults   change the fields given (see `FaultPlan`); recovery and scripts begin anew
    POST /_sandbox/reset    as at the start: the first plan, no counts, no log

A key is `kind:provider:ref`, such as `image:google_places:AU...`, `resolve:google_places:AU...`,
`listing:google_places:ChIJ...`, `listing:wikimedia_commons:Q243` or
`image:wikimedia_commons:File:Sandbox Q243 (1).jpg`.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from aiohttp import web
from pydantic import ValidationError

from ops_core.sandbox.desk import Desk
from ops_core.sandbox.faults import FaultPlan


def routes(desk: Desk, providers: list[str]) -> list[web.RouteDef]:
    """The control paths."""

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "seed": desk.world.seed, "providers": providers})

    async def counts(_: web.Request) -> web.Response:
        return web.json_response(desk.ledger.counts())

    async def log(request: web.Request) -> web.Response:
        wanted = {name: request.query[name] for name in ("provider", "kind", "key") if name in request.query}
        entries = [
            {**asdict(entry), "key": entry.key}
            for entry in desk.ledger.log
            if all(getattr(entry, name) == value for name, value in wanted.items())
        ]
        return web.json_response({"log": entries})

    async def faults(_: web.Request) -> web.Response:
        return web.json_response(desk.plan.model_dump(mode="json"))

    async def set_faults(request: web.Request) -> web.Response:
        try:
            changes = json.loads(await request.text() or "{}")
            if not isinstance(changes, dict):
                return _bad("The body must be a JSON object with fields of the fault plan.")
            plan = FaultPlan.model_validate({**desk.plan.model_dump(), **changes})
        except json.JSONDecodeError as problem:
            return _bad(f"The body is not JSON: {problem}.")
        except ValidationError as problem:
            return _bad("; ".join(f"{_place(error['loc'])}{error['msg']}" for error in problem.errors()))
        if unknown := set(plan.outages) - set(providers):
            return _bad(
                f"outages: no provider {', '.join(sorted(unknown))}; there are {', '.join(providers)}."
            )
        desk.set_plan(plan)
        return await faults(request)

    async def reset(_: web.Request) -> web.Response:
        desk.reset()
        return web.json_response({"status": "ok"})

    return [
        web.get("/_sandbox/health", health),
        web.get("/_sandbox/counts", counts),
        web.get("/_sandbox/log", log),
        web.get("/_sandbox/faults", faults, allow_head=False),
        web.post("/_sandbox/faults", set_faults),
        web.post("/_sandbox/reset", reset),
    ]


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) + ": " if location else ""


def _bad(message: str) -> web.Response:
    return web.json_response({"error": message}, status=400)
