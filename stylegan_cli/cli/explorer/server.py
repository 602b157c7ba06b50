"""The server behind the page. It listens on this machine alone, and answers only those who know the page's address."""

from __future__ import annotations

import errno
import json
import os
import secrets
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from stylegan_cli.cli.boundary import sentence
from stylegan_cli.cli.console import insist
from stylegan_cli.cli.explorer.desk import Desk
from stylegan_cli.cli.stopping import Stopped
from stylegan_cli.errors import StyleganError

HERE = "127.0.0.1"
PAGE = Path(__file__).with_name("page.html")
MOST = 100_000  # bytes of a question
WISHES = ("face", "save", "paste", "drag", "keep", "find")  # that a desk can do something about
# The page is one file, and may ask nobody but this server.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "frame-ancestors 'none'"
)


class Server(ThreadingHTTPServer):
    """Serves the page of a `desk` at `url`, until it is closed. Raises StyleganError if the port is taken."""

    desk: Desk

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # where it would let two programs have the same port

    def __init__(self, port: int) -> None:
        self.secret = secrets.token_urlsafe(12)
        # Faces are drawn by one thread, one after the other: every thread that draws would keep memory of its own.
        self.turns = ThreadPoolExecutor(1)
        try:
            super().__init__((HERE, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is used by another program" if error.errno == errno.EADDRINUSE else "needs an administrator"
            raise StyleganError(f"--port {port} {why}; choose another, or leave it out") from None

    @property
    def url(self) -> str:
        return f"http://{HERE}:{self.server_port}/{self.secret}/"

    def serve(self, desk: Desk) -> None:
        """Answers until it is shut down."""
        self.desk = desk
        self.serve_forever()

    def server_close(self) -> None:
        super().server_close()
        self.turns.shutdown(cancel_futures=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers hang up when they like; anything else is a mistake of ours."""
        error = sys.exc_info()[1]
        if os.environ.get("STYLEGAN_DEBUG"):
            super().handle_error(request, client_address)
        elif isinstance(error, Exception) and not isinstance(error, ConnectionError):
            insist(f"Error: {sentence(error)}.")


class Handler(BaseHTTPRequestHandler):
    """One question of the page."""

    server: Server

    def do_GET(self) -> None:
        asked = self._asked()
        if asked == "":
            self._send(HTTPStatus.OK, PAGE.read_bytes(), "text/html; charset=utf-8")
        elif asked == "about":
            self._answer(self.server.desk.about())
        else:
            self._refuse()

    def do_POST(self) -> None:
        desk = self.server.desk
        asked, question = self._asked(), self._question()
        if asked not in WISHES or question is None:
            self._refuse()
            return
        does = getattr(desk, asked)
        try:
            answer, status = self.server.turns.submit(does, question).result(), HTTPStatus.OK
        except (StyleganError, OSError) as error:
            answer, status = {"error": sentence(error)}, HTTPStatus.BAD_REQUEST
        except (Stopped, CancelledError):  # and the page hears no more of us
            return
        self._answer(answer, status)

    def _question(self) -> Any:
        """What the page sent; None if it is too long, or no JSON."""
        length = self.headers.get("Content-Length", "")
        if not (length.isdecimal() and len(length) <= len(str(MOST)) and int(length) <= MOST):
            return None
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            return None

    def _asked(self) -> str | None:
        """What is asked for; None if it is not for whoever asks. Other pages in the same browser do not know the
        secret; and those that call this machine by a name of theirs are told apart by that name."""
        name, begin = self.headers.get("Host", "").partition(":")[0], f"/{self.server.secret}/"
        knows = secrets.compare_digest(self.path[: len(begin)].encode(), begin.encode())
        return self.path[len(begin) :] if knows and name in (HERE, "localhost") else None

    def _answer(self, plain: dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, json.dumps(plain).encode(), "application/json")

    def _refuse(self) -> None:
        self._send(HTTPStatus.NOT_FOUND, b"Open the address that stylegan explore printed.", "text/plain")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nobody wants to read every question."""
