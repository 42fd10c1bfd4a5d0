"""Faults on demand: which of the things that can go wrong go wrong now.

Nothing here touches a socket or a clock. A fault is described by a value, `Faults` decides from a seeded random source
whether it strikes, and whoever owns the socket carries it out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from random import Random
from typing import Literal, NamedTuple, TypeAlias, get_args

import msgspec

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
"""On the stream. refuse: a connection is reset instead of accepted. block: a subscription is refused. drop: the socket
is reset. half_open: the socket stays and nothing is sent any more. expire_key: the listen key ends just before a
private push. skip: a push is left out. duplicate: it is sent twice. delay: it and what follows are held back. reorder:
it comes after the channel's next one. corrupt: its bytes are no message any more.

To requests. mute: never answered. error: answered with a gateway's page. reset: the connection is reset. truncate: the
answer breaks off. restart: the exchange restarts, its book kept. hold: processed late. overtake: an order waits until
a cancel has overtaken it. late_answer: processed now, answered late. answer_twice: the answer is written twice. lag:
lookups do not see what is new. cancel_lag: cancels do not see it. fill_first: an order fills just before its cancel."""

Stage: TypeAlias = Literal["unread", "read", "processed"]
"""How far a request has come: only its head was read; it was read and counted; it was carried out."""

BREAKING: tuple[Kind, ...] = ("drop", "half_open", "expire_key")
"""Kinds that end a socket of the stream."""

AT_ONCE: tuple[Kind, ...] = (*BREAKING, "restart")
"""Kinds that can also strike right now instead of at the next opportunity."""

LOSSES: tuple[Kind, ...] = ("restart", "reset", "mute", "error", "truncate")
"""Kinds that keep the answer of a request from its sender."""

_STAGED: tuple[Kind, ...] = ("restart", "reset", "mute", "error")
_STATUSES = (403, *range(500, 600))
_LONGEST_CUT = 8


class BadFault(ValueError):
    """A fault cannot be used as described; the message is one line."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that goes wrong, and when. Raises BadFault for what makes no sense."""

    kind: Kind
    on: str = "*"
    """Patterns (`*`, `?`), divided by `|`, of what it strikes: full channel names, the path for `refuse`, or for
    requests the endpoint by its name or by method and path, such as `new_order|batch_orders` or `POST *`."""
    chance: float = 1.0
    """Probability at each opportunity."""
    after: int = 0
    """Opportunities that pass first."""
    times: int | None = None
    """How often it strikes at most; None for no limit."""
    delay_ms: int = 1000
    """How long it holds back, waits at most, or hides what is new; for `restart`, how long connections are refused."""
    at: Stage = "processed"
    """When in a request's life reset, mute, error and restart strike."""
    status: int = 504
    """HTTP status of `error`: 403 or 5xx."""
    part: float = 1.0
    """Share of what is left of an order that `fill_first` fills, one step at least; for a batch whose answer is lost,
    the share of its orders that were carried out before, one at least."""
    now: bool = False
    """Strike every matching socket once, at once, and leave no rule behind."""

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise BadFault(f"fault {self.kind}: chance {self.chance} is not between 0 and 1")
        if self.after < 0 or self.delay_ms < 0 or (self.times is not None and self.times < 1):
            raise BadFault(f"fault {self.kind}: after and delay_ms cannot be negative, times is at least 1")
        if self.now and self.kind not in AT_ONCE:
            raise BadFault(f"fault {self.kind}: only {', '.join(AT_ONCE)} can strike at once")
        if self.at != "processed" and self.kind not in _STAGED:
            raise BadFault(f"fault {self.kind}: only {', '.join(_STAGED)} can strike before a request is processed")
        if self.status not in _STATUSES:
            raise BadFault(f"fault {self.kind}: status {self.status} is neither 403 nor 5xx")
        if not 0 < self.part <= 1:
            raise BadFault(f"fault {self.kind}: part {self.part} is not above 0 and at most 1")


class FaultCount(msgspec.Struct, frozen=True):
    """A fault and what has come of it."""

    fault: Fault
    seen: int
    """Opportunities it had."""
    struck: int


