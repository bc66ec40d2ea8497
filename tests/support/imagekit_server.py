"""ImageKit on 127.0.0.1: its upload, list and delete API and its CDN, with what they check and their quirks.

Texts and statuses are ImageKit's own, from its OpenAPI description.
"""

from __future__ import annotations

import base64
import http.client
import io
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import BasicAuth, BodyPartReader, web
from PIL import Image, UnidentifiedImageError

from tests.support.threads import in_thread

PRIVATE_KEY = "private_t0psecretKEY+of/tests0123456789="
ACCOUNT = "team"
#: Bytes an image may have on the free plan.
MOST_BYTES = 25_000_000

_HELP = "For support kindly contact us at support@imagekit.io ."
_NAME_IN = re.compile(r'name IN \[("[^"]+"(?:,"[^"]+")*)\]')
_FOLDER = re.compile(r"(?:/[A-Za-z0-9_-]+)*/?")


@dataclass
class Stored:
    """One file of the media library."""

    file_id: str
    path: str  #: With a slash at its begin.
    data: bytes
    content_type: str
    tags: list[str]


@dataclass
class Refusal:
    """An answer in place of the next one to `verb`: upload, list, delete or serve."""

    verb: str
    status: int
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  #: In place of ImageKit's JSON.


@dataclass
class ImageKitServer:
    """What is stored, what was asked, and how the next answers differ from the usual."""

    files: dict[str, Stored] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  #: Verbs in order of arrival.
    secrets_at_cdn: int = 0  #: Requests to the CDN that carried credentials.
    renames: bool = False  #: Whether files are stored under another name, whatever is asked.
    url: str = ""
    _cached: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """The settings that lead here."""
        return {
            "imagekit_private_key": PRIVATE_KEY,
            "imagekit_api_url": self.url,
            "imagekit_url_endpoint": f"{self.url}/{ACCOUNT}",
        }

    def reset(self) -> None:
        """As at the start."""
        self.files.clear()
        self._cached.clear()
        self.refusals.clear()
        self.asked.clear()
        self.secrets_at_cdn, self.renames = 0, False

    def page(self, url: str) -> bytes:
        """What a browser gets from an address of the CDN."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.status
            return answer.read()
        finally:
            connection.close()

    def refuse(self, verb: str, status: int, message: str = "", **more: Any) -> None:
        """Answer the next request of that kind so."""
        self.refusals.append(Refusal(verb, status, message, **more))

    async def upload(self, request: web.Request) -> web.Response:
        """POST /api/v1/files/upload."""
        if refusal := self._refusal("upload", request):
            return refusal
        form, data, content_type = await _form(request)
        name = form.get("fileName")
        if data is None or name is None:
            return _error(400, "Missing file or fileName parameter for upload.")
        if len(data) > MOST_BYTES:
            return _error(400, "Your file size exceeds limits of your plan.")
        tags, folder = form.get("tags", ""), form.get("folder", "/")
        if len(tags) > 500 or "%" in tags:
            return _error(400, "Invalid tags parameter.")
        if not _FOLDER.fullmatch(folder):
            return _error(400, "Your request contains invalid folder parameter.")
        name = re.sub(r"[^A-Za-z0-9.-]", "_", name)
        if self.renames or form.get("useUniqueFileName", "true") == "true":
            stem, _, ending = name.rpartition(".")
            name = f"{stem}_{secrets.token_hex(4)}.{ending}"
        path = f"{folder.rstrip('/')}/{name}"
        if path in self.files and form.get("overwriteFile", "true") != "true":
            return _error(
                400,
                "A file with the same name already exists at the exact location. We could not overwrite it "
                "because both overwriteFile and useUniqueFileName are set to false.",
            )
        file_id = self.files[path].file_id if path in self.files else secrets.token_hex(12)
        self.files[path] = Stored(file_id, path, data, content_type, [tag for tag in tags.split(",") if tag])
        return web.json_response(self._described(self.files[path]))

    async def list(self, request: web.Request) -> web.Response:
        """GET /v1/files?path=...&searchQuery=name IN [...]."""
        if refusal := self._refusal("list", request):
            return refusal
        search = _NAME_IN.fullmatch(request.query.get("searchQuery", ""))
        if search is None:
            return _error(400, "Invalid search query.")
        names = set(re.findall(r'"([^"]+)"', search[1]))
        folder = request.query.get("path", "/").rstrip("/")
        found = [
            self._described(file) | {"type": "file"}
            for path, file in sorted(self.files.items())
            if path.rpartition("/")[0] == folder and path.rpartition("/")[2] in names
        ]
        return web.json_response(found[: int(request.query.get("limit", "1000"))])

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE /v1/files/{fileId}."""
        if refusal := self._refusal("delete", request):
            return refusal
        for path, file in self.files.items():
            if file.file_id == request.match_info["file_id"]:
                del self.files[path]
                return web.Response(status=204)
        return _error(404, "The requested file does not exist.")

    async def serve(self, request: web.Request) -> web.Response:
        """GET /{account}/{path}: optimised, as asked by `tr`, or kept by the CDN from an earlier request."""
        self.secrets_at_cdn += "Authorization" in request.headers
        if refusal := self._refusal("serve", None):
            return refusal
        if request.path_qs not in self._cached:
            file = self.files.get("/" + request.match_info["path"])
            if file is None:
                return web.Response(status=404, text="Not Found")
            body = _transformed(file.data, request.query.get("tr", ""))
            self._cached[request.path_qs] = (body, file.content_type)
        body, content_type = self._cached[request.path_qs]
        headers = {"Content-Type": content_type, "Cache-Control": "public, max-age=31536000"}
        return web.Response(body=body, headers=headers)

    def _refusal(self, verb: str, request: web.Request | None) -> web.Response | None:
        """Why the request is not carried out; None if it is. `request` is given where a key is needed."""
        self.asked.append(verb)
        for refusal in self.refusals:
            if refusal.verb == verb:
                self.refusals.remove(refusal)
                if refusal.body is not None:
                    return web.Response(status=refusal.status, text=refusal.body, headers=refusal.headers)
                return _error(refusal.status, refusal.message, refusal.headers)
        if request is None:
            return None
        given = request.headers.get("Authorization", "")
        if not given.startswith("Basic "):
            return _error(401, "Your request does not contain private API key.")
        if BasicAuth.decode(given).login != PRIVATE_KEY:
            return _error(403, "Your account cannot be authenticated.")
        return None

    def _described(self, file: Stored) -> dict[str, Any]:
        url = f"{self.url}/{ACCOUNT}{file.path}"
        return {
            "fileId": file.file_id,
            "name": file.path.rpartition("/")[2],
            "size": len(file.data),
            "versionInfo": {"id": file.file_id, "name": "Version 1"},
            "filePath": file.path,
            "url": url,
            "fileType": "image",
            "tags": file.tags,
            "thumbnailUrl": f"{self.url}/{ACCOUNT}/tr:n-ik_ml_thumbnail{file.path}",
        }


