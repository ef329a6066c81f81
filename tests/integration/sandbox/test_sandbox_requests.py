from __future__ import annotations

import socket

import pytest
import requests

MISSING_INPUTS = {
    "path": "$",
    "error": 'expecting a value for non-nullable variable: "inputs"',
    "code": "validation-failed",
}


@pytest.mark.parametrize("key", ["", "wrong", "Bearer sandbox-key", "SANDBOX-KEY"])
def test_a_wrong_key_is_refused_before_anything_else(sandbox, key):
    response = sandbox.call("POST", "/nowhere", data="{", key=key)

    assert response.status_code == 401
    assert response.json() == {
        "path": "$",
        "error": "Authentication hook unauthorized this request",
        "code": "access-denied",
    }


def test_a_missing_key_is_refused(sandbox):
    response = requests.get(f"{sandbox.url}/customers", timeout=20)

    assert response.status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"inputs"', b"null", b'\xff{"inputs":[]}', b"[" * 9999]
)
def test_a_body_that_is_no_object_counts_as_empty(sandbox, body):
    response = sandbox.call("POST", "/bulk-customers", data=body)

    assert response.status_code == 400
    assert response.json() == MISSING_INPUTS


def test_the_content_type_is_not_looked_at(sandbox):
    response = sandbox.call(
        "POST",
        "/bulk-customers",
        data='{"inputs":[]}',
        headers={"Content-Type": "text/plain"},
    )

    assert response.status_code == 200


def test_an_unexpected_variable_is_refused(sandbox):
    response = sandbox.call("POST", "/bulk-customers", {"inputs": [], "onConflict": {}})

    assert response.status_code == 400
    assert response.json() == {
        "path": "$",
        "error": "Unexpected variable onConflict",
        "code": "bad-request",
    }


def test_null_is_no_list_of_inputs(sandbox):
    refusal = sandbox.call("POST", "/bulk-customers", {"inputs": None}).json()

    assert refusal["code"] == "validation-failed"
    assert refusal["error"].startswith("null value found for non-nullable type")


def test_a_list_cannot_come_by_query(sandbox):
    response = sandbox.call("POST", "/bulk-customers", params={"inputs": "[]"})

    assert response.status_code == 400
    assert response.json()["code"] == "bad-request"
    assert response.json()["error"].startswith("List variables are not currently")


def test_an_unknown_path_is_not_found(sandbox):
    response = sandbox.call("POST", "/bulk-shipments", {"inputs": []})

    assert response.status_code == 404
    assert response.json() == {
        "path": "$",
        "error": "Endpoint not found",
        "code": "not-found",
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/bulk-customers", "POST"),
        ("DELETE", "/customers", "POST, PUT, GET"),
        ("DELETE", "/customers/cus_1", "GET, PUT"),
    ],
)
def test_a_method_that_a_path_lacks_is_not_allowed(sandbox, method, path, allowed):
    response = sandbox.call(method, path)

    assert response.status_code == 405
    assert response.json() == {
        "path": "$",
        "error": f"Allowed methods: {allowed}",
        "code": "method-not-allowed",
    }


@pytest.mark.parametrize("path", ["/api/rest/customers", "/_sandbox/counts"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1"])
def test_another_host_name_is_refused(sandbox, path, host):
    headers = {"Host": host, "Authorization": sandbox.api_key}

    response = requests.get(f"{sandbox.root}{path}", headers=headers, timeout=20)

    assert response.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.2", "[::1]:80"])
def test_loopback_names_are_let_in(sandbox, host):
    headers = {"Host": host, "Authorization": sandbox.api_key}

    response = requests.get(f"{sandbox.url}/customers", headers=headers, timeout=20)

    assert response.status_code == 200


def test_replies_are_json(sandbox):
    response = sandbox.call("GET", "/customers")

    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/rest/customers", "/_sandbox/counts", "/"])
@pytest.mark.parametrize("host", ["[", "[::1", "]["])
def test_a_host_that_cannot_be_read_is_refused(sandbox, path, host):
    response = requests.get(f"{sandbox.root}{path}", headers={"Host": host}, timeout=20)

    assert response.status_code == 403
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/faults", "/readings", "/requests", "/customers"])
def test_another_origin_cannot_change_the_sandbox(sandbox, path, method):
    def status(origin):
        url, headers = f"{sandbox.root}/_sandbox{path}", {"Origin": origin}
        return requests.request(
            method, url, data="{}", headers=headers, timeout=20
        ).status_code

    for origin in ("http://evil.example", "http://localhost:1", "null"):
        assert status(origin) == 403
    assert status(sandbox.root) != 403


def test_a_body_is_not_read_before_the_key_is_known(sandbox):
    host, port = sandbox.root.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(
            b"POST /api/rest/bulk-customers HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: wrong\r\nContent-Length: 100000000\r\n\r\n{"
        )

        assert b" 401 " in client.recv(100)
