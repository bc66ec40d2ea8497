"""The sandbox as a web server on this machine, in which every provider is a path.

`http://127.0.0.1:PORT/{host}/{path}` stands for `https://{host}/{path}`. Adding a provider is adding a
module with `CODE` and `routes(desk)` and naming it in `PROVIDERS`. The paths under `/_sandbox/` are
those of `control.py`.
"""

from __future__ import annotations

import asyncio
import logging
import signal

from aiohttp import web

from ops_core.sandbox import (
    control,
    foursquare,
    google_legacy,
    google_places,
    google_search,
    here,
    mapbox,
    unsplash,
    wikidata,
    wikimedia,
)
from ops_core.sandbox.desk import Call, Desk, Reply, json_reply
from ops_core.sandbox.faults import FaultPlan
from ops_core.sandbox.world import World
from ops_core.settings import Settings

log = logging.getLogger(__name__)

#: Only this machine can reach it: it plays the providers and knows no access rules.
HOST = "127.0.0.1"

#: Largest body of a control request: a script for many thousands of photos.
MOST_CONTROL_BYTES = 32 * 1024 * 1024

#: A provider whose interfaces fill several modules is there several times.
PROVIDERS = (
    *(wikimedia, wikidata, google_places, google_search, google_legacy),
    *(here, mapbox, foursquare, unsplash),
)

#: The running sandbox of an application made by `make_app`.
DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)


def make_app(world: World, plan: FaultPlan | None = None) -> web.Application:
    """The sandbox as an aiohttp application. Without a plan nothing fails and nothing waits."""
    desk = Desk(world, plan or FaultPlan())
    app = web.Application(client_max_size=MOST_CONTROL_BYTES)
    app[DESK] = desk
    for provider in PROVIDERS:
        app.router.add_routes(provider.routes(desk))
    codes = dict.fromkeys(provider.CODE for provider in PROVIDERS)
    app.router.add_routes(control.routes(desk, list(codes)))

    async def unknown(request: web.Request) -> web.StreamResponse:
        nothing = json_reply(
            {"error": f"The sandbox plays nothing at {request.path}."}, 404, outcome="refused"
        )
        call = Call("unknown", "other", request.path.split("/")[1], (), lambda *_: Reply(404))
        return await desk.answer(request, call, Reply, nothing)

    async def stop(_: web.Application) -> None:
        desk.stopping.set()

    app.router.add_route("*", "/{path:.*}", unknown)
    app.on_shutdown.append(stop)
    return app


def make_runner(app: web.Application) -> web.AppRunner:
    """The runner the sandbox needs: its handlers end when their client leaves or the server stops."""
    return web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.5)


def serve(settings: Settings) -> None:
    """Run the sandbox until SIGTERM or SIGINT. Raises SystemExit with a sentence if its port is taken."""
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = make_runner(make_app(World(settings.sandbox_seed), FaultPlan.from_settings(settings)))
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, settings.sandbox_port, backlog=1024).start()
        log.info("The sandbox answers at http://%s:%d", HOST, settings.sandbox_port)
        await stopped.wait()
    except OSError as problem:
        raise SystemExit(
            f"The sandbox cannot listen on {HOST}:{settings.sandbox_port} ({problem.strerror or problem}). "
            "Stop what uses that port, or set VENUE_OPS_SANDBOX_PORT to a free one."
        ) from None
    finally:
        await runner.cleanup()
