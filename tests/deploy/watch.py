"""The functions as separate processes: `cargo lambda watch` beside the backends, and `cargo lambda invoke`."""
from __future__ import annotations

import argparse
import json
import os
import pathlib
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from acts import perform
from gateway import Gateway
from processes import BUILD_SECONDS, REPOSITORY, Processes, eventually, free_port

DEMO = "08123456789"

# What a function says to its sample event, once the demo account has just signed in: its next code has to wait. What a
# schedule calls says nothing.
ANSWERS = {
    # Nobody is signed in as an operator.
    "admin-api": 401,
    "admin-dashboard": 303,
    "admin-login": 200,
    # The link of the sample is none.
    "admin-pairing": 410,
    "auth-jwks": 200,
    "auth-refresh": 401,
    "auth-send-otp": 429,
    "auth-send-password-reset-otp": 200,
    "auth-session": 401,
    "auth-signin": 401,
    "auth-signup": 200,
    "auth-sso-signin": 429,
    "auth-sso-verify": 400,
    "auth-verify-otp": 400,
    "auth-verify-password-reset-otp": 400,
    "health": 200,
    "outbox-deliver": None,
    # There is no caller and no account at a payment gateway.
    "payment-created": 401,
    "payment-expiry-warning": 401,
    "payment-notifications": 401,
    "payment-status-update": 401,
    "payment-success": 401,
    "payments-midtrans": 401,
    "payments-xendit": 401,
    "session-monitor": None,
    "whatsapp-webhook": 401,
}


class Watch:
    """Everything that the acts share. The ports are free ones, so that it runs beside anything else."""

    def __init__(self, tools: pathlib.Path, folder: pathlib.Path) -> None:
        self.processes = Processes(tools, folder)
        self.port, self.gateway_port, self.database_port = free_port(), free_port(), free_port()
        self.gateway = Gateway(f"http://127.0.0.1:{self.gateway_port}")

    def request(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """Calls the API; answers status and body."""
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def data(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        """What a good answer holds."""
        status, answer = self.request(method, path, body, token)
        assert status == 200, (path, status, answer)
        return answer["data"]


def the_functions_build(the: Watch) -> None:
    # As `cargo lambda watch` would at the first request of each.
    the.processes.run(BUILD_SECONDS, "cargo", "build", "--quiet", "--locked")


def the_backends_and_the_functions_start(the: Watch) -> None:
    the.processes.start_backends(the.gateway_port, the.database_port)
    # What Cargo.toml says of the places wins over the environment and over --env-var; so cargo is told to start each
    # function by a program that says otherwise.
    places = {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{the.database_port}", "WHATSAPP_SERVER_API": the.gateway.url}
    elsewhere = json.dumps(["env", *(f"{name}={place}" for name, place in places.items())])
    watch = ["cargo", "lambda", "watch", "-A", "127.0.0.1", "-P", str(the.port), "--ignore-changes"]
    the.processes.start("watch", [*watch, "--config", f"target.'cfg(all())'.runner={elsewhere}"])

    def up() -> bool:
        try:
            return the.request("GET", "/api/health")[0] == 200
        except OSError:
            return False

    eventually("the API", up, 120)


def the_demo_account_signs_in(the: Watch) -> None:
    asked = the.data("POST", "/api/auth/sso-signin", {"identifier": DEMO, "method": "whatsapp"})
    code = the.gateway.next_code(DEMO, 0)
    answer = {"identifier": DEMO, "otp": code, "challengeId": asked["challengeId"]}
    token = the.data("POST", "/api/auth/sso-verify", answer)["token"]
    assert the.data("GET", "/api/auth/session", token=token)["user"]["phone"] == "628123456789"
    assert the.request("GET", "/nowhere")[0] == 404


def every_function_answers_its_sample_event(the: Watch) -> None:
    functions = sorted(path.stem for path in (REPOSITORY / "events").glob("*.json"))
    assert functions == sorted(ANSWERS), functions
    seen = {}
    for function in functions:
        invoke = ["cargo", "lambda", "invoke", "-A", "127.0.0.1", "-P", str(the.port), function]
        event = REPOSITORY / "events" / f"{function}.json"
        reply = json.loads(the.processes.run(60, *invoke, "--data-file", event))
        seen[function] = (reply["statusCode"], reply["body"]) if reply else (None, reply)
    assert {function: status for function, (status, _) in seen.items()} == ANSWERS, seen


PREPARATION: list[Callable[[Watch], None]] = [the_functions_build, the_backends_and_the_functions_start]
TRIALS: list[Callable[[Watch], None]] = [the_demo_account_signs_in, every_function_answers_its_sample_event]


def main(tools: pathlib.Path, arguments: list[str]) -> int:
    """Plays all acts. The result is the exit code."""
    argparse.ArgumentParser(prog="tests/deploy/run.py watch").parse_args(arguments)
    return perform(lambda folder: Watch(tools, folder), PREPARATION, TRIALS)
