"""The rehearsal: build, deploy, use, break, look, clean up. Every act is a function; its name is what it shows."""
from __future__ import annotations

import argparse
import hashlib
import json
import pathlib
import platform
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import yaml
from acts import perform
from boto3.dynamodb.types import Binary
from gateway import SECOND_SESSION, SECOND_TOKEN, SESSION, TOKEN, Gateway
from processes import BUILD_SECONDS, REPOSITORY, TARGET, Processes, answers, eventually, free_port
from stack import NAME, REGION, Reply, Stack, credentials

TEMPLATE = REPOSITORY / "template.yaml"
KEY_TEMPLATE = REPOSITORY / "deploy" / "key.yaml"
CLOUDFRONT_TEMPLATE = REPOSITORY / "deploy" / "cloudfront.yaml"

# With room for an emulator that has little of the processor.
DEPLOY_SECONDS = 600

# A reservation ends this long after it was made at the latest: a request aims at 15 s, and 2 s are for clocks that differ.
LEASE_SECONDS = 17

# The name of the API that the options give it, and where CloudFront is.
DOMAIN = "api.example.com"
CLOUDFRONT_REGION = "us-east-1"

# What tests/budgets takes a request's part of the logs for.
LOG_BYTES = 2_500

# What a stack leaves behind when it is deleted.
KEPT_TABLES = ("AuditTable", "KeysTable", "LoginsTable", "PaymentsTable", "UsersTable")

# What the table of keys holds from the deployment on.
KEYS = ["codes", "public", "refresh", "signing", "webhooks"]

# The server key of an account at Midtrans that there is not.
MIDTRANS_KEY = "SB-Mid-server-rehearsal"

SITI, BUDI, DEWI = "+6281234567801", "+6281234567802", "+6281234567803"
PAYER = "+6281234567809"
PASSWORD, NEW_PASSWORD = "correct horse battery", "staple battery horse"


class Rehearsal:
    """Everything that the acts share."""

    def __init__(self, tools: pathlib.Path, folder: pathlib.Path, release: bool) -> None:
        self.folder = folder
        self.release = release
        self.processes = Processes(tools, folder)
        self.architecture = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
        self.port, self.gateway_port, self.unused_port = free_port(), free_port(), free_port()
        self.stack = Stack(self.port, folder)
        self.gateway = Gateway(f"http://127.0.0.1:{self.gateway_port}")
        # Refresh and access tokens that were given out.
        self.tokens: list[str] = []
        # The key of a payment system.
        self.caller_key = ""

    def start_emulator(self) -> None:
        """Starts the emulated AWS, which holds every caller to its policies."""
        url = f"http://127.0.0.1:{self.port}"
        scratch = self.folder / "emulator"
        scratch.mkdir()
        self.processes.start(
            "emulator",
            ["ministack"],
            **credentials(),
            AUTH="true",
            AWS_ENDPOINT_URL=url,
            # The functions inherit this one.
            AWS_ENDPOINT_URL_DYNAMODB=url,
            BIND_HOST="127.0.0.1",
            GATEWAY_PORT=str(self.port),
            IOT_MTLS_ENABLED="0",
            LAMBDA_EXECUTOR="local",
            MINISTACK_REGION=REGION,
            SFTP_ENABLED="0",
            TMPDIR=str(scratch),
        )
        answers(f"{url}/_ministack/health")

    def deploy(self, template: pathlib.Path, name: str, region: str, parameters: dict[str, Any]) -> dict[str, str]:
        """Deploys a template with a file of parameters, and answers its outputs."""
        file = self.folder / f"parameters.{name}.yaml"
        file.write_text(json.dumps(parameters))  # which is YAML, too
        self.processes.run(
            DEPLOY_SECONDS,
            *("sam", "deploy", "--template", template, "--stack-name", name, "--region", region),
            *("--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-progressbar", "--no-fail-on-empty-changeset"),
            *("--parameter-overrides", f"file://{file}"),
            **credentials() | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region},
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{self.port}",
        )
        found = self.stack.client("cloudformation", region).describe_stacks(StackName=name)["Stacks"][0]
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def deploy_stack(self, **more: Any) -> dict[str, str]:
        """Deploys what was built. The gateway's token comes from Secrets Manager."""
        parameters = {
            "Stage": "dev",
            "Architecture": self.architecture,
            "AllowedOrigins": ["http://localhost:3000", "https://www.example.com"],
            "WhatsAppServerApi": self.gateway.url,
            "WhatsAppUserToken": "{{resolve:secretsmanager:whatsapp/rehearsal:SecretString:gatewayToken}}",
            "AlarmEmail": "operator@example.com",
            "MidtransServerKeys": MIDTRANS_KEY,
        }
        return self.deploy(self.built_template(), NAME, REGION, parameters | more)

    def built_template(self) -> pathlib.Path:
        """What was built, without what the emulator refuses: alarms made of others. Tests in Rust hold their rules."""
        build = self.folder / "build"
        template = yaml.safe_load((build / "template.yaml").read_text())
        resources = template["Resources"]
        composites = [id for id, each in resources.items() if each["Type"] == "AWS::CloudWatch::CompositeAlarm"]
        text = resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
        for id in composites:
            del resources[id]
            text = text.replace(f"${{{id}.Arn}}", id)
        resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"] = text
        (build / "emulated.yaml").write_text(json.dumps(template))  # which is YAML, too
        return build / "emulated.yaml"

    def sign_up(self, phone: str) -> Reply:
        """Asks for the code that confirms a sign-up."""
        return self.stack.post("/api/auth/signup", name="Somebody", phone=phone, password=PASSWORD)

    def confirm(self, phone: str, challenge: str, code: str) -> dict[str, Any]:
        """Completes a sign-up."""
        data = self.stack.post("/api/auth/verify-otp", identifier=phone, otp=code, challengeId=challenge).data
        return self.keep_tokens(data)

    def operate(self, *typed: str | pathlib.Path) -> str:
        """What an operator's command says that works on the deployed stack."""
        url = f"http://127.0.0.1:{self.port}"
        program = TARGET / "debug" / "local"
        where = credentials() | {"AWS_ENDPOINT_URL_DYNAMODB": url}
        return self.processes.run(60, program, *typed, "--stack", NAME, **where)

    def invoke(self, function: str) -> None:
        """Calls a function as its schedule does."""
        called = self.stack.client("lambda").invoke(FunctionName=self.stack.resources[function], Payload=b"{}")
        assert "FunctionError" not in called, called["Payload"].read()

    def pay(self, payment: str, event: str, **body: Any) -> Reply:
        """Posts an event of a payment."""
        return self.stack.request("POST", f"/api/payments/{payment}/{event}", body, self.caller_key)

    def notices(self, payment: str) -> dict[str, str]:
        """The state of each notice of a payment."""
        reply = self.stack.request("GET", f"/api/payments/{payment}/notifications", token=self.caller_key)
        return {notice["notice"]: notice["state"] for notice in reply.data["notices"]}

    def keep_tokens(self, data: dict[str, Any]) -> dict[str, Any]:
        """Remembers the tokens of a reply."""
        self.tokens += [data["token"], data["refreshToken"]]
        return data


