"""The OpenAPI document is what the code says, and the server does what the document says."""

from __future__ import annotations

import json
from contextlib import closing

import httpx
import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from ml.serving.texts import TextEngine
from node.api.callers import Callers
from node.api.keys import ApiKeys
from node.api.meter import USAGE_FILE, Meter
from node.lora.catalogue import Catalogue
from node.lora.openapi import OPENAPI_FILE, document, encoded_document
from node.lora.site import LoraApi
from tests.ml.tiny_models import SPECIAL, save_tiny_base
from tests.node.lora.servers import beside_server

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

EXAMPLES = 10
"""Of requests that the document allows, and again of those that it does not, for each operation."""


def test_the_file_is_what_the_code_says() -> None:
    """Else: `python -m node.lora.openapi`."""
    assert OPENAPI_FILE.read_text() == encoded_document()


def test_every_route_is_in_the_document(with_server) -> None:
    """And nothing else: the server knows each path, and answers the document itself."""

    def work(url: str) -> None:
        assert httpx.get(f"{url}/openapi.json").json() == json.loads(encoded_document())
        for path, operations in document()["paths"].items():
            for method in operations:
                answer = httpx.request(method, url + path.replace("{model}", "red"), content=b"{}")
                assert answer.status_code != 404

    with_server(work)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_server_does_what_the_document_says(tmp_path, adapters, mode: GenerationMode) -> None:
    """What is allowed is answered, what is not is refused, and every answer has its schema."""
    base = save_tiny_base(tmp_path / "tiny", SPECIAL, positions=2_048)
    links = tmp_path / "links"
    links.mkdir()
    keys = ApiKeys(tmp_path / "keys.json")
    secret = keys.add(bytes(32), "operator", operator=True)

    def work(url: str) -> None:
        schema = schemathesis.openapi.from_dict(document())
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            if mode is GenerationMode.NEGATIVE and operation.method != "post":
                continue

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def check(case: schemathesis.Case) -> None:
                case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {secret}"})

            check()

    with closing(TextEngine(base, links)) as engine:
        callers = Callers(keys, Meter(tmp_path / USAGE_FILE))
        api = LoraApi(engine, Catalogue(adapters, links), base.name, callers)
        trio.run(beside_server, api, work)
