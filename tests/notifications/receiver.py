"""A receiver of webhooks in a process of its own. It verifies signatures by itself, knowing only the standard.

Run: receiver.py SECRET-FILE LOG-FILE. Prints its port. The path says how it behaves: /ok, /fail (500),
/gone (410), /redirect (302 to /ok), /slow (drips its answer), /big (an endless answer), /errcode and /code (a robot's refusal, or its consent once told).
"""

import base64
import hashlib
import hmac
import json
import sys
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET_FILE, LOG_FILE = map(Path, sys.argv[1:3])


def signed(headers: Message, body: bytes) -> bool:
    """Standard Webhooks: any of the signatures fits, and the time is of now."""
    key = base64.b64decode(SECRET_FILE.read_text().strip()[len("whsec_") :])
    content = b".".join(
        [
            headers.get("webhook-id", "").encode(),
            headers.get("webhook-timestamp", "").encode(),
            body,
        ]
    )
    wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    given = [part.split(",", 1) for part in headers.get("webhook-signature", "").split()]
    return any(version == "v1" and hmac.compare_digest(mac, wanted) for version, mac in given)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        ok = SECRET_FILE.exists() and signed(self.headers, body)
        with LOG_FILE.open("a") as log:
            headers = {name.lower(): value for name, value in self.headers.items()}
            entry = {
                "method": self.command,
                "path": self.path,
                "headers": headers,
                "body": body.decode(),
                "signed": ok,
            }
            log.write(json.dumps(entry) + "\n")
        getattr(self, "answer_" + self.path.strip("/").split("/")[0].split("?")[0])()

    do_PUT = do_POST

    def answer(self, status: int, body: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_ok(self) -> None:
        self.answer(200)

    def answer_errcode(self) -> None:
        code = 0 if SECRET_FILE.with_name("robot-ok").exists() else 93000
        self.answer(200, json.dumps({"errcode": code, "errmsg": "invalid webhook url"}).encode())

    def answer_code(self) -> None:
        code = 0 if SECRET_FILE.with_name("robot-ok").exists() else 93000
        self.answer(200, json.dumps({"code": code, "msg": "invalid webhook url"}).encode())

    def answer_fail(self) -> None:
        self.answer(500, "内部错误".encode())

    def answer_gone(self) -> None:
        self.answer(410)

    def answer_redirect(self) -> None:
        self.answer(302, location="/ok")

    def answer_slow(self) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n":
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.3)

    def answer_big(self) -> None:
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        try:
            while True:
                self.wfile.write(chunk)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
