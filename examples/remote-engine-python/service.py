#!/usr/bin/env python3
"""A remote engine in plain Python: counts the words of a text. Standard library only.

POST /words        answers with the output at once (200)
POST /words-later  takes the execution on (202), works on it, and completes it by a call of its own

Each request is signed by Standard Webhooks (https://www.standardwebhooks.com); what is not, is refused.

  SIGNING_SECRET   the connection's secret, whsec_...; without one nothing is accepted
  TL_URL           where the API is (default http://127.0.0.1:3000)
  PORT             where to listen (default 8080)
"""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode(os.environ["SIGNING_SECRET"].removeprefix("whsec_"))
TL_URL = os.environ.get("TL_URL", "http://127.0.0.1:3000")
PORT = int(os.environ.get("PORT", "8080"))
OLDEST_SECONDS = 300
LARGEST_BODY = 2 * 1024 * 1024

# What was done already, by Idempotency-Key: the same execution may come again after a lost worker. Kept in memory here;
# a service whose work must not happen twice keeps it where its work is.
done: dict[str, dict] = {}


def is_signed(headers, body: bytes) -> bool:
    """Whether the request is the platform's: signature, and a time within five minutes."""
    message_id = headers.get("webhook-id", "")
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > OLDEST_SECONDS:
        return False
    signed = f"{message_id}.{sent_at}.".encode() + body
    wanted = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    # There are two while the secret is being changed.
    given = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one.encode(), f"v1,{wanted}".encode()) for one in given)


def count_words(text: str) -> dict:
    counts: dict[str, int] = {}
    for word in text.lower().split():
        counts[word] = counts.get(word, 0) + 1
    return {"words": len(text.split()), "counts": counts}


def complete(execution: dict, body: dict) -> None:
    """Says what came of an execution, or how far it is. The token is good for this one alone."""
    request = urllib.request.Request(
        TL_URL + execution["complete"]["path"],
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": "Bearer " + execution["complete"]["token"],
        },
    )
    for pause in (0, 1, 2, 5, 10, 30):
        time.sleep(pause)
        try:
            urllib.request.urlopen(request, timeout=30).close()
            return
        except urllib.error.HTTPError as error:
            # 409: it has ended otherwise (canceled, or its time was over), or an earlier try of this arrived.
            if error.code < 500 and error.code != 429:
                print(f"{execution['execution_id']}: {error.code}", flush=True)
                return
        except OSError as error:
            print(f"{execution['execution_id']}: {error}", flush=True)


def work_on(execution: dict, key: str) -> None:
    try:
        complete(execution, {"progress": {"fraction": 0.5, "message": "counting"}})
        done[key] = count_words(execution["input"]["text"])
        complete(execution, {"output": done[key]})
    except Exception as error:  # the platform should hear of it rather than wait for the timeout
        complete(execution, {"error": {"detail": str(error) or type(error).__name__}})


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", "0"))
        if length > LARGEST_BODY:
            self.close_connection = True
            return self.answer(413, {"detail": "the request is too large"})
        body = self.rfile.read(length)
        if not is_signed(self.headers, body):
            return self.answer(401, {"detail": "the signature does not fit"})
        execution = json.loads(body)
        key = self.headers["Idempotency-Key"]
        if key in done:
            return self.answer(200, done[key])
        if self.path == "/words":
            done[key] = count_words(execution["input"]["text"])
            return self.answer(200, done[key])
        if self.path == "/words-later":
            threading.Thread(target=work_on, args=(execution, key), daemon=True).start()
            return self.answer(202, {})
        # 4xx is not tried again; 5xx and 429 are.
        return self.answer(404, {"detail": f"there is nothing at {self.path}"})

    def answer(self, status: int, body: dict) -> None:
        text = json.dumps(body).encode()
        kind = "application/json" if status < 400 else "application/problem+json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_args) -> None:
        """Quiet: the platform's outbound log has every call."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Service)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