# ---- Preparation: without any of these there is nothing to try ----


def the_templates_pass_sam_and_cfn_lint(the: Rehearsal) -> None:
    the.processes.run(600, "sam", "validate", "--lint", "--template", TEMPLATE, "--region", REGION, **credentials())
    strict = ("cfn-lint", "--non-zero-exit-code", "informational")
    the.processes.run(600, *strict, TEMPLATE)
    the.processes.run(600, *strict, "--regions", REGION, "--template", KEY_TEMPLATE)
    the.processes.run(600, *strict, "--regions", CLOUDFRONT_REGION, "--template", CLOUDFRONT_TEMPLATE)


def every_function_builds(the: Rehearsal) -> None:
    # Symbols are most of an unoptimised function.
    quick = {} if the.release else {"SAM_BUILD_MODE": "debug", "CARGO_PROFILE_DEV_STRIP": "symbols"}
    overrides = f"Architecture={the.architecture}"
    built = the.folder / "build"
    the.processes.run(
        BUILD_SECONDS,
        *("sam", "build", "--template", TEMPLATE, "--build-dir", built, "--parameter-overrides", overrides),
        **credentials(),
        **quick,
    )


def the_stack_deploys(the: Rehearsal) -> None:
    the.processes.start_backends(the.gateway_port, the.unused_port, "--empty", "--sessions", "2")
    the.start_emulator()
    secret = json.dumps({"gatewayToken": TOKEN})
    the.stack.client("secretsmanager").create_secret(Name="whatsapp/rehearsal", SecretString=secret)
    the.deploy_stack()
    the.stack.look()


def every_function_has_its_route(the: Rehearsal) -> None:
    keys = the.stack.connect_routes()
    written = re.findall(r'Method: (\w+), Path: "?([^\s"]+)"? ', TEMPLATE.read_text())
    assert sorted(keys) == sorted([*(" ".join(route) for route in written), "$default"]), keys
    stage = the.stack.template()["Resources"]["ApiApiGatewayDefaultStage"]["Properties"]
    assert set(stage["RouteSettings"]) <= set(keys), stage["RouteSettings"]


# ---- Use ----


