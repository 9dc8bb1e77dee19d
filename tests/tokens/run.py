#!/usr/bin/env python3
"""Holds real access tokens, of both algorithms, against verifiers in other languages.

    tests/tokens/run.py PATH-OF-local VERIFIER...

A verifier is a file in this folder; what it needs is installed where the language looks for it. Each gets ISSUER, AUDIENCE
and TOKEN in its environment and ends well if it does as docs/tokens.md says.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

DEMO = "08123456789"
HERE = Path(__file__).parent
# Any other file runs by itself.
INTERPRETERS = {".mjs": ["node"], ".py": [sys.executable]}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def post(base, path, body):
    request = Request(base + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urlopen(request) as reply:
        return json.load(reply)["data"]


def signed_in(base, simulator):
    asked = post(base, "/api/auth/sso-signin", {"identifier": DEMO})
    with urlopen(f"{simulator}/sim/messages?phone={DEMO}") as inbox:
        newest = json.load(inbox)["messages"][-1]
    code = re.match(r"\d{6}", newest["text"]).group()
    return post(base, "/api/auth/sso-verify", {"identifier": DEMO, "otp": code, "challengeId": asked["challengeId"]})


def serve(local, data, base, simulator):
    ports = ["--port", base.rsplit(":", 1)[1], "--sim-port", simulator.rsplit(":", 1)[1]]
    environment = dict(os.environ, PUBLIC_BASE_URL=base, CODE_COOLDOWN_SECONDS="0")
    process = subprocess.Popen(
        [local, "--data", data, *ports], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(300):
        try:
            urlopen(f"{base}/api/health").close()
            return process
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise SystemExit("the system did not start")


def main(local, *verifiers):
    base, simulator = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/tables.db"
        process = serve(local, data, base, simulator)
        try:
            for algorithm in ("ES256", "RS256"):
                rotate = ["keys", "rotate", "signing", "--algorithm", algorithm, "--retire-after", "0s", "--data", data]
                subprocess.run([local, *rotate], check=True, stdout=subprocess.DEVNULL)
                login = signed_in(base, simulator)
                # Whoever refreshes reads the keys anew.
                token = post(base, "/api/auth/refresh", {"refreshToken": login["refreshToken"]})["token"]
                environment = dict(os.environ, ISSUER=base, AUDIENCE="whatsapp-auth", TOKEN=token)
                for verifier in verifiers:
                    print(algorithm, end=" ", flush=True)
                    file = HERE / verifier
                    subprocess.run([*INTERPRETERS.get(file.suffix, []), file], check=True, env=environment)
        finally:
            process.terminate()
            process.wait()


main(*sys.argv[1:])
