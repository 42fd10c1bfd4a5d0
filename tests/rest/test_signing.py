"""Signatures: MEXC's own vectors, and the standard library's `hmac` for all others."""

from __future__ import annotations

import copy
import hmac
import pickle
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mexc_async.rest.signing import Signer
from mexc_async.schema.query import encode
from tests.support.reference import read

DOC_SECRET = b"45d0b3c26f2644f19bfb98b07741b2f5"
DOC_TEXT = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=11&recvWindow=5000&timestamp=1644489390087"
DOC_SIGNATURE = "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a"


def judge(secret: bytes, message: bytes) -> str:
    return hmac.digest(secret, message, "sha256").hex()


def vectors() -> list[dict[str, Any]]:
    signing = read("spot-rules.json")["signing"]
    assert signing["doc_keys"]["secretKey"].encode() == DOC_SECRET
    return [*signing["verified_vectors"], *signing["derived_vectors"]["items"]]


def test_example_of_the_documents_is_signed_as_printed_there() -> None:
    assert Signer(DOC_SECRET).sign(DOC_TEXT.encode()) == DOC_SIGNATURE


def test_every_vector_of_the_reference_is_signed_as_listed() -> None:
    signer = Signer(DOC_SECRET)
    found = {vector["id"]: signer.sign(vector["string"].encode()) for vector in vectors()}
    assert found == {vector["id"]: vector["signature"] for vector in vectors()}
    assert len(found) == 6


def test_parameters_of_every_vector_are_sorted_encoded_and_signed_by_the_pipeline() -> None:
    for vector in vectors():
        text = vector["string"] if "{" not in vector["string"] else vector["query"]
        pairs = parse_qsl(text.replace("LIMITquantity", "LIMIT&quantity"), keep_blank_values=True, strict_parsing=True)
        query = encode(dict(pairs))
        names = [part.split("=")[0] for part in query.split("&")]
        assert names == sorted(name for name, _ in pairs)
        assert dict(parse_qsl(query, strict_parsing=True)) == dict(pairs)
        unsorted = text.replace("LIMITquantity", "LIMIT&quantity")
        assert sorted(query.split("&")) == sorted(unsorted.split("&")), "each value is encoded as in the vector"
        assert Signer(DOC_SECRET).sign(query.encode()) == judge(DOC_SECRET, query.encode())


@given(st.binary(max_size=200), st.binary(max_size=300))
@example(b"", b"")
@example(b"k" * 63, b"m")
@example(b"k" * 64, b"m")
@example(b"k" * 65, b"m")
@example(b"\0" * 64, b"")
def test_signature_equals_the_standard_library_for_any_key_and_bytes(secret: bytes, message: bytes) -> None:
    signer = Signer(secret)
    assert signer.sign(message) == judge(secret, message)
    assert signer.sign(message) == judge(secret, message), "signing leaves the kept states as they were"


@given(st.text(max_size=100), st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=30), max_size=6))
@example("secret", {"network": "BEP20(BSC)", "note": "资金 不足", "asset": "BTC,FIL,ETH", "a b": ""})
def test_any_parameters_are_signed_as_the_standard_library_would(secret: str, params: dict[str, str]) -> None:
    query = encode(params)
    assert query.isascii()
    assert dict(parse_qsl(query, keep_blank_values=True)) == params
    assert Signer(secret.encode()).sign(query.encode()) == judge(secret.encode(), query.encode())


def test_signature_is_64_lower_case_hex_digits() -> None:
    signature = Signer(b"k").sign(b"m")
    assert len(signature) == 64
    assert set(signature) <= set("0123456789abcdef")


def test_signer_shows_nothing_and_is_neither_pickled_nor_copied() -> None:
    signer = Signer(DOC_SECRET)
    assert repr(signer) == str(signer) == f"{signer}" == "Signer(***)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            attempt(signer)