def parse_fault(text: str) -> Fault:
    """`KIND[,NAME=VALUE...]`, such as `skip,on=*aggre.depth*,chance=0.01`. Raises BadFault."""
    kind, *settings = text.split(",")
    if kind not in get_args(Kind):
        raise BadFault(f"fault {text!r}: {kind!r} is none of {', '.join(get_args(Kind))}")
    pairs = [setting.partition("=")[::2] for setting in settings]
    for name, _ in pairs:
        if name not in Fault.__struct_fields__[1:]:
            raise BadFault(f"fault {text!r}: {name!r} is none of {', '.join(Fault.__struct_fields__[1:])}")
    try:
        return msgspec.convert({"kind": kind, **dict(pairs)}, Fault, strict=False)
    except msgspec.ValidationError as error:
        raise BadFault(f"fault {text!r}: {error}") from None


class _Rule:
    __slots__ = ("fault", "matches", "random", "seen", "struck")

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
        self.matches = matcher(fault.on)
        self.random = random
        self.seen = 0
        self.struck = 0

    def strikes(self) -> bool:
        """Whether this opportunity is taken."""
        fault = self.fault
        self.seen += 1
        if self.seen <= fault.after or (fault.times is not None and self.struck >= fault.times):
            return False
        if fault.chance < 1 and self.random.random() >= fault.chance:
            return False
        self.struck += 1
        return True


class Faults:
    """The rules in force. Each draws from a random source of its own, so that its choices depend on nothing else."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.random = Random(f"{seed}:faults")
        self._seed = seed
        self._added = 0
        self._rules: dict[str, list[_Rule]] = {}
        for fault in faults:
            self.add(fault)

    def __bool__(self) -> bool:
        return bool(self._rules)

    def add(self, fault: Fault) -> None:
        """Put a fault in force beside the others; the oldest that strikes wins."""
        self._added += 1
        random = Random(f"{self._seed}:fault {self._added}:{fault.kind}")
        self._rules.setdefault(fault.kind, []).append(_Rule(fault, random))

    def clear(self) -> None:
        """From now on nothing goes wrong; what is already broken stays so."""
        self._rules.clear()

    def counts(self) -> list[FaultCount]:
        """Every rule in force."""
        return [FaultCount(rule.fault, rule.seen, rule.struck) for rules in self._rules.values() for rule in rules]

    def strikes(self, kind: Kind, *names: str) -> Fault | None:
        """The fault of this kind that befalls what has these names now, if any. Every call is one opportunity."""
        for rule in self._rules.get(kind, ()):
            if any(map(rule.matches, names)) and rule.strikes():
                return rule.fault
        return None


def matcher(patterns: str) -> Callable[[str], object]:
    """What tells whether a name fits one of the patterns of `Fault.on`."""
    return re.compile("|".join(map(translate, patterns.split("|")))).match


class Passage(NamedTuple):
    """What becomes of one push on its way to one socket."""

    frames: tuple[bytes, ...]
    delay_ms: int = 0
    broken: Kind | None = None
    """drop, half_open or expire_key: what happens to the socket instead."""


class Wire:
    """The faults of one socket's pushes."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._held: dict[str, bytes] = {}
        """By channel, the push that waits for the next one to overtake it."""

    @property
    def is_holding(self) -> bool:
        """Whether a push still waits to be overtaken."""
        return bool(self._held)

    def carry(self, channel: str, frame: bytes) -> Passage:
        """What to send of `frame`."""
        strikes = self._faults.strikes
        for kind in BREAKING:
            if (kind != "expire_key" or channel.startswith("spot@private.")) and strikes(kind, channel):
                return Passage((), broken=kind)
        if strikes("skip", channel):
            return Passage(())
        if strikes("corrupt", channel):
            frame = corrupted(frame, self._faults.random)
        frames = (frame, frame) if strikes("duplicate", channel) else (frame,)
        earlier = self._held.pop(channel, None)
        if earlier is not None:
            frames = (*frames, earlier)
        elif strikes("reorder", channel):
            self._held[channel] = frame
            return Passage(())
        delay = strikes("delay", channel)
        return Passage(frames, delay.delay_ms if delay else 0)


def corrupted(frame: bytes, random: Random) -> bytes:
    """Bytes that no reader of `frame` can take for a message: its end is cut off, or all of it is noise."""
    if random.random() < 0.5:
        return b"\xff" * len(frame)
    return frame[: -random.randint(1, _LONGEST_CUT)]
