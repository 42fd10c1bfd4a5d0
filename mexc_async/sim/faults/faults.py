"""Fault injection: descriptions of faults, and the decision which of them apply.

Nothing here touches a socket or a clock. `Faults` decides with a seeded random source. The owner of the socket carries
the fault out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from random import Random
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec
from msgspec.structs import replace

Kind: TypeAlias = Literal[
    "refuse",
    "block",
    "drop",
    "half_open",
    "expire_key",
    "skip",
    "duplicate",
    "delay",
    "reorder",
    "corrupt",
    "mute",
    "error",
    "reset",
    "truncate",
    "restart",
    "hold",
    "overtake",
    "late_answer",
    "answer_twice",
    "lag",
    "cancel_lag",
    "fill_first",
]
"""Kinds of faults.

On the stream. refuse: a connection is reset instead of accepted. block: a subscription is refused. drop: the connection
is reset. half_open: the socket stays open and sends nothing more. expire_key: the listen key expires just before a
private push. skip: a push is left out. duplicate: a push is sent twice. delay: a push and all later ones are delayed.
reorder: a push is sent after the channel's next one. corrupt: a push cannot be decoded.

On requests. mute: the request is never answered. error: the answer is a gateway's error page. reset: the connection is
reset. truncate: the answer breaks off. restart: the exchange restarts with the same book. hold: the request is
processed late. overtake: an order waits until a cancel has overtaken it. late_answer: the request is processed now and
answered late. answer_twice: the answer is sent twice. lag: lookups do not see what is new. cancel_lag: cancels do not
see what is new. fill_first: an order fills just before its cancel."""

Stage: TypeAlias = Literal["unread", "read", "processed"]
"""Progress of a request: only its headers were read; it was read and counted; it was carried out."""

BREAKING: tuple[Kind, ...] = ("drop", "half_open", "expire_key")
"""Kinds that end a stream connection."""

AT_ONCE: tuple[Kind, ...] = (*BREAKING, "restart")
"""Kinds that can also apply at once instead of at the next opportunity."""

LOSSES: tuple[Kind, ...] = ("restart", "reset", "mute", "error", "truncate")
"""Kinds that lose the answer of a request."""

_STAGED: tuple[Kind, ...] = ("restart", "reset", "mute", "error")
_STATUSES = (403, *range(500, 600))


class BadFault(ValueError):
    """Error for an unusable description of a fault. The message is one line."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault and the conditions under which it applies. Raises BadFault for contradictory or invalid settings."""

    kind: Kind
    on: str = "*"
    """Patterns (`*`, `?`), separated by `|`: full channel names on the stream, the path for `refuse`, and for requests
    the endpoint's name or its method and path, such as `new_order|batch_orders` or `POST *`."""
    chance: float = 1.0
    """Probability at each opportunity, from 0 to 1."""
    after: int = 0
    """Number of opportunities to pass over first."""
    times: int | None = None
    """Largest number of times that the fault applies; None for no limit."""
    delay_ms: int = 1000
    """Delay, longest wait, or age below which data is hidden, in ms; for `restart`, the time without connections."""
    at: Stage = "processed"
    """Stage of a request at which reset, mute, error and restart apply."""
    status: int = 504
    """HTTP status of `error`: 403 or 5xx."""
    part: float = 1.0
    """Share from above 0 to 1: of an order's remainder that `fill_first` fills, at least one step; or of a batch's
    orders that are placed before its answer is lost, at least one."""
    now: bool = False
    """True to apply the fault once to every matching socket, at once, without leaving a rule."""

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise BadFault(f"fault {self.kind}: chance {self.chance} is not between 0 and 1")
        if self.after < 0 or self.delay_ms < 0 or (self.times is not None and self.times < 1):
            raise BadFault(f"fault {self.kind}: after and delay_ms cannot be negative, times is at least 1")
        if self.now and self.kind not in AT_ONCE:
            raise BadFault(f"fault {self.kind}: only {', '.join(AT_ONCE)} can apply at once")
        if self.at != "processed" and self.kind not in _STAGED:
            raise BadFault(f"fault {self.kind}: only {', '.join(_STAGED)} can apply before a request is processed")
        if self.status not in _STATUSES:
            raise BadFault(f"fault {self.kind}: status {self.status} is neither 403 nor 5xx")
        if not 0 < self.part <= 1:
            raise BadFault(f"fault {self.kind}: part {self.part} is not above 0 and at most 1")


class FaultCount(msgspec.Struct, frozen=True):
    """A fault in force and its counts."""

    fault: Fault
    seen: int
    """Number of opportunities so far."""
    struck: int


