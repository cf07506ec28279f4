"""JSON-RPC: every wrong request gets a typed error with a remedy, and the node's methods answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import trio
import trio.lowlevel

from node.errors import HttpError, NotFound
from node.rpc.dispatch import BATCH_REQUESTS_MAX, Dispatcher, Method, http_error
from node.rpc.parameters import hex_bytes, hex_list, whole_number
from runtime.types import Between


def add(first: Any, second: Any = 1) -> int:
    """A method with one optional parameter."""
    bounds = Between(0, 100)
    return whole_number(first, "first", bounds) + whole_number(second, "second", bounds)


async def later(value: Any) -> Any:
    """A method that awaits."""
    await trio.lowlevel.checkpoint()
    return value


def missing() -> None:
    """A method that refuses."""
    raise NotFound("There is no block 7.", remedy="Ask for another.")


def broken() -> None:
    """A method with a bug."""
    raise RuntimeError("a secret detail")


METHODS: dict[str, Method] = {"add": add, "later": later, "missing": missing, "broken": broken}


def ask(body: Any, seen: Counter[tuple[str, bool]] | None = None) -> Any:
    """The decoded answer to a request given as JSON value or as raw bytes."""
    observed = Counter[tuple[str, bool]]() if seen is None else seen
    dispatcher = Dispatcher(METHODS, lambda name, ok: observed.update([(name, ok)]))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = trio.run(dispatcher.answer, raw)
    return json.loads(answer) if answer else None


def request(method: str, params: Any = (), number: Any = 1) -> dict[str, Any]:
    """A well-formed request."""
    given = dict(params) if isinstance(params, Mapping) else list(params)
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": given}


def test_parameters_by_position_and_by_name() -> None:
    """Both forms work, defaults included, for plain and async methods."""
    assert ask(request("add", [1, 2]))["result"] == 3
    assert ask(request("add", {"second": 5, "first": 1}))["result"] == 6
    assert ask(request("add", [1]))["result"] == 2
    assert ask(request("later", [[1]], "x")) == {"jsonrpc": "2.0", "id": "x", "result": [1]}


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        (b"{", -32700, "ParseError"),
        (b"\xff", -32700, "ParseError"),
        (b"[" * 100_000, -32700, "ParseError"),
        (b"7", -32600, "InvalidRequest"),
        ([], -32600, "InvalidRequest"),
        ({"id": 1, "method": "add"}, -32600, "InvalidRequest"),
        (request("add", number=[1]), -32600, "InvalidRequest"),
        (request("add", number=True), -32600, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, -32600, "InvalidRequest"),
        ({"jsonrpc": "2.0", "id": 1, "method": "add", "params": "x"}, -32600, "InvalidRequest"),
        ([request("add")] * (BATCH_REQUESTS_MAX + 1), -32600, "InvalidRequest"),
        (request("subtract"), -32601, "UnknownMethod"),
        (request("add"), -32602, "InvalidParameters"),
        (request("add", [1, 2, 3]), -32602, "InvalidParameters"),
        (request("add", {"third": 1}), -32602, "InvalidParameters"),
        (request("add", ["1"]), -32602, "InvalidParameters"),
        (request("add", [True]), -32602, "InvalidParameters"),
        (request("add", [101]), -32602, "InvalidParameters"),
        (request("missing"), -32000, "NotFound"),
        (request("broken"), -32603, "InternalError"),
    ],
)
def test_every_wrong_request_has_a_typed_answer(body: Any, code: int, kind: str) -> None:
    """Code, message, type and remedy are always there, and a bug's text never is."""
    answer = ask(body)
    error = answer["error"]
    assert (error["code"], error["data"]["type"]) == (code, kind)
    assert error["message"]
    assert error["data"]["remedy"]
    assert "secret" not in json.dumps(answer)


def test_a_batch_is_answered_in_order_without_its_notifications() -> None:
    """A request without id gets no answer; the others keep theirs, failed or not."""
    silent = {"jsonrpc": "2.0", "method": "add", "params": [1, 1]}
    answers = ask([request("add", [1, 1], 7), silent, request("missing", number=8), 3])
    assert [answer["id"] for answer in answers] == [7, 8, None]
    assert answers[0]["result"] == 2
    assert ask(silent) is None
    assert ask([silent]) is None


def test_requests_are_counted_under_bounded_names() -> None:
    """An invented method name does not become a metric of its own."""
    seen = Counter[tuple[str, bool]]()
    for body in (request("add", [1]), request("missing"), request("made up")):
        ask(body, seen)
    assert seen == {("add", True): 1, ("missing", False): 1, ("unknown", False): 1}


def test_http_refusals_have_the_same_shape() -> None:
    """What HTTP refuses is a JSON-RPC error with the HTTP status."""
    response = http_error(HttpError(413, "Too large.", remedy="Send less."))
    assert response.status == 413
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["error"]["data"]["remedy"] == "Send less."


@pytest.mark.parametrize(
    ("value", "length"), [(7, 2), ("0x0", 2), ("zz", 2), ("aabbcc", 2), ("aabb", None)]
)
def test_hexadecimal_parameters_are_checked(value: Any, length: int | None) -> None:
    """Type, digits and length each have their sentence."""
    with pytest.raises(Exception, match="The parameter key"):
        hex_bytes(value, "key", length=length, bytes_max=1)


def test_hexadecimal_parameters_are_read() -> None:
    """With and without 0x; lists name the item that is wrong."""
    assert hex_bytes("0xAAbb", "key", length=2) == b"\xaa\xbb"
    assert hex_list(["aa"], "keys", length=1, bytes_max=1, count_max=1) == [b"\xaa"]
    with pytest.raises(Exception, match=r"keys\[1\]"):
        hex_list(["aa", "b"], "keys", length=1, bytes_max=1, count_max=2)
    with pytest.raises(Exception, match="at most 1"):
        hex_list(["aa", "bb"], "keys", length=1, bytes_max=1, count_max=1)