def the_deployment_made_the_keys_before_anybody_asked(the: Rehearsal) -> None:
    made = {item["ring"]: item for item in the.stack.items("KeysTable")}
    assert sorted(made) == KEYS, sorted(made)
    assert the.stack.resources["KeyRings"] == "key-rings", the.stack.resources["KeyRings"]
    assert all("key" not in key for key in made["public"]["keys"]), "a private key is among the public ones"
    kids = [json.loads(key["jwk"])["kid"] for key in made["public"]["keys"]]
    assert kids == [key["kid"] for key in made["signing"]["keys"]], kids


def the_api_answers_and_so_does_an_unknown_route(the: Rehearsal) -> None:
    assert the.stack.request("GET", "/api/health").data == {"status": "up"}
    assert the.stack.request("GET", "/api/status").data["whatsapp"] == "unknown"
    unknown = the.stack.request("GET", "/nowhere")
    assert (unknown.status, unknown.body["error"]) == (404, "NOT_FOUND"), unknown


def somebody_signs_up_with_the_code_that_arrives(the: Rehearsal) -> None:
    for phone in (SITI, BUDI):
        sent = the.sign_up(phone).data
        assert sent["delivery"] == "sent", sent
        confirmed = the.confirm(phone, sent["challengeId"], the.gateway.next_code(phone, 0))
        assert confirmed["user"]["phone"] == phone.removeprefix("+"), confirmed
    assert the.stack.request("GET", "/api/status").data["whatsapp"] == "usable"


def the_new_user_signs_in_with_a_code_and_refreshes_and_signs_out(the: Rehearsal) -> None:
    sent = the.stack.post("/api/auth/sso-signin", identifier=SITI, method="whatsapp").data
    code = the.gateway.next_code(SITI, 1)
    guess = {"identifier": SITI, "otp": code, "challengeId": sent["challengeId"]}
    wrong = the.stack.post("/api/auth/sso-verify", **guess | {"otp": "000000" if code != "000000" else "111111"})
    assert (wrong.status, wrong.body["attemptsLeft"]) == (400, 4), wrong
    tokens = the.keep_tokens(the.stack.post("/api/auth/sso-verify", **guess).data)
    keys = the.stack.request("GET", "/.well-known/jwks.json").body["keys"]
    assert [key["alg"] for key in keys] == ["ES256"], keys
    tokens = the.keep_tokens(the.stack.post("/api/auth/refresh", refreshToken=tokens["refreshToken"]).data)
    assert the.stack.request("GET", "/api/auth/session", token=tokens["token"]).status == 200
    assert the.stack.request("DELETE", "/api/auth/session", token=tokens["token"]).status == 200
    assert the.stack.request("GET", "/api/auth/session", token=tokens["token"]).status == 401


def a_forgotten_password_is_replaced(the: Rehearsal) -> None:
    sent = the.stack.post("/api/auth/send-password-reset-otp", identifier=SITI).data
    answer = {"identifier": SITI, "otp": the.gateway.next_code(SITI, 2), "challengeId": sent["challengeId"]}
    reset = the.stack.post("/api/auth/verify-password-reset-otp", **answer, newPassword=NEW_PASSWORD)
    assert reset.status == 200, reset
    assert the.stack.post("/api/auth/signin", identifier=SITI, password=PASSWORD).status == 401
    the.keep_tokens(the.stack.post("/api/auth/signin", identifier=SITI, password=NEW_PASSWORD).data)
    assert the.gateway.texts(SITI)[-1].startswith("Kata sandi Anda telah diganti"), "the phone was not told"


# ---- Outages ----


def a_session_that_is_lost_is_connected_again_and_the_code_arrives(the: Rehearsal) -> None:
    the.gateway.session_is("absent")
    sent = the.stack.post("/api/auth/send-otp", identifier=BUDI, purpose="sso").data
    assert sent["delivery"] == "sent", sent
    code = the.gateway.next_code(BUDI, 1)
    assert len(the.gateway.calls("/session/connect")) == 1
    guess = {"identifier": BUDI, "otp": code, "challengeId": sent["challengeId"]}
    the.keep_tokens(the.stack.post("/api/auth/sso-verify", **guess).data)


