"""A notebook over HTTP: POST writes a line, GET reads all of them."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NOTES = Path.home() / "notes.txt"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        line = self.rfile.read(int(self.headers["Content-Length"])).decode()
        known = NOTES.read_text().splitlines() if NOTES.exists() else []
        if line not in known:
            NOTES.write_text("".join(f"{note}\n" for note in [*known, line]))
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(NOTES.read_bytes() if NOTES.exists() else b"")

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", 8123), Handler).serve_forever()