def parse_fault(text: str) -> Fault:
    """Parse `KIND[,NAME=VALUE...]`, such as `skip,on=*aggre.depth*,chance=0.01`. Raises BadFault."""
    kind, *settings = text.split(",")
    if kind not in get_args(Kind):
        raise BadFault(f"fault {text!r}: {kind!r} is none of {', '.join(get_args(Kind))}")
    pairs = [(name, value) for name, _, value in (setting.partition("=") for setting in settings)]
    for name, _ in pairs:
        if name not in Fault.__struct_fields__[1:]:
            raise BadFault(f"fault {text!r}: {name!r} is none of {', '.join(Fault.__struct_fields__[1:])}")
    try:
        return msgspec.convert({"kind": kind, **dict(pairs)}, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise BadFault(f"fault {text!r}: {error}") from None


class Strike(NamedTuple):
    """A fault that is about to be carried out."""

    fault: Fault
    """Exact entry, which repeats the strike: `on` is its label, `after` the number of opportunities that passed
    before, `times` is 1."""
    at_ms: int
    """Time of the exchange, milliseconds UTC."""
    orders: tuple[str, ...]
    """Client order ids that the request or the push names."""

    @property
    def label(self) -> str:
        """Name of the endpoint, full name of the channel, or the path for `refuse`."""
        return self.fault.on


Report: TypeAlias = Callable[[Fault, Callable[[], tuple[str, ...]]], None]
"""Takes the exact entry of a fault that is about to be carried out, and a function that finds the orders it names."""


def no_orders() -> tuple[str, ...]:
    """Return no orders."""
    return ()


class _Rule:
    __slots__ = ("fault", "matches", "random", "seen", "struck")

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
        self.matches = matcher(fault.on)
        self.random = random
        self.seen = 0
        self.struck = 0

    def applies(self) -> bool:
        """Count an opportunity and return True if the fault applies."""
        fault = self.fault
        self.seen += 1
        if self.seen <= fault.after:
            return False
        applies = fault.chance == 1 or self.random.random() < fault.chance
        return applies and (fault.times is None or self.struck < fault.times)


class Faults:
    """The faults in force. Each has a random source of its own, so that no fault changes another's draws."""

    def __init__(
        self, faults: Iterable[Fault] = (), *, seed: int = 0, report: Report = lambda fault, orders: None
    ) -> None:
        """Put faults in force. `report` is called for each one that is about to be carried out."""
        self.report = report
        self._seed = seed
        self._added = 0
        self._rules: dict[Kind, list[_Rule]] = {}
        self._passed: dict[tuple[Kind, str], int] = {}
        """Number of opportunities by kind and label, since the first fault of the kind."""
        for fault in faults:
            self.add(fault)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, fault: Fault) -> None:
        """Put a fault in force beside the others. Of several that apply, the oldest wins."""
        self._added += 1
        random = Random(f"{self._seed}:fault {self._added}:{fault.kind}")
        self._rules.setdefault(fault.kind, []).append(_Rule(fault, random))

    def clear(self) -> None:
        """Remove all faults. Broken connections stay broken."""
        self._rules.clear()
        self._passed.clear()

    def counts(self) -> list[FaultCount]:
        """Return every fault in force with its counts."""
        return [FaultCount(rule.fault, rule.seen, rule.struck) for rules in self._rules.values() for rule in rules]

    def draw(self, kind: Kind, *names: str, may_strike: bool = True) -> Fault | None:
        """Count an opportunity for each fault of this kind that matches a name; return the first one that applies.

        It is returned as an exact entry, with the first name as label. With `may_strike=False` none is returned,
        because another fault has taken the opportunity.
        """
        rules = self._rules.get(kind)
        if rules is None:
            return None
        place = kind, names[0]
        after = self._passed.get(place, 0)
        self._passed[place] = after + 1
        first: _Rule | None = None
        for rule in rules:
            if any(map(rule.matches, names)) and rule.applies() and first is None:
                first = rule
        if first is None or not may_strike:
            return None
        first.struck += 1
        return replace(first.fault, on=names[0], after=after, chance=1.0, times=1)

    def strikes(self, kind: Kind, *names: str) -> Fault | None:
        """Do what `draw` does, and report the fault."""
        fault = self.draw(kind, *names)
        if fault is not None:
            self.report(fault, no_orders)
        return fault

    def random_of(self, fault: Fault) -> Random:
        """Return the source of the details of a drawn fault: the same one for the same entry."""
        return Random(f"{self._seed}:{fault.kind}:{fault.on}:{fault.after}")


def matcher(patterns: str) -> Callable[[str], object]:
    """Compile the patterns of `Fault.on` into a function whose result is true for a matching name."""
    return re.compile("|".join(map(translate, patterns.split("|")))).match
