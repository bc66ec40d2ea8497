"""A sign-in provider on this machine: OpenID Connect over real HTTP, approving whom a test says is there."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "venue-console"
CLIENT_SECRET = "client-geheim-0123456789"
COOKIE_SECRET = "cookie-geheim-0123456789-0123456789"


class Wrong(Exception):
    """The console asked for something that a provider refuses."""


@dataclass
class OpenIdProvider:
    """A running provider. `person` holds the claims of who sits before the browser; None: they say no."""

    port: int
    person: dict[str, Any] | None = None
    token_seconds: float = 3600  #: How long ID tokens are good for.
    refuses_codes: bool = False
    redirect_uris: set[str] = field(default_factory=set)
    signed_out: list[dict[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)  #: Every ID token given out.
    refused: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def console_env(self, console_port: int) -> dict[str, str]:
        """Settings of a console on that port whose people sign in here."""
        public_url = f"http://127.0.0.1:{console_port}"
        self.redirect_uris.add(f"{public_url}/admin/venue-images/oauth2callback")
        return {
            "VENUE_OPS_PUBLIC_URL": public_url,
            "VENUE_OPS_OIDC_METADATA_URL": f"{self.url}/.well-known/openid-configuration",
            "VENUE_OPS_OIDC_CLIENT_ID": CLIENT_ID,
            "VENUE_OPS_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "VENUE_OPS_COOKIE_SECRET": COOKIE_SECRET,
        }

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "end_session_endpoint": f"{self.url}/end_session",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self._key.as_dict(private=False)]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes next: back to the console, with a code or with a no."""
        self._check(query.get("client_id") == CLIENT_ID, "client id")
        self._check(query.get("redirect_uri") in self.redirect_uris, "redirect URI")
        self._check(query.get("response_type") == "code", "response type")
        self._check("openid" in query.get("scope", "").split(), "scope")
        self._check(query.get("code_challenge_method") == "S256", "code challenge")
        if self.person is None:
            answer = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = query | {"person": json.dumps(self.person)}
            answer = {"code": code, "state": query["state"]}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def approve(self, address: str) -> str:
        """Visit the address the console sent a person to, without a browser; the path to come back by."""
        query = dict(parse_qsl(urlsplit(address).query))
        back = urlsplit(self.authorize(query))
        return f"{back.path}?{back.query}"

    def token(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        self._check((unquote(name), unquote(secret)) == (CLIENT_ID, CLIENT_SECRET), "client secret")
        self._check(not self.refuses_codes and form.get("code") in self._codes, "code")
        asked = self._codes.pop(form["code"])
        self._check(form.get("redirect_uri") == asked["redirect_uri"], "redirect URI")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        self._check(challenge == asked["code_challenge"], "code verifier")
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": int(now + self.token_seconds),
            "nonce": asked["nonce"],
            **json.loads(asked["person"]),
        }
        token = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)
        self.tokens.append(token)
        return {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": token}

    def _check(self, is_right: bool, what: str) -> None:
        if not is_right:
            self.refused.append(what)
            raise Wrong(what)


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """A provider that listens until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.provider = OpenIdProvider(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.provider  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider, parts = self._provider, urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        try:
            if parts.path == "/.well-known/openid-configuration":
                self._json(provider.metadata())
            elif parts.path == "/jwks":
                self._json(provider.jwks())
            elif parts.path == "/authorize":
                self._redirect(provider.authorize(query))
            elif parts.path == "/end_session":
                provider.signed_out.append(query)
                self._redirect(query["post_logout_redirect_uri"])
            else:
                self._json({"error": "not_found"}, 404)
        except Wrong as wrong:
            self._json({"error": f"wrong {wrong}"}, 400)

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        try:
            self._json(self._provider.token(form, self.headers.get("Authorization", "")))
        except Wrong:
            self._json({"error": "invalid_grant"}, 400)

    @property
    def _provider(self) -> OpenIdProvider:
        return self.server.provider  # type: ignore[attr-defined]

    def _json(self, value: object, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("Location", where)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at what the provider remembers."""
