"""A proxy on port 3128 and a package index over HTTPS on port 443: proxy_and_mirror.py DIRECTORY PAIR."""

import contextlib
import http.server
import re
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

FILES = Path(sys.argv[1])


class Index(http.server.BaseHTTPRequestHandler):
    """/simple/NAME/ lists files of DIRECTORY, /files/NAME is one of them."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        words = self.path.strip("/").split("/")
        if words[0] == "simple" and len(words) == 2:
            found = [path.name for path in FILES.iterdir() if project(path.name) == project(f"{words[1]}-")]
            if found:
                return self.reply(
                    200, "text/html", "".join(f'<a href="/files/{name}">{name}</a>' for name in found).encode()
                )
        if words[0] == "files" and (FILES / words[-1]).is_file():
            return self.reply(200, "application/octet-stream", (FILES / words[-1]).read_bytes())
        return self.reply(404, "text/plain", b"not here")

    def reply(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET


class Proxy(http.server.BaseHTTPRequestHandler):
    """Plain HTTP as apt asks for it, and tunnels."""

    def do_GET(self):
        asked = urllib.request.Request(self.path, headers={"User-Agent": self.headers.get("User-Agent", "")})
        try:
            answer = urllib.request.urlopen(asked, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Last-Modified", "ETag"):
            if answer.headers.get(name):
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        host, _colon, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), 30) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=copy, args=(far, self.connection), daemon=True)
            back.start()
            copy(self.connection, far)
            back.join()


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def project(name):
    return re.sub(r"[-_.]+", "-", re.split(r"-(?=\d|$)", name)[0]).lower()


index = http.server.ThreadingHTTPServer(("", 443), Index)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
index.socket = context.wrap_socket(index.socket, server_side=True)
threading.Thread(target=index.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("", 3128), Proxy).serve_forever()