def a_killed_function_holds_its_place_for_its_lease_and_no_longer(the: Rehearsal) -> None:
    sends = len(the.gateway.calls("/chat/send/text"))
    the.gateway.sends_take(8_000)
    replies: list[Reply] = []
    request = threading.Thread(target=lambda: replies.append(the.sign_up(DEWI)))
    began = time.monotonic()
    request.start()
    eventually("the send", lambda: len(the.gateway.calls("/chat/send/text")) > sends, 30)
    assert the.stack.kill("AuthSignupFunction") == 1
    request.join(40)
    assert replies and replies[0].status >= 500, replies
    the.gateway.sends_take(200)

    (state,) = (item for item in the.stack.items("ChallengesTable") if item["phone"] == DEWI.removeprefix("+"))
    assert state["signup"]["open"]["until"] / 1000 <= time.time() + LEASE_SECONDS, state
    refused = the.sign_up(DEWI)
    assert (refused.status, refused.body["limit"]) == (429, "in_progress"), refused
    wait = refused.body["retryAfterSeconds"]
    assert wait <= LEASE_SECONDS, refused
    time.sleep(wait)
    sent = the.sign_up(DEWI).data
    assert time.monotonic() - began < LEASE_SECONDS + 40
    # The gateway went on with the message of the killed function. The next one has the same code and the same id, so that the
    # phone shows one.
    the.confirm(DEWI, sent["challengeId"], the.gateway.next_code(DEWI, 0))


# ---- What is left in tables and logs ----


