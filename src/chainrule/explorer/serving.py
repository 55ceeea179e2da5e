"""A local server of pages on which a reader can type another function, which is derived anew.

It listens on 127.0.0.1 alone. Every path begins with a secret token; a request with another token, for another host (as
after DNS rebinding) or from another origin is refused, and no other origin is admitted.
"""

from __future__ import annotations

import json
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chainrule.explorer.exploring import Explorer, explore
from chainrule.explorer.reading import derivation_of
from chainrule.words import LANGUAGES, ChainruleError, Language, speaking, translated, used_language

_HOST = "127.0.0.1"
_NAMES = (_HOST, "localhost")
_MOST_BYTES = 100_000
_KEPT = 50
"""The number of pages that are kept; the first always is."""
_SECONDS = 30
"""The time after which a connection that says nothing is closed."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server:
    """Serves an explorer, and those of what is typed on its pages, until it is closed.

    `url` is the address with the token. Raises OSError if the port is taken; the port 0 is any that is free.
    """

    def __init__(self, explorer: Explorer, lang: Language | None = None, port: int = 0) -> None:
        self._explorer = explorer
        self._lang = used_language(lang)
        self._token = secrets.token_urlsafe(24)
        self._pages = {0: explorer.html(lang, asks=True)}
        self._number = 0
        self._lock = threading.Lock()
        self._http = _Http((_HOST, port), _Handler)
        self._http.pages = self
        self.port: int = self._http.server_address[1]
        self.url = f"http://{_HOST}:{self.port}/{self._token}/"

    def run(self) -> None:
        """Serve until `close` is called from another thread, or until an exception such as KeyboardInterrupt."""
        self._http.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop serving, and free the port."""
        self._http.server_close()

    def stop(self) -> None:
        """End `run`, which is in another thread."""
        self._http.shutdown()

    def is_own(self, host: str, origin: str | None) -> bool:
        """Whether a request is for this server by a name of its own, and from a page of its own."""
        hosts = [f"{name}:{self.port}" for name in _NAMES]
        return host in hosts and (origin is None or origin in [f"http://{each}" for each in hosts])

    def part_of(self, path: str) -> str | None:
        """Return what follows the token in a path; None with another token."""
        _, _, rest = path.partition("?")[0].partition("/")
        token, _, part = rest.partition("/")
        return part if secrets.compare_digest(token.encode(), self._token.encode()) else None

    def page(self, part: str) -> str | None:
        """Return a page by its number; the first without one."""
        return self._pages.get(int(part or 0)) if part.isdecimal() or not part else None

    def derived(self, asked: Any) -> dict[str, str]:
        """Derive what was typed; return the path of its page, or an error as a sentence."""
        text, wrt = (asked.get(key, "") if isinstance(asked, dict) else "" for key in ("text", "wrt"))
        lang = asked.get("lang") if isinstance(asked, dict) else None
        language: Language = lang if lang in LANGUAGES else self._lang
        if not isinstance(text, str) or not isinstance(wrt, str):
            return {"error": "the request has no text"}
        with self._lock, speaking(language):
            try:
                names = [name.strip() for name in wrt.split(",") if name.strip()]
                html = explore(derivation_of(text, names or None)).html(language, asks=True)
            except (ChainruleError, RecursionError) as error:
                return {"error": translated(str(error), language)}
            self._number += 1
            self._pages[self._number] = html
            for old in [number for number in self._pages if 0 < number <= self._number - _KEPT]:
                del self._pages[old]
            return {"page": str(self._number)}


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False
    pages: Server


class _Handler(BaseHTTPRequestHandler):
    timeout = _SECONDS
    server: _Http
    server_version = "chainrule"
    sys_version = ""

    def do_GET(self) -> None:
        part = self._admitted()
        if part is not None:
            page = self.server.pages.page(part)
            if page is None:
                self._refuse(HTTPStatus.NOT_FOUND)
            else:
                self._answer(HTTPStatus.OK, "text/html", page)

    def do_POST(self) -> None:
        part = self._admitted()
        if part is None:
            return
        length = self.headers.get("Content-Length", "")
        if part != "derive":
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not length.isdecimal() or int(length) > _MOST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        else:
            try:
                asked = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                self._refuse(HTTPStatus.BAD_REQUEST)
                return
            answer = json.dumps(self.server.pages.derived(asked), ensure_ascii=False)
            self._answer(HTTPStatus.OK, "application/json", answer)

    def _admitted(self) -> str | None:
        """Return the part of the path behind the token; refuse a request that is not this server's."""
        pages = self.server.pages
        own = pages.is_own(self.headers.get("Host", ""), self.headers.get("Origin"))
        part = pages.part_of(self.path) if own else None
        if part is None:
            self._refuse(HTTPStatus.FORBIDDEN)
        return part

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True  # the body of a refused request is not read
        self._answer(status, "text/plain", f"{status.value} {status.phrase}\n")

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode(errors="backslashreplace")
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal shows the address, and how to end."""
