"""Content of a key store, and the changes that it refuses."""

from __future__ import annotations

import pytest

from mexc_async.errors import ConfigError
from mexc_async.keys.key_ring import MAX_KEYS, KeyBook, StoredKey, renewed
from mexc_async.rest.credentials import DAY_MS, age_advice, age_days


def key(number: int = 0, **more: str) -> StoredKey:
    return StoredKey(api_key=f"mx0key{number:012d}", api_secret=f"secret{number}", created_ms=number, **more)


def test_the_first_key_is_in_use_until_another_is_chosen() -> None:
    book = KeyBook().added("a", key(1)).added("b", key(2))
    assert book[None] == book["a"]
    assert book.using("b")[None] == key(2)
    assert book.using("b").without("b").in_use == "a"
    assert book.added("c", key(3)).using("b").without("b").in_use is None


def test_a_book_survives_its_json() -> None:
    book = KeyBook().added("a", key(1)).added("sub", key(2, sub_account="gridbot01", replaces="mx0old"))
    assert KeyBook.decode(book.encode()) == book


@pytest.mark.parametrize("name", ["", " a", "a b", "a/b", "-a", ".a", "a" * 33, "ä", "a\n"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="must be 1 to 32 letters"):
        KeyBook().added(name, key())


def test_a_name_and_a_key_stand_once() -> None:
    book = KeyBook().added("a", key(1))
    with pytest.raises(ConfigError, match="a key 'a' already; replace it with: mexc-async keys rotate a"):
        book.added("a", key(2))
    with pytest.raises(ConfigError, match="stored already, as 'a'"):
        book.added("b", key(1))
    with pytest.raises(ConfigError, match=f"{MAX_KEYS} keys at most"):
        KeyBook({f"k{number}": key(number) for number in range(MAX_KEYS)}).added("one", key(MAX_KEYS + 1))


def test_a_missing_key_is_named_with_those_that_there_are() -> None:
    book = KeyBook().added("a", key(1)).added("b", key(2))
    for change in (
        lambda: book["c"],
        lambda: book.using("c"),
        lambda: book.without("c"),
        lambda: book.changed("c", key()),
    ):
        with pytest.raises(ConfigError, match="there is no key 'c'; stored are: a, b"):
            change()
    with pytest.raises(ConfigError, match="mexc-async keys add NAME"):
        KeyBook()[None]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"keys": {"a": {}}}', b"\xff\xfe", '{"keys": 3}'])
def test_what_is_no_book_is_refused_and_not_repeated(data: bytes | str) -> None:
    with pytest.raises(ConfigError, match=r"^this release cannot read the format of the stored keys$"):
        KeyBook.decode(data)


def test_secrets_are_in_no_repr() -> None:
    book = KeyBook().added("a", key(7))
    assert "secret7" not in repr(book) + repr(book["a"]) + str(book)
    assert "mx0key" not in repr(book["a"])


def test_a_renewed_key_must_be_able_to_be_right() -> None:
    assert renewed(key(1), api_secret="other").api_secret == "other"
    with pytest.raises(ConfigError):
        renewed(key(1), api_secret="")


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, None), (74, None), (75, "rotate it soon"), (89, "rotate it soon"), (90, "rotate it now")],
)
def test_age_is_warned_about_from_75_days_and_louder_from_90(days: int, words: str | None) -> None:
    assert age_days(5, 5 + days * DAY_MS + DAY_MS - 1) == days
    advice = age_advice(days)
    assert advice is None if words is None else advice is not None and words in advice


def test_a_key_of_the_future_has_no_age() -> None:
    assert age_days(1000, 5) == 0
