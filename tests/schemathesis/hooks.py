"""Values that mean something to the API, and the access token of the demo account."""

import json
import os
import re
from urllib.request import Request, urlopen

import schemathesis
from hypothesis import strategies as st

API = os.environ["API"]
SIMULATOR = os.environ["SIMULATOR"]
DEMO = "08123456789"

phones = st.one_of(st.just(DEMO), st.from_regex(r"0812[0-9]{8}", fullmatch=True))
schemathesis.openapi.format("phone", phones)
schemathesis.openapi.format("one-time-code", st.from_regex(r"[0-9]{6}", fullmatch=True))
schemathesis.openapi.format("single-line", st.from_regex(r"[A-Za-z][A-Za-z ]{0,98}", fullmatch=True))


def post(path, body):
    data = json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    with urlopen(Request(API + path, data, headers)) as reply:
        return json.load(reply)["data"]


# A simulated message takes no time.
urlopen(Request(f"{SIMULATOR}/sim/faults", b'{"send_ms":1}')).close()


@schemathesis.auth(refresh_interval=60)
class DemoAccount:
    """Signs in as a person does: asks for a code, reads it on the phone, gives it back."""

    def get(self, case, context):
        asked = post("/api/auth/sso-signin", {"identifier": DEMO})
        with urlopen(f"{SIMULATOR}/sim/messages?phone={DEMO}") as inbox:
            newest = json.load(inbox)["messages"][-1]
        code = re.match(r"\d{6}", newest["text"]).group()
        answer = {"identifier": DEMO, "otp": code, "challengeId": asked["challengeId"]}
        return post("/api/auth/sso-verify", answer)["token"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"
