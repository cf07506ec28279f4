"""JSON-RPC: every wrong request gets a typed error with a remedy, and the node's methods answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
import trio
import trio.lowlevel

from node.errors import HttpError, InvalidParameters, MempoolFull, NotFound
from node.rpc import dispatch
from node.rpc.dispatch import BATCH_REQUESTS_MAX, Dispatcher, http_error
from node.rpc.method import Sends, Subscriber, rpc, served
from node.rpc.parameters import (
    HeightOrId,
    Hex,
    Kind,
    Listed,
    OrNull,
    Truth,
    Whole,
    Words,
    kind_of,
)
from runtime.errors import DefinitionError

Small = Annotated[int, Whole(0, 100)]


class Arithmetic:
    """Methods of every form."""

    @rpc("add")
    def add(self, first: Small, second: Small = 1) -> int:
        """A method with one optional parameter."""
        return first + second

    @rpc("later")
    async def later(self, value: Annotated[list[int], Listed(Whole(0, 9), 3)]) -> list[int]:
        """A method that awaits."""
        await trio.lowlevel.checkpoint()
        return value

    @rpc("missing", NotFound)
    def missing(self) -> None:
        """A method that refuses."""
        raise NotFound("There is no block 7.", remedy="Ask for another.")

    @rpc("broken")
    def broken(self) -> None:
        """A method with a bug."""
        raise RuntimeError("a secret detail")

    @rpc("full", MempoolFull)
    def full(self) -> None:
        """A method whose refusal has a code of its own."""
        raise MempoolFull("Full.", remedy="Wait.")

    @rpc("long")
    def long(self) -> str:
        """A long answer."""
        return "x" * 1_000

    @rpc("follow", sends=Sends("followed", int, "unfollow"))
    def follow(self, subscriber: Subscriber, since: Small = 0) -> str:
        """A subscription."""
        return (subscriber.end(str(since)) and "none") or "some"


METHODS = served(Arithmetic())


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
    assert ask(request("add", {"first": 1}))["result"] == 2
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
        (request("add", {"second": 1}), -32602, "InvalidParameters"),
        (b'{"jsonrpc": "2.0", "id": NaN, "method": "add"}', -32700, "ParseError"),
        (b'{"jsonrpc": "2.0", "id": 1e999, "method": "add"}', -32600, "InvalidRequest"),
        (b'{"jsonrpc": "2.0", "id": ' + b"9" * 5_000 + b"}", -32700, "ParseError"),
        (request("follow"), -32000, "SocketNeeded"),
        (request("missing"), -32000, "NotFound"),
        (request("full"), 1016, "MempoolFull"),
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


def test_the_answers_of_a_batch_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When they are long enough, the rest is refused by number."""
    monkeypatch.setattr(dispatch, "BATCH_BYTES_MAX", 1_500)
    answers = ask([request("long", number=number) for number in range(4)])
    assert ["result" in answer for answer in answers] == [True, True, False, False]
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "good", "read", "bad"),
    [
        (Hex(length=2), "0xAAbb", b"\xaa\xbb", [7, "0x0", "zz", "aabbcc", None]),
        (Hex(bytes_max=1), "", b"", ["aabb"]),
        (Whole(0, 3), 3, 3, [4, -1, True, "1", 1.0]),
        (Words(("a", "b")), "a", "a", ["c", 1, ["a"]]),
        (Words(characters_max=2), "xy", "xy", ["xyz", 1]),
        (Truth(), True, True, [1, None]),
        (Listed(Whole(0, 1), 2), [1, 0], [1, 0], [[2], [0, 0, 0], 1]),
        (OrNull(Whole(0, 1)), None, None, [2]),
        (HeightOrId(), 7, 7, [-1, "aa"]),
        (HeightOrId(), "00" * 32, bytes(32), [True]),
    ],
)
def test_parameters_are_read_and_checked(kind: Kind, good: Any, read: Any, bad: list[Any]) -> None:
    """Each kind has its sentence, which names the parameter, and a schema."""
    assert kind.read(good, "key") == read
    assert kind.schema()
    for each in bad:
        with pytest.raises(InvalidParameters, match=r"The parameter key"):
            kind.read(each, "key")


def test_an_error_in_a_list_names_the_item() -> None:
    """By its place."""
    with pytest.raises(InvalidParameters, match=r"keys\[1\]"):
        Listed(Hex(length=1), 2).read(["aa", "b"], "keys")


def test_a_parameter_without_a_kind_is_refused_at_the_start() -> None:
    """A method cannot be declared with what the node would not check."""
    for annotation in (int, list[int], int | str):
        with pytest.raises(DefinitionError):
            kind_of(annotation)
