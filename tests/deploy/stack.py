"""The stack in the emulated AWS."""
from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
from dataclasses import dataclass
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from processes import run_from, variable

NAME = "whatsapp-rehearsal"
REGION = "ap-southeast-3"
ACCESS_KEY = "rehearsal"
SECRET_KEY = "rehearsal-secret"

# API Gateway's own limit is 30 s.
REQUEST_SECONDS = 35


def credentials() -> dict[str, str]:
    """The keys to the emulated AWS, as an environment."""
    return {
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


@dataclass
class Reply:
    """An answer of the API."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def data(self) -> Any:
        """What a good answer holds."""
        assert self.status == 200, self
        return self.body["data"]


class Stack:
    """A deployed stack. What the emulator keeps in files lies in `folder`."""

    def __init__(self, port: int, folder: pathlib.Path) -> None:
        self.port = port
        self.folder = folder
        self.resources: dict[str, str] = {}
        self.kinds: dict[str, str] = {}

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of one AWS service."""
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def look(self) -> None:
        """Reads what was deployed."""
        found = self.client("cloudformation").describe_stack_resources(StackName=NAME)["StackResources"]
        self.resources = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in found}
        self.kinds = {each["LogicalResourceId"]: each["ResourceType"] for each in found}

    def of_kind(self, kind: str) -> list[str]:
        """The logical ids of all resources of a kind."""
        return sorted(id for id, found in self.kinds.items() if found == kind)

    def template(self) -> Any:
        """The template after SAM's transformation."""
        client = self.client("cloudformation")
        body = client.get_template(StackName=NAME, TemplateStage="Processed")["TemplateBody"]
        return json.loads(body) if isinstance(body, str) else body

    def connect_routes(self) -> list[str]:
        """Makes the routes that SAM wrote into the API's definition: AWS imports them, the emulator does not."""
        gateway, api = self.client("apigatewayv2"), self.resources["Api"]
        keys = []
        for path, methods in self.template()["Resources"]["Api"]["Properties"]["Body"]["paths"].items():
            for method, operation in methods.items():
                uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                function = uri.rsplit("${", 1)[1].split(".Arn}", 1)[0]
                integration = gateway.create_integration(
                    ApiId=api,
                    IntegrationType="AWS_PROXY",
                    IntegrationUri=self.function_arn(function),
                    PayloadFormatVersion="2.0",
                )
                key = "$default" if path == "$default" else f"{method.upper()} {path}"
                target = f"integrations/{integration['IntegrationId']}"
                gateway.create_route(ApiId=api, RouteKey=key, Target=target)
                keys.append(key)
        return keys

    def function_arn(self, id: str) -> str:
        """The ARN of a function."""
        found = self.client("lambda").get_function(FunctionName=self.resources[id])
        arn: str = found["Configuration"]["FunctionArn"]
        return arn

    def request(self, method: str, path: str, body: Any = None, token: str | None = None) -> Reply:
        """Calls the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        headers = {"Host": f"{self.resources['Api']}.execute-api.localhost:{self.port}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, json.loads(text) if text else None)
        finally:
            connection.close()

    def post(self, path: str, **body: Any) -> Reply:
        """Posts JSON to the API."""
        return self.request("POST", path, body)

    def items(self, table: str) -> list[dict[str, Any]]:
        """Everything in a table."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.resources[table])
        plain = TypeDeserializer().deserialize
        found = (item for page in pages for item in page["Items"])
        return [{name: plain(value) for name, value in item.items()} for item in found]

    def logs(self) -> list[str]:
        """Every line that was logged."""
        client = self.client("logs")
        groups = (each for page in client.get_paginator("describe_log_groups").paginate() for each in page["logGroups"])
        lines = []
        for group in groups:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            lines += [event["message"] for page in pages for event in page["events"]]
        return lines

    def kill(self, function: str) -> int:
        """Kills every process of a function, and says how many there were."""
        name = self.resources[function]
        mine = [each for each in run_from(self.folder) if variable(each, "AWS_LAMBDA_FUNCTION_NAME") == name]
        for process in mine:
            os.kill(process, signal.SIGKILL)
        return len(mine)