@contextmanager
def running_imagekit() -> Iterator[ImageKitServer]:
    """A running server."""
    server = ImageKitServer()
    app = web.Application(client_max_size=100_000_000)
    app.router.add_post("/api/v1/files/upload", server.upload)
    app.router.add_get("/v1/files", server.list)
    app.router.add_delete("/v1/files/{file_id}", server.delete)
    app.router.add_get(f"/{ACCOUNT}/{{path:.+}}", server.serve)
    with in_thread(app) as server.url:
        yield server


async def _form(request: web.Request) -> tuple[dict[str, str], bytes | None, str]:
    """The fields of an upload, its file and the file's type: of a multipart form or of a plain one."""
    fields: dict[str, str] = {}
    data, content_type = None, "application/octet-stream"
    if request.content_type != "multipart/form-data":
        fields = {name: str(value) for name, value in (await request.post()).items()}
        if "file" in fields:
            given = fields.pop("file")
            data = base64.b64decode(given.partition("base64,")[2] or given)
        return fields, data, content_type
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "file":
            data, content_type = bytes(await part.read()), part.headers.get("Content-Type", content_type)
        else:
            fields[part.name or ""] = (await part.read()).decode()
    return fields, data, content_type


def _transformed(data: bytes, wish: str) -> bytes:
    if wish == "orig-true":
        return data
    try:
        with Image.open(io.BytesIO(data)) as image:
            small = image.convert("RGB")
    except UnidentifiedImageError:
        return data  # ImageKit changes nothing about what is no picture
    if size := re.fullmatch(r"w-([0-9]+),h-([0-9]+)", wish):
        small = small.resize((int(size[1]), int(size[2])))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=50)
    return out.getvalue()


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"message": message, "help": _HELP}, status=status, headers=headers)
