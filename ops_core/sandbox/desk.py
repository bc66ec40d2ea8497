"""Where every provider's reply goes out: outages, faults and delays are applied here, and all is counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ops_core.sandbox.draws import draw
from ops_core.sandbox.faults import OK, STATUS, Fault, FaultPlan, coin, decide
from ops_core.sandbox.ledger import Entry, Ledger
from ops_core.sandbox.pictures import Pictures
from ops_core.sandbox.world import World

#: Bytes after which even an endless body ends, should its client never leave.
ENDLESS_BYTES = 2**31

_BLOCK = 64 * 1024
_JPEG_START = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
_WEB_PAGE = (
    b"<!doctype html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
)
_PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="400" height="300"><script>alert(1)</script></svg>'


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, whole."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    outcome: str = OK  #: `refused` when the request itself was wrong.


@dataclass(frozen=True, slots=True)
class Call:
    """What one request asks for, and how it can fail."""

    provider: str
    kind: str  #: listing, resolve or image.
    ref: str  #: The photo or venue, in the provider's naming.
    possible: Collection[Fault]  #: Faults that can happen at this request.
    error: Callable[[int, int, bool], Reply]  #: The provider's form of (status, retry-after, coin).

    @property
    def key(self) -> str:
        """What counts, scripts and tests name the request by."""
        return f"{self.kind}:{self.provider}:{self.ref}"


@dataclass(slots=True)
class _Tries:
    first: float
    count: int = 0
    listed_again: bool = False


def json_reply(value: Any, status: int = 200, **fields: Any) -> Reply:
    """`value` as JSON."""
    return Reply(status, json.dumps(value, ensure_ascii=False).encode(), **fields)


class Desk:
    """The running sandbox: its world and pictures, the plan of its faults, and its ledger."""

    def __init__(self, world: World, plan: FaultPlan) -> None:
        self.world = world
        self.pictures = Pictures(world.seed)
        self.stopping = asyncio.Event()
        self._first_plan = plan
        self.reset()

    def reset(self) -> None:
        """As at the start: the first plan, no counts, no log, no tries. Pictures stay drawn."""
        self.ledger = Ledger()
        self.set_plan(self._first_plan)

    def set_plan(self, plan: FaultPlan) -> None:
        """Fail by `plan` from now on; recovery and scripts begin anew for every key."""
        self.plan = plan
        self._tries: dict[str, _Tries] = {}

    def listed(self, keys: Iterable[str]) -> None:
        """The venue that these requests are about was listed: expired names are fresh again."""
        for key in keys:
            if tries := self._tries.get(key):
                tries.listed_again = True

    async def answer(
        self, request: web.Request, call: Call, make: Callable[[], Reply], refused: Reply | None = None
    ) -> web.StreamResponse:
        """Send what `make` returns, or the refusal, or what the plan has in store instead."""
        entry = self.ledger.open(call.provider, call.kind, call.ref)
        outcome, success = "client_gone", False
        try:
            if self.plan.delay:
                await asyncio.sleep(self.plan.delay * (0.5 + draw(self.world.seed, "delay", call.key)[0]))
            if refused is not None:
                response = await self._send(request, entry, refused)
                outcome = "refused"
            elif status := self.plan.outages.get(call.provider):
                response = await self._send(request, entry, call.error(status, self.plan.retry_after, True))
                outcome = "outage"
            elif fault := self._fault(call):
                response = await self._fail(request, entry, call, fault, make)
                outcome = fault.value
            else:
                reply = make()
                response = await self._send(request, entry, reply)
                outcome, success = reply.outcome, reply.outcome == OK
        except asyncio.CancelledError:
            if entry.outcome in set(Fault):  # the client left a fault that only its leaving ends
                outcome = entry.outcome
            raise
        except ConnectionError:
            if entry.outcome in set(Fault):
                outcome = entry.outcome
            return web.Response()
        finally:
            self.ledger.close(entry, outcome, success=success)
        return response

    def _fault(self, call: Call) -> Fault | None:
        now = time.monotonic()
        tries = self._tries.get(call.key)
        if tries is None:
            tries = self._tries[call.key] = _Tries(now)
        # resolving and fetching a photo share one draw, so that a photo has one fate
        subject = call.key if call.kind == "listing" else f"{call.provider}:{call.ref}"
        fault = decide(
            self.plan,
            self.world.seed,
            call.key,
            subject=subject,
            possible=call.possible,
            tries=tries.count,
            seconds=now - tries.first,
            listed_again=tries.listed_again,
        )
        tries.count += 1
        return fault

    async def _send(
        self, request: web.Request, entry: Entry, reply: Reply, claimed_length: int | None = None
    ) -> web.StreamResponse:
        headers = {"Content-Type": reply.content_type, **reply.headers}
        response: web.StreamResponse
        if claimed_length is None:
            response = web.Response(status=reply.status, body=reply.body, headers=headers)
        else:
            response = web.StreamResponse(status=reply.status, headers=headers)
            response.content_length = claimed_length
        entry.status = reply.status
        if request.transport is not None:
            # drain waits until all is with the kernel, so that a success is never counted early
            request.transport.set_write_buffer_limits(high=0)
        await response.prepare(request)
        if claimed_length is not None:
            await response.write(reply.body)
            entry.bytes += len(reply.body)
            return response
        await response.write_eof()
        entry.bytes += len(reply.body)
        return response

    async def _fail(
        self, request: web.Request, entry: Entry, call: Call, fault: Fault, make: Callable[[], Reply]
    ) -> web.StreamResponse:
        entry.outcome = fault.value
        heads = coin(self.world.seed, call.key)
        status = STATUS.get(fault)
        if status is not None:
            return await self._send(request, entry, call.error(status, self.plan.retry_after, heads))
        if fault is Fault.TIMEOUT and heads:
            return await self._stall(request, web.Response())
        if fault is Fault.OVERSIZE:
            return await self._endless(request, entry, declared=heads)
        reply = make()
        half = reply.body[: len(reply.body) // 2]
        if fault in (Fault.TIMEOUT, Fault.RESET, Fault.TRUNCATED):
            part = Reply(reply.status, half, reply.content_type, reply.headers)
            response = await self._send(request, entry, part, claimed_length=max(len(reply.body), 1))
            if fault is Fault.TIMEOUT:
                return await self._stall(request, response)
            _hang_up(request, reset=fault is Fault.RESET)
            return response
        bodies = {
            Fault.HTML: (_WEB_PAGE, "text/html; charset=utf-8"),
            Fault.SVG: (_SVG, "image/svg+xml"),
            Fault.WRONG_TYPE: (_PDF, reply.content_type),
            Fault.EMPTY: (b"", reply.content_type),
            Fault.CUT_JPEG: (half, reply.content_type),
        }
        body, content_type = bodies[fault]
        return await self._send(request, entry, Reply(200, body, content_type))

    async def _stall(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), self.plan.stall_seconds)
        _hang_up(request, reset=False)
        return response

    async def _endless(self, request: web.Request, entry: Entry, *, declared: bool) -> web.StreamResponse:
        start = Reply(200, _JPEG_START, "image/jpeg")
        if declared:
            response = await self._send(request, entry, start, claimed_length=ENDLESS_BYTES)
        else:
            response = web.StreamResponse(headers={"Content-Type": "image/jpeg"})
            response.enable_chunked_encoding()
            entry.status = 200
            if request.transport is not None:
                request.transport.set_write_buffer_limits(high=0)
            await response.prepare(request)
            await response.write(_JPEG_START)
        block = bytes(_BLOCK)
        while entry.bytes < ENDLESS_BYTES and not self.stopping.is_set():
            await response.write(block)
            entry.bytes += _BLOCK
            await asyncio.sleep(0)  # a fast reader must not keep the others waiting
        _hang_up(request, reset=False)
        return response


def _hang_up(request: web.Request, *, reset: bool) -> None:
    """Close the connection under the reply: politely, or with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    if reset:
        plug: socket.socket = transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
