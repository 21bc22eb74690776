"""bridge.py deliveries FOLDER COUNT: signed deliveries of 20 kB, each of its own comment, for benches/bridge.rs.
bridge.py serve PORT: the naive peer, a comment bridge as one writes it in an afternoon: one thread a connection, the
signature checked, the payload read, the answer given; what it has taken is in its memory alone.
bridge.py rows JOURNAL: how many tasks a journal holds."""

import hashlib
import hmac
import http.server
import json
import sqlite3
import sys
import time

SECRET = b"bench-secret"
MARK = 1_000_000_000


def deliveries(folder, count):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    user = {"id": 3, "login": "maria", "username": "maria"}
    delivery = {
        "action": "created",
        "issue": {
            "number": 12,
            "state": "open",
            "is_locked": False,
            "title": "a change",
            "body": "",
            "pull_request": {"merged": False, "merged_at": None, "draft": False},
        },
        "comment": {"id": MARK, "user": user, "body": "!testme", "created_at": now, "updated_at": now},
        "repository": {
            "id": 7,
            "full_name": "team/app",
            "permissions": {"admin": False, "push": True, "pull": True},
        },
        "sender": user,
        "is_pull": True,
        "pull_request": {
            "number": 12,
            "state": "open",
            "draft": False,
            "merged": False,
            "head": {"ref": "change", "sha": "0123456789abcdef0123456789abcdef01234567"},
            # What a forge says about both repositories, the users and their permissions, in the same kinds of values.
            "base": {},
        },
    }
    field = 0
    while len(json.dumps(delivery, indent=2)) < 20_000:
        delivery["pull_request"]["base"][f"field_{field}"] = [f"https://git.example.org/{field}", field, True, None]
        field += 1
    before, after = json.dumps(delivery, indent=2).encode().split(str(MARK).encode())
    for name, part in (("before", before), ("after", after)):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(part)
    with open(f"{folder}/each", "w") as file:
        for number in range(MARK, MARK + count):
            body = before + str(number).encode() + after
            file.write(f"{number} {hmac.new(SECRET, body, hashlib.sha256).hexdigest()}\n")


class Bridge(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    taken = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        status = 401
        if hmac.compare_digest(signature, self.headers.get("X-Gitea-Signature", "")):
            payload = json.loads(body)
            if payload["action"] == "created" and payload["comment"]["body"].strip() == "!testme":
                self.taken.append((payload["repository"]["full_name"], payload["comment"]["id"]))
            status = 202
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if sys.argv[1] == "deliveries":
    deliveries(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "rows":
    print(sqlite3.connect(sys.argv[2]).execute("SELECT count(*) FROM task").fetchone()[0])
else:
    http.server.ThreadingHTTPServer.request_queue_size = 128
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Bridge).serve_forever()
