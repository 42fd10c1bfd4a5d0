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
    "cut",
    "hang_up",
    "kill",
    "freeze",
    "mute",
    "error",
    "reset",
    "truncate",
    "clip",
    "stall",
    "restart",
    "hold",
    "overtake",
    "late_answer",
    "answer_twice",
    "repeat_answer",
    "stale_answer",
    "swap_requests",
    "swap_answers",
    "request_twice",
    "throttle",
    "ban",
    "clock",
    "lag",
    "cancel_lag",
    "fill_first",
]
"""Kinds of faults.

On the stream. refuse: a connection is reset instead of accepted. block: a subscription is refused. drop: the connection
is reset. half_open: the socket stays open and sends nothing more. expire_key: the listen key expires just before a
private push. skip: a push is left out. duplicate: a push is sent twice. delay: a push and all later ones are delayed.
reorder: a push is sent after the channel's next one. corrupt: a push cannot be decoded. cut: the beginning of a push
arrives, then the connection ends.

On the stream and on requests. hang_up: the connection is closed, without a close frame or an answer. kill, freeze: the
client's process is killed, or stands still; a rehearsal carries them out.

On requests. mute: the request is never answered. error: the answer is a gateway's error page. reset: the connection is
reset. truncate: the answer breaks off. clip: the beginning of the answer's body arrives as if it were the whole. stall:
the answer begins, and nothing follows. restart: the exchange restarts with the same book. hold: the request is
processed late. overtake: an order waits until a cancel has overtaken it. late_answer: the request is processed now and
answered late. answer_twice: the answer is sent twice. repeat_answer: the answer is sent again a while later, before any
later answer. stale_answer: a copy of the answer comes a while later, maybe behind later answers. swap_requests: the
request and one of another connection change places, and so do their answers. swap_answers: the answers of two
connections change places. request_twice: the request is carried out twice. throttle, ban: requests get 429 or 418 for a
while, as if another program of this address had reached a limit. clock: the exchange's clock jumps. lag: lookups do not
see what is new. cancel_lag: cancels do not see what is new. fill_first: an order fills just before its cancel."""

Stage: TypeAlias = Literal["unread", "read", "processed"]
"""Progress of a request: only its headers were read; it was read and counted; it was carried out."""

PROCESS: tuple[Kind, ...] = ("kill", "freeze")
"""Kinds that befall the client's process. The simulator only reports them."""

BREAKING: tuple[Kind, ...] = ("drop", "half_open", "expire_key", "hang_up", "cut")
"""Kinds that end a stream connection."""

AT_ONCE: tuple[Kind, ...] = ("drop", "half_open", "expire_key", "hang_up", "restart")
"""Kinds that can also apply at once instead of at the next opportunity."""

LOSSES: tuple[Kind, ...] = ("restart", "reset", "hang_up", "mute", "error", "truncate", "clip", "stall")
"""Kinds that lose the answer of a request."""

_STAGED: tuple[Kind, ...] = ("restart", "reset", "hang_up", "mute", "error", *PROCESS)
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
    """Delay, longest wait, or age below which data is hidden, in ms; for `restart`, the time without connections; for
    `clock`, the jump, which may be negative; for `throttle` and `ban`, the time in which requests are refused."""
    at: Stage = "processed"
    """Stage of a request at which reset, hang_up, mute, error, restart, kill and freeze apply."""
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
        is_backward = self.delay_ms < 0 and self.kind != "clock"
        if self.after < 0 or is_backward or (self.times is not None and self.times < 1):
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
    __slots__ = ("fault", "random", "seen", "struck")

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
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
        self._matching: dict[tuple[Kind, tuple[str, ...]], list[_Rule]] = {}
        """Rules by kind and the names that they match."""
        self._in_force: dict[tuple[Kind, ...], list[Kind]] = {}
        """Results of `in_force`."""
        for fault in faults:
            self.add(fault)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, fault: Fault) -> None:
        """Put a fault in force beside the others. Of several that apply, the oldest wins."""
        self._added += 1
        random = Random(f"{self._seed}:fault {self._added}:{fault.kind}")
        self._rules.setdefault(fault.kind, []).append(_Rule(fault, random))
        self._matching.clear()
        self._in_force.clear()

    def clear(self) -> None:
        """Remove all faults. Broken connections stay broken."""
        for known in (self._rules, self._passed, self._matching, self._in_force):
            known.clear()

    def counts(self) -> list[FaultCount]:
        """Return every fault in force with its counts."""
        return [FaultCount(rule.fault, rule.seen, rule.struck) for rules in self._rules.values() for rule in rules]

    def in_force(self, kinds: tuple[Kind, ...]) -> list[Kind]:
        """Return those of some kinds that have a fault in force, in their order."""
        found = self._in_force.get(kinds)
        if found is None:
            found = self._in_force[kinds] = [kind for kind in kinds if kind in self._rules]
        return found

    def draw(self, kind: Kind, *names: str, may_strike: bool = True) -> Fault | None:
        """Count an opportunity for each fault of this kind that matches a name; return the first one that applies.

        It is returned as an exact entry, with the first name as label. With `may_strike=False` none is returned,
        because another fault has taken the opportunity.
        """
        if kind not in self._rules:
            return None
        place = kind, names[0]
        after = self._passed.get(place, 0)
        self._passed[place] = after + 1
        rules = self._matching.get((kind, names))
        if rules is None:
            rules = [rule for rule in self._rules[kind] if any(map(matcher(rule.fault.on), names))]
            self._matching[kind, names] = rules
        first: _Rule | None = None
        for rule in rules:
            if rule.applies() and first is None:
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