def texts_of(value: Any) -> list[str]:
    """Every text and number in an item."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts_of(part)]
    if isinstance(value, (list, set)):
        return [text for part in value for text in texts_of(part)]
    if isinstance(value, Binary):
        return [value.value.decode(errors="replace")]
    return [str(value)]


def the_tables_hold_what_they_should_and_no_code(the: Rehearsal) -> None:
    found = {table: the.stack.items(table) for table in the.stack.of_kind("AWS::DynamoDB::Table")}
    keys_of = {table: sorted(str(each.get("id", each.get("ring", ""))) for each in found[table]) for table in found}
    assert keys_of["KeysTable"] == KEYS, keys_of["KeysTable"]
    phones = [key for key in keys_of["UsersTable"] if key.startswith("phone#")]
    assert phones == [f"phone#{phone.removeprefix('+')}" for phone in (SITI, BUDI, DEWI)], phones
    # Nobody got the challenge id of the killed function's registration: it waits for its end.
    assert len(found["RegistrationsTable"]) == 1, found["RegistrationsTable"]
    # Beside each record there is an item that finds it by its request.
    records = [each for each in found["DeliveriesTable"] if not each["message_id"].startswith("request#")]
    outcomes = {each["outcome"] for each in records}
    assert outcomes == {"sent"} and len(records) == 7, records

    codes = set(the.gateway.codes())
    assert len(codes) >= 6, codes
    secrets = codes | {PASSWORD, NEW_PASSWORD, *the.tokens}
    for table, items in found.items():
        leaks = [text for item in items for text in texts_of(item) if text in secrets]
        assert not leaks, f"{table} holds {leaks}"


def what_is_not_kept_expires(the: Rehearsal) -> None:
    # The emulator takes no notice of this setting, so the template has to say it.
    resources = the.stack.template()["Resources"]
    for table in the.stack.of_kind("AWS::DynamoDB::Table"):
        life = resources[table]["Properties"].get("TimeToLiveSpecification")
        assert (life is None) == (table in ("KeysTable", "UsersTable", "WhatsAppSessionsTable")), table
        for item in the.stack.items(table) if life else []:
            assert time.time() - 60 < item[life["AttributeName"]] < time.time() + 31 * 24 * 3600, (table, item)


# ---- Payments, and a second session ----


def an_operator_lets_a_payment_system_in_and_adds_a_session(the: Rehearsal) -> None:
    the.caller_key = the.operate("callers", "add", "shop").strip().splitlines()[-1]
    the.tokens.append(the.caller_key)
    token = the.folder / "session-2.token"
    token.write_text(SECOND_TOKEN)
    the.operate("sessions", "add", SECOND_SESSION, token)
    assert "shop: payments" in the.operate("callers", "list")
    held = [text for item in the.stack.items("KeysTable") for text in texts_of(item)]
    assert the.caller_key not in held, "the key is kept"
    nobody = the.stack.request("POST", "/api/payments/INV-1/created", {}, "pay_nobody")
    assert (nobody.status, nobody.body["error"]) == (401, "INVALID_CALLER_KEY"), nobody


def a_payment_is_told_of_by_its_system_and_by_its_gateway(the: Rehearsal) -> None:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    about = {"phone": PAYER, "customerName": "Siti", "amount": 150_000, "currency": "IDR", "expiresAt": ends}
    created = the.pay("INV-1", "created", **about)
    assert (created.status, created.body["data"]["state"]) == (200, "sent"), created
    assert the.pay("INV-1", "created", **about).body["data"] == created.body["data"]

    path = the.operate("bridge-url", "midtrans").splitlines()[0]
    told = {"order_id": "INV-1", "status_code": "200", "gross_amount": "150000.00", "transaction_status": "settlement"}
    signed = "".join(told[name] for name in ("order_id", "status_code", "gross_amount")) + MIDTRANS_KEY
    told |= {"currency": "IDR", "transaction_id": "t-1", "signature_key": hashlib.sha512(signed.encode()).hexdigest()}
    assert the.stack.post(path, **told | {"gross_amount": "1.00"}).status == 401
    assert the.stack.post(path, **told).status == 200
    states = the.notices("INV-1")
    assert (states["created"], states["success"]) == ("sent", "sent"), states
    assert states["expiry-warning.15"] == "superseded", states
    texts = the.gateway.texts(PAYER)
    assert len(texts) == 2 and "Rp\u00a0150.000" in texts[0] and "terima" in texts[1], texts


def a_receipt_comes_in_by_the_address_of_its_session(the: Rehearsal) -> None:
    messages = the.gateway.ask("GET", "/messages")["messages"]
    last = messages[-1]
    path = the.operate("webhook-url", last["session"]).splitlines()[0]
    event = {"type": "ReadReceipt", "state": "Delivered", "event": {"MessageIDs": [last["id"]], "IsFromMe": False}}
    assert the.stack.post(path, **event).status == 200
    (record,) = (item for item in the.stack.items("DeliveriesTable") if item["message_id"] == last["id"])
    assert "delivered_at" in record, record


def notices_wait_while_whatsapp_is_away_and_go_out_with_the_schedule(the: Rehearsal) -> None:
    the.gateway.ask("POST", "/faults", {"scenario": "unpaired"})
    about = {"phone": PAYER, "amount": 25_000, "currency": "IDR"}
    queued = the.pay("INV-2", "success", **about)
    assert (queued.status, queued.body["data"]["state"]) == (202, "queued"), queued
    the.gateway.ask("POST", "/faults", {"scenario": "healthy"})
    for session in (SESSION, SECOND_SESSION):
        the.gateway.ask("POST", f"/session/{session}", {"state": "online"})
    # The emulator's own schedule may have been faster.
    def sent() -> bool:
        the.invoke("OutboxDeliverFunction")
        return the.notices("INV-2") == {"success": "sent"}
    eventually("the notice", sent, 150)
    assert len(the.gateway.texts(PAYER)) == 3


def one_session_dies_the_other_one_serves_and_the_monitor_heals_it(the: Rehearsal) -> None:
    the.invoke("SessionMonitorFunction")
    the.gateway.session_is("absent")
    sent = the.pay("INV-3", "success", phone=PAYER, amount=1_000, currency="IDR")
    assert (sent.status, sent.body["data"]["state"]) == (200, "sent"), sent
    the.gateway.session_is("absent")
    def usable() -> bool:
        the.invoke("SessionMonitorFunction")
        seen = {item["name"]: item.get("seen_state") for item in the.stack.items("WhatsAppSessionsTable")}
        return all(seen.get(session) == "usable" for session in (SESSION, SECOND_SESSION))
    eventually("two usable sessions", usable, 150)
    assert the.stack.request("GET", "/api/status").data["whatsapp"] == "usable"


def no_log_line_holds_a_secret(the: Rehearsal) -> None:
    lines = the.stack.logs()
    assert any("[WhatsApp System]" in line for line in lines), f"{len(lines)} lines"
    phones = [phone.removeprefix("+") for phone in (SITI, BUDI, DEWI, PAYER)]
    secrets = [PASSWORD, NEW_PASSWORD, TOKEN, SECOND_TOKEN, MIDTRANS_KEY, *phones, *the.tokens]
    patterns = [re.escape(secret) for secret in secrets] + [rf"(?<![\w.-]){code}(?![\w.-])" for code in the.gateway.codes()]
    secret = re.compile("|".join(patterns))
    leaks = [line for line in lines if secret.search(line)]
    assert not leaks, leaks[:3]


def a_request_logs_no_more_than_it_is_priced_at(the: Rehearsal) -> None:
    # The emulator writes no access log, and Lambda's own lines look otherwise here: a kilobyte stands for both.
    lines = [line for line in the.stack.logs() if line.startswith("{")]
    requests = {json.loads(line).get("requestId") for line in lines} - {None}
    assert len(requests) > 10, f"{len(lines)} lines of {len(requests)} requests"
    bytes_each = sum(map(len, lines)) / len(requests) + 1_000
    assert bytes_each < LOG_BYTES, f"{bytes_each:.0f} bytes for each of {len(requests)} requests"


# ---- What the stack is made of ----


def every_function_and_table_has_an_alarm_that_tells_the_topic(the: Rehearsal) -> None:
    topic = the.stack.resources["AlarmTopic"]
    pages = the.stack.client("cloudwatch").get_paginator("describe_alarms").paginate()
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
    # Those without an action are parts of the composite alarms, which the emulator cannot make.
    silent = {id for id in the.stack.of_kind("AWS::CloudWatch::Alarm") if id.startswith("CodesLate")}
    silent = {the.stack.resources[id] for id in silent}
    tell = [alarm for alarm in alarms if alarm["AlarmName"] not in silent]
    assert all(alarm["AlarmActions"] == [topic] for alarm in tell), tell
    watched = {(alarm["MetricName"], each["Value"]) for alarm in alarms for each in alarm["Dimensions"]}
    for function in the.stack.of_kind("AWS::Lambda::Function"):
        assert ("Errors", the.stack.resources[function]) in watched, function
    # Operators and the monitor alone use these, some times a minute.
    quiet = {"AdminsTable", "AuditTable", "IncidentsTable"}
    for table in set(the.stack.of_kind("AWS::DynamoDB::Table")) - quiet:
        name = the.stack.resources[table]
        assert {("ReadThrottleEvents", name), ("WriteThrottleEvents", name)} & watched, table
    assert ("5xx", the.stack.resources["Api"]) in watched
    subscribed = the.stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [each["Endpoint"] for each in subscribed] == ["operator@example.com"], subscribed


def an_alarm_that_goes_off_reaches_the_topic(the: Rehearsal) -> None:
    queues, topics = the.stack.client("sqs"), the.stack.client("sns")
    queue = queues.create_queue(QueueName="alarms")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    topics.subscribe(TopicArn=the.stack.resources["AlarmTopic"], Protocol="sqs", Endpoint=arn)
    alarm = the.stack.resources["NeedsPairingAlarm"]
    told = {"AlarmName": alarm, "StateReason": "a rehearsal"}
    # An action follows a change, and nobody knows which state the emulator has it in.
    for state in ("OK", "ALARM"):
        the.stack.client("cloudwatch").set_alarm_state(StateValue=state, **told)
    received = eventually("the alarm", lambda: queues.receive_message(QueueUrl=queue).get("Messages"), 30)
    assert alarm in received[0]["Body"], received


def only_functions_that_send_or_watch_know_the_gateway(the: Rehearsal) -> None:
    client = the.stack.client("lambda")
    knowing = set()
    for function in the.stack.of_kind("AWS::Lambda::Function"):
        found = client.get_function_configuration(FunctionName=the.stack.resources[function])
        if any(name.startswith("WHATSAPP_USER") for name in found["Environment"]["Variables"]):
            knowing.add(function)
    names = ("SendOtp", "SendPasswordResetOtp", "Signup", "SsoSignin", "VerifyPasswordResetOtp")
    sending = {f"Auth{name}Function" for name in names}
    events = ("Created", "ExpiryWarning", "StatusUpdate", "Success")
    sending |= {f"Payment{event}Function" for event in events}
    sending |= {"OutboxDeliverFunction", "PaymentsMidtransFunction", "PaymentsXenditFunction", "WhatsappWebhookFunction"}
    watching = {"SessionMonitorFunction"}
    watching |= {f"Admin{name}Function" for name in ("Api", "Dashboard", "Login", "Pairing")}
    assert knowing == sending | watching, knowing ^ sending


def the_emulator_holds_functions_to_their_policies(the: Rehearsal) -> None:
    client, role = the.stack.client("iam"), the.stack.resources["HealthFunctionRole"]
    deny = {"Effect": "Deny", "Action": ["dynamodb:BatchGetItem", "dynamodb:GetItem"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    client.put_role_policy(RoleName=role, PolicyName="deny", PolicyDocument=policy)
    assert the.stack.request("GET", "/api/status").status == 503
    client.delete_role_policy(RoleName=role, PolicyName="deny")
    assert the.stack.request("GET", "/api/status").status == 200


def no_function_may_read_whole_tables_or_change_them(the: Rehearsal) -> None:
    actions = [f"dynamodb:{action}" for action in ("DeleteTable", "Query", "Scan", "UpdateTable")]
    tables = [
        the.stack.client("dynamodb").describe_table(TableName=the.stack.resources[table])["Table"]["TableArn"]
        for table in the.stack.of_kind("AWS::DynamoDB::Table")
    ]
    client = the.stack.client("iam")
    for role in the.stack.of_kind("AWS::IAM::Role"):
        arn = client.get_role(RoleName=the.stack.resources[role])["Role"]["Arn"]
        simulated = client.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, ResourceArns=tables)
        allowed = {
            (each["EvalActionName"], each["EvalResourceName"].rsplit("/", 1)[-1])
            for each in simulated["EvaluationResults"]
            if each["EvalDecision"] == "allowed"
        }
        # A payment's items are asked for by its name, all of them at once.
        assert allowed <= {("dynamodb:Query", the.stack.resources["PaymentsTable"])}, (role, allowed)


def nobody_but_the_deployment_may_write_keys(the: Rehearsal) -> None:
    actions = [f"dynamodb:{action}Item" for action in ("Delete", "Put", "Update")]
    described = the.stack.client("dynamodb").describe_table(TableName=the.stack.resources["KeysTable"])
    table = described["Table"]["TableArn"]
    client = the.stack.client("iam")
    writers = set()
    for role in the.stack.of_kind("AWS::IAM::Role"):
        arn = client.get_role(RoleName=the.stack.resources[role])["Role"]["Arn"]
        simulated = client.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, ResourceArns=[table])
        allowed = {each["EvalActionName"] for each in simulated["EvaluationResults"] if each["EvalDecision"] == "allowed"}
        writers |= {(role, action) for action in allowed}
    # Operators change the list of sessions, and no key: the condition on its name is not simulated.
    operators = ("AdminApiFunctionRole", "dynamodb:PutItem")
    assert writers == {("KeysMakeFunctionRole", "dynamodb:PutItem"), operators}, writers


# ---- What can be chosen ----


def the_origins_are_a_list(the: Rehearsal) -> None:
    # The emulator does not read the definition, so SAM's own words count.
    cors = the.stack.template()["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-cors"]
    condition, configured, _ = cors["Fn::If"]
    assert condition == "HasOrigins" and "Fn::Split" in configured["allowOrigins"], cors
    assert configured["allowMethods"] == ["DELETE", "GET", "POST"], cors


def the_stack_takes_every_option(the: Rehearsal) -> None:
    key = the.deploy(KEY_TEMPLATE, f"{NAME}-key", REGION, {})["KmsKeyArn"]
    ec2 = the.stack.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"] for number in (1, 2)
    ]
    group = ec2.create_security_group(GroupName="gateway", Description="gateway", VpcId=vpc)["GroupId"]
    zone = the.stack.client("route53").create_hosted_zone(Name="example.com", CallerReference=NAME)["HostedZone"]["Id"]
    certificate = the.stack.client("acm").request_certificate(DomainName=DOMAIN)["CertificateArn"]
    outputs = the.deploy_stack(
        AllowedOrigins=None,
        AlarmEmail=None,
        KmsKeyArn=key,
        DomainName=DOMAIN,
        CertificateArn=certificate,
        HostedZoneId=zone.rsplit("/", 1)[-1],
        DefaultEndpoint="off",
        RequestsPerSecond=70,
        CostlyRequestsPerSecond=7,
        ReservedConcurrency=5,
        VpcSubnetIds=subnets,
        VpcSecurityGroupIds=[group],
    )
    assert outputs["ApiUrl"] == f"https://{DOMAIN}", outputs
    the.stack.look()
    gateway = the.stack.client("apigatewayv2")
    (domain,) = gateway.get_domain_names()["Items"]
    target = domain["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
    assert (domain["DomainName"], outputs["ApiDomainTarget"]) == (DOMAIN, target), domain
    (mapping,) = gateway.get_api_mappings(DomainName=DOMAIN)["Items"]
    assert (mapping["ApiId"], mapping["Stage"]) == (the.stack.resources["Api"], "$default"), mapping
    records = the.stack.client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert [target] == [each["AliasTarget"]["DNSName"].rstrip(".") for each in records if each["Type"] == "A"], records
    for group_of_lines in the.stack.of_kind("AWS::Logs::LogGroup"):
        name = the.stack.resources[group_of_lines]
        found = the.stack.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        assert {each["kmsKeyId"] for each in found} == {key}, found
    for table in the.stack.of_kind("AWS::DynamoDB::Table"):
        described = the.stack.client("dynamodb").describe_table(TableName=the.stack.resources[table])["Table"]
        assert described["SSEDescription"]["KMSMasterKeyArn"] == key, (table, described["SSEDescription"])
    # A name without a value sets a parameter to nothing.
    assert not the.stack.of_kind("AWS::SNS::Subscription")


def cloudfront_stands_before_the_api(the: Rehearsal) -> None:
    target = the.stack.client("apigatewayv2").get_domain_names()["Items"][0]["DomainNameConfigurations"][0]
    caller_key = "0123456789abcdef" * 4
    parameters = {
        "DomainName": DOMAIN,
        "CertificateArn": f"arn:aws:acm:{CLOUDFRONT_REGION}:000000000000:certificate/rehearsal",
        "ApiDomainTarget": target["ApiGatewayDomainName"],
        "CallerKey": caller_key,
    }
    outputs = the.deploy(CLOUDFRONT_TEMPLATE, f"{NAME}-cloudfront", CLOUDFRONT_REGION, parameters)
    (found,) = the.stack.client("cloudfront", CLOUDFRONT_REGION).list_distributions()["DistributionList"]["Items"]
    assert found["DomainName"] == outputs["DistributionDomainName"], found
    (origin,) = found["Origins"]["Items"]
    headers = {each["HeaderName"]: each["HeaderValue"] for each in origin["CustomHeaders"]["Items"]}
    assert (origin["DomainName"], headers) == (target["ApiGatewayDomainName"], {"X-Caller-Key": caller_key}), origin
    assert found["WebACLId"], found


def a_table_is_restored_under_its_name(the: Rehearsal) -> None:
    # As in docs/deployment.md. The emulator restores the newest state, whatever second it is asked for.
    client, table = the.stack.client("dynamodb"), the.stack.resources["UsersTable"]
    before = sorted(map(str, the.stack.items("UsersTable")))
    assert before
    restored = f"{table}-restored"
    client.restore_table_to_point_in_time(
        SourceTableName=table, TargetTableName=restored, UseLatestRestorableTime=True
    )
    client.get_waiter("table_exists").wait(TableName=restored, WaiterConfig={"Delay": 1})
    backup = client.create_backup(TableName=restored, BackupName="restored")["BackupDetails"]["BackupArn"]
    client.update_table(TableName=table, DeletionProtectionEnabled=False)
    client.delete_table(TableName=table)
    client.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    lost = the.stack.post("/api/auth/signin", identifier=SITI, password=NEW_PASSWORD)
    assert (lost.status, lost.body["error"]) == (503, "SERVICE_UNAVAILABLE"), lost
    client.restore_table_from_backup(TargetTableName=table, BackupArn=backup)
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1})
    client.delete_table(TableName=restored)
    assert sorted(map(str, the.stack.items("UsersTable"))) == before
    the.keep_tokens(the.stack.post("/api/auth/signin", identifier=SITI, password=NEW_PASSWORD).data)


def deleting_the_stack_keeps_users_logins_and_keys(the: Rehearsal) -> None:
    client = the.stack.client("cloudformation")
    client.delete_stack(StackName=NAME)
    client.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 300})
    left = the.stack.client("dynamodb").list_tables()["TableNames"]
    assert sorted(left) == sorted(the.stack.resources[table] for table in KEPT_TABLES), left


Act = Callable[[Rehearsal], None]

PREPARATION: list[Act] = [
    the_templates_pass_sam_and_cfn_lint,
    every_function_builds,
    the_stack_deploys,
    every_function_has_its_route,
]

TRIALS: list[Act] = [
    the_deployment_made_the_keys_before_anybody_asked,
    the_api_answers_and_so_does_an_unknown_route,
    somebody_signs_up_with_the_code_that_arrives,
    the_new_user_signs_in_with_a_code_and_refreshes_and_signs_out,
    a_forgotten_password_is_replaced,
    a_session_that_is_lost_is_connected_again_and_the_code_arrives,
    a_killed_function_holds_its_place_for_its_lease_and_no_longer,
    the_tables_hold_what_they_should_and_no_code,
    what_is_not_kept_expires,
    an_operator_lets_a_payment_system_in_and_adds_a_session,
    a_payment_is_told_of_by_its_system_and_by_its_gateway,
    a_receipt_comes_in_by_the_address_of_its_session,
    notices_wait_while_whatsapp_is_away_and_go_out_with_the_schedule,
    one_session_dies_the_other_one_serves_and_the_monitor_heals_it,
    no_log_line_holds_a_secret,
    a_request_logs_no_more_than_it_is_priced_at,
    every_function_and_table_has_an_alarm_that_tells_the_topic,
    an_alarm_that_goes_off_reaches_the_topic,
    only_functions_that_send_or_watch_know_the_gateway,
    the_emulator_holds_functions_to_their_policies,
    no_function_may_read_whole_tables_or_change_them,
    nobody_but_the_deployment_may_write_keys,
    the_origins_are_a_list,
    the_stack_takes_every_option,
    cloudfront_stands_before_the_api,
    a_table_is_restored_under_its_name,
    deleting_the_stack_keeps_users_logins_and_keys,
]


def main(tools: pathlib.Path, arguments: list[str]) -> int:
    """Plays all acts. The result is the exit code."""
    parser = argparse.ArgumentParser(prog="tests/deploy/run.py")
    parser.add_argument("--release", action="store_true", help="build what is deployed to AWS")
    release = parser.parse_args(arguments).release
    return perform(lambda folder: Rehearsal(tools, folder, release), PREPARATION, TRIALS)
