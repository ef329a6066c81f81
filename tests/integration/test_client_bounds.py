"""What a server may not do to the client: hold it up, fill it, or lead it astray."""

from __future__ import annotations

import base64
import contextlib
import gc
import gzip
import json
import random
import socket
import ssl
import subprocess
import threading
import tracemalloc

import pytest
from answering_server import (
    CREATED,
    CUSTOMER,
    FOUND,
    NEW,
    UPDATED,
    Answer,
    create,
    search,
    update,
)
from raw_server import RawServer, Tunnel
from urllib3.util import wait_for_read

from target_upwell.api import transport
from target_upwell.customers.schema import CUSTOMERS
from target_upwell.exceptions import AmbiguousOutcome, RunError, TooLarge

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = HEAD + f"Content-Length: {len(CREATED)}\r\n\r\n{CREATED}".encode()
MANY = 400
"""Times that a slow server sends something: for longer than any time-out here."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *(
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost,DNS:upwell.test",
            ),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def pieces(whole):
    return [whole[i : i + 1] for i in range(len(whole))]


def chunk(content):
    return b"%x\r\n%s\r\n" % (len(content), content)


SLOW = {
    "the head, a byte at a time": [*pieces(HEAD + b"X-Long: " + b"x" * MANY), WHOLE],
    "the body, a byte at a time": [
        HEAD,
        f"Content-Length: {len(CREATED) + MANY}\r\n\r\n".encode(),
        *[b" "] * MANY,
        CREATED.encode(),
    ],
    "100 Continue again and again": [*[b"HTTP/1.1 100 Continue\r\n\r\n"] * MANY, WHOLE],
    "chunks of spaces": [
        HEAD,
        b"Transfer-Encoding: chunked\r\n\r\n",
        *[chunk(b" ")] * MANY,
        chunk(CREATED.encode()),
        b"0\r\n\r\n",
    ],
    "a chunk's length, a digit at a time": [
        HEAD,
        b"Transfer-Encoding: chunked\r\n\r\n",
        *[b"0"] * MANY,
        chunk(CREATED.encode()),
        b"0\r\n\r\n",
    ],
}


@pytest.mark.parametrize("parts", SLOW.values(), ids=SLOW)
def test_an_attempt_ends_in_time_however_slowly_the_answer_comes(server, parts):
    # A client that waits anew for each byte would get a whole answer in the end.
    def slowly(send, wait):
        for part in parts:
            send(part)
            if wait(0.025):
                return

    with RawServer(slowly) as slow:
        client = server.connect(api_url=slow.url, request_timeout=0.3).client
        with pytest.raises(AmbiguousOutcome, match="no answer in time"):
            create(client)


def test_a_proxy_that_connects_slowly_is_given_up_in_time(server, monkeypatch):
    def slowly(send, wait):
        send(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while not wait(0.025):
            send(b"x")

    with RawServer(slowly) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/api/rest"))
        address = "https://upwell.test/api/rest"
        client = server.connect(api_url=address, request_timeout=0.3).client
        with pytest.raises(AmbiguousOutcome, match="no answer in time"):
            create(client)


def test_a_server_that_reads_nothing_is_given_up_in_time(server):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        client = server.connect(api_url=address, request_timeout=0.3).client
        much = b'"%s"' % (b" " * 50_000_000)
        with pytest.raises(AmbiguousOutcome, match="no answer in time"):
            client.create(CUSTOMERS, {("S", "1"): much})


def test_a_server_that_reads_slowly_is_given_up_in_time(
    server, certificate, monkeypatch
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    reads, given_up = [], threading.Event()

    def read_slowly():
        with (
            contextlib.suppress(OSError),
            tls(certificate).wrap_socket(listener.accept()[0], server_side=True) as one,
        ):
            while one.recv(16384) and not given_up.wait(0.025):
                reads.append(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        slow = threading.Thread(target=read_slowly)
        slow.start()
        address = f"https://localhost:{listener.getsockname()[1]}"
        client = server.connect(api_url=address, request_timeout=1).client
        much = b'"%s"' % (b" " * 20_000_000)
        with pytest.raises(AmbiguousOutcome, match="no answer in time"):
            client.create(CUSTOMERS, {("S", "1"): much})
        given_up.set()
        slow.join()
    # One that waits anew for each write would have sent all of it.
    assert len(reads) < MANY


def test_a_refusal_that_comes_before_all_is_sent_is_understood(server):
    def refuse():
        with listener.accept()[0] as one:
            one.recv(100)
            one.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = threading.Thread(target=refuse)
        gateway.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        much = b'"%s"' % (b" " * 50_000_000)
        with pytest.raises(TooLarge):
            server.connect(api_url=address).client.create(CUSTOMERS, {("S", "1"): much})
        gateway.join()


def test_such_a_refusal_is_understood_sooner_or_later_over_tls(
    server, certificate, monkeypatch
):
    # The system may forget what came before the end, so a try may be in vain.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))

    def refuse(one):
        with tls(certificate).wrap_socket(one, server_side=True) as encrypted:
            encrypted.recv(100)
            encrypted.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    def serve():
        with contextlib.suppress(OSError):
            while True:
                one = listener.accept()[0]
                with contextlib.suppress(OSError):
                    refuse(one)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = threading.Thread(target=serve)
        gateway.start()
        address = f"https://localhost:{listener.getsockname()[1]}"
        client = server.connect(api_url=address).client
        much = {("S", "1"): b'"%s"' % (b" " * 5_000_000)}
        found = set()
        for _ in range(40):
            with pytest.raises((TooLarge, AmbiguousOutcome)) as failure:
                client.create(CUSTOMERS, much)
            found.add(failure.type)
            if TooLarge in found:
                break
        listener.shutdown(socket.SHUT_RDWR)
        gateway.join()
    assert TooLarge in found


def endless(send, _):
    while True:
        send(b" " * 65536)


BOMB = gzip.compress(b" " * 1_000_000)
FLOODS = {
    "a body": [HEAD, b"Content-Length: 99999999999\r\n\r\n"],
    "a body without a length": [HEAD, b"\r\n"],
    "a chunk": [HEAD, b"Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n"],
    "a chunk of a length below 0": [HEAD, b"Transfer-Encoding: chunked\r\n\r\n-1\r\n"],
}


@pytest.mark.parametrize("parts", FLOODS.values(), ids=FLOODS)
def test_an_answer_without_an_end_is_given_up(server, monkeypatch, parts):
    monkeypatch.setattr(transport, "MOST_ANSWER_BYTES", 500_000)

    def flood(send, wait):
        send(b"".join(parts))
        endless(send, wait)

    with RawServer(flood) as flooding:
        client = server.connect(api_url=flooding.url).client
        with pytest.raises(AmbiguousOutcome, match="an answer of more than"):
            create(client)


@pytest.mark.parametrize("start", [HEAD + b"X: ", b"", HEAD + b"X: y\r\n" * 1000])
def test_a_head_without_an_end_is_given_up(server, start):
    def flood(send, wait):
        send(start)
        endless(send, wait)

    with (
        RawServer(flood) as flooding,
        pytest.raises(AmbiguousOutcome, match="the connection was lost"),
    ):
        create(server.connect(api_url=flooding.url).client)


def packed(content):
    return Answer(200, content, headers=(("Content-Encoding", "gzip"),))


def test_a_packed_answer_is_read(server):
    answer = packed(gzip.compress(FOUND.encode()))
    assert search(server.connect(answer).client) == [CUSTOMER]
    assert server.asked[0].headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize("packing", [gzip.compress, bytes])
def test_an_answer_of_many_pieces_is_read_whole(server, packing):
    long = {**CUSTOMER, "name": random_text(200_000)}
    content = packing(json.dumps({"customers": [long]}).encode())
    kind = "gzip" if packing is gzip.compress else "identity"
    answer = Answer(200, content, headers=(("Content-Encoding", kind),))
    assert search(server.connect(answer).client) == [long]


def random_text(length):
    return random.Random(7).randbytes(length // 2).hex()


@pytest.mark.slow
@pytest.mark.parametrize("number", [100, 102, 103, 199])
def test_what_a_server_says_before_its_answer_is_skipped(server, number):
    interim = b"HTTP/1.1 %d Wait\r\nLink: </a>\r\n\r\n" % number
    with RawServer(lambda send, _: send(interim * 2 + WHOLE)) as chatty:
        assert create(server.connect(api_url=chatty.url).client) == NEW


def test_an_answer_that_unpacks_to_too_much_takes_little_memory(server):
    bomb = gzip.compress(b" " * 150_000_000)
    client = server.connect(packed(bomb)).client
    tracemalloc.start()
    try:
        with pytest.raises(AmbiguousOutcome, match="an answer of more than 32 MB"):
            create(client)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * transport.MOST_ANSWER_BYTES


@pytest.mark.parametrize(
    "answer",
    [
        packed(b"no gzip"),
        packed(gzip.compress(CREATED.encode())[:-20]),
        Answer(200, CREATED, headers=(("Content-Encoding", "br"),)),
        Answer(200, BOMB, headers=(("Content-Encoding", "gzip, gzip"),)),
    ],
)
def test_an_answer_that_can_not_be_unpacked_is_ambiguous(server, answer):
    with pytest.raises(AmbiguousOutcome, match="an answer"):
        create(server.connect(answer).client)


# Whatever is no answer


RAW = {
    "nothing": b"",
    "no HTTP": b"220 smtp.example ready\r\n",
    "half a head": b"HTTP/1.1 20",
    "a status that is none": b"HTTP/1.1 2OO OK\r\n\r\n",
    "a status of one digit": b"HTTP/1.1 2 OK\r\n\r\n",
    "a version that is none": b"HTTP/9.9 200 OK\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is none": HEAD + b"Content-Length: many\r\n\r\n{}",
    "a length below nothing": HEAD + b"Content-Length: -5\r\n\r\n{}",
    "a chunk's length that is none": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk's length below nothing": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n",
    "a chunk's end missing": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
    "headers that are none": HEAD + b"\xff\xfe no colon\r\n: \r\n\r\n{}",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a cut body": HEAD + b"Content-Length: 500\r\n\r\n{",
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_whatever_is_no_answer_is_an_ambiguous_outcome(server, raw, caplog):
    caplog.set_level("DEBUG")
    with RawServer(lambda send, _: send(raw)) as broken:
        client = server.connect(api_url=broken.url, max_retries=1).client
        with pytest.raises(AmbiguousOutcome):
            create(client)
        with pytest.raises(RunError, match="failed 2 times"):
            update(client)
    assert "Traceback" not in caplog.text
    assert "no colon" not in caplog.text


FOREIGN = {**CUSTOMER, "sourceSystemId": "2"}


def found(**news):
    return {search: {"customers": [{**CUSTOMER, **news}]}}


def with_customer(**news):
    return {**found(**news), **created({**CUSTOMER, **news})}


def created(*customers):
    return {create: {"createCustomers": {"returning": [*customers]}}}


def updated(**reply):
    return {update: {"updateCustomer": {"affectedRows": 1}, **reply}}


UNFIT = {
    "an address that is null": found(addresses=[None]),
    "addresses that are a number": found(addresses=5),
    "a rule that is a number": found(customerRule=5),
    "a name that is a list": found(name=["A"]),
    "an id that is a number": with_customer(id=1),
    "an empty id": with_customer(id=""),
    "a source key that is a number": with_customer(sourceSystemId=1),
    "no source key": created({**CUSTOMER, "sourceSystem": None}),
    "a padded id": created({**CUSTOMER, "sourceSystemId": "1 "}),
    "one customer more": created(CUSTOMER, FOREIGN),
    "another customer": created(FOREIGN),
    "a customer twice": created(CUSTOMER, CUSTOMER),
    "a customer too few": created(),
    "endless rows": updated(updateCustomer={"affectedRows": float("inf")}),
    "rows below nothing": updated(updateCustomer={"affectedRows": -1}),
    "half a row": updated(updateCustomer={"affectedRows": 0.5}),
    "rows as text": updated(updateCustomer={"affectedRows": "1"}),
    "rows that are true": updated(updateCustomer={"affectedRows": True}),
    "a rule's reply that is a list": updated(updateCustomerRules=[]),
    "no rows": updated(updateCustomer={}),
    "an update of another": updated(
        updateCustomer={"affectedRows": 1, "returning": [FOREIGN]}
    ),
}


@pytest.mark.parametrize("replies", UNFIT.values(), ids=UNFIT)
def test_a_reply_that_does_not_fit_is_an_ambiguous_outcome(server, replies):
    for ask, reply in replies.items():
        answer = Answer(body=json.dumps(reply))
        if ask is create:
            with pytest.raises(AmbiguousOutcome, match="can't be read"):
                create(server.connect(answer).client)
            continue
        good = Answer(body=FOUND if ask is search else UPDATED)
        assert ask(server.connect(answer, good).client)
        assert not server.answers


@pytest.mark.parametrize(
    "number",
    ["1.10", "1e400", "123456789012345678901234567890", "0.1000000000000000055"],
)
def test_a_number_in_a_reply_stays_as_it_is(server, number):
    body = json.dumps({"customers": [{**CUSTOMER, "metadata": {"n": "NUMBER"}}]})
    answer = Answer(body=body.replace('"NUMBER"', number))
    (customer,) = search(server.connect(answer).client)
    assert str(customer["metadata"]["n"]).lower() in {number, "1e+400"}


def test_a_number_that_nothing_can_hold_is_no_defect(server):
    body = json.dumps({"customers": [{**CUSTOMER, "metadata": "NUMBER"}]})
    answer = Answer(body=body.replace('"NUMBER"', "1e99999999999999999999"))
    assert search(server.connect(answer, Answer(body=FOUND)).client) == [CUSTOMER]


# Where a server would lead the client


@pytest.mark.parametrize(
    "location",
    ["http://[::1", "http://127.0.0.1:99999/", "//", "\xff", "file:///etc/passwd"],
)
def test_a_redirect_to_what_is_no_address_is_still_a_redirect(server, location):
    client = server.connect(Answer(302, headers=(("Location", location),))).client
    with pytest.raises(RunError, match="redirects are not followed"):
        search(client)


def test_cookies_are_not_kept(server):
    cookie = (("Set-Cookie", "a=b; Path=/"),)
    client = server.connect(
        Answer(body=FOUND, headers=cookie), Answer(body=FOUND, headers=cookie)
    ).client
    search(client)
    search(client)
    assert "Cookie" not in server.asked[1].headers


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6")
def test_an_address_may_be_of_ipv6(server):
    with RawServer(lambda send, _: send(WHOLE), host="::1") as there:
        assert create(server.connect(api_url=there.url).client) == NEW


def test_a_connection_that_the_server_has_closed_is_not_used_again(server):
    with RawServer(lambda send, _: send(WHOLE)) as closing:
        client = server.connect(api_url=closing.url).client
        assert create(client) == NEW
        used = client._transport._local.connection
        assert wait_for_read(used.sock, timeout=60)
        assert create(client) == NEW


# Certificates


def test_an_encrypted_address_of_this_machine_obeys_the_bundle(
    server, certificate, monkeypatch
):
    with RawServer(lambda send, _: send(WHOLE), tls(certificate)) as encrypted:
        address = encrypted.url.replace("http://127.0.0.1", "https://localhost")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        with pytest.raises(AmbiguousOutcome, match="certificate was not accepted"):
            create(server.connect(api_url=address).client)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
        assert create(server.connect(api_url=address).client) == NEW


@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
def test_an_address_elsewhere_is_reached_by_the_proxy_of_the_environment(
    server, certificate, monkeypatch, scheme
):
    context = tls(certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate / "cert.pem"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    with (
        RawServer(lambda send, _: send(WHOLE), context) as encrypted,
        Tunnel(encrypted.url, context if scheme == "https://" else None) as proxy,
    ):
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"{scheme}user:p%20w@{proxy.place}")
        client = server.connect(api_url="https://upwell.test/api/rest").client
        assert create(client) == NEW
    (asked,) = proxy.asked
    assert asked.startswith(b"CONNECT upwell.test:443 ")
    credentials = base64.b64encode(b"user:p w")
    assert b"proxy-authorization: basic " + credentials.lower() in asked.lower()


def test_a_proxy_that_is_not_there_is_named(server, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"127.0.0.1:{nobody.getsockname()[1]}")
        client = server.connect(api_url="https://upwell.test/api/rest").client
        with pytest.raises(AmbiguousOutcome, match="the proxy did not connect"):
            create(client)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_proxy_that_refuses_is_named(server, monkeypatch):
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with RawServer(lambda send, _: send(refusal)) as proxy:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/api/rest"))
        client = server.connect(api_url="https://upwell.test/api/rest").client
        with pytest.raises(AmbiguousOutcome, match="the proxy did not connect"):
            create(client)
    # Before Python 3.11 `http.client` leaves the proxy's answer open.
    gc.collect()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "no certificate", ""])
def test_a_bundle_that_can_not_be_read_ends_the_run(
    server, tmp_path, monkeypatch, variable, content
):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(bundle))
    with pytest.raises(RunError, match=f"{variable}: .* remove it"):
        search(server.connect(api_url="https://localhost:9/").client)
