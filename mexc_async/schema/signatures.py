"""Signatures and help texts of endpoints, as people read them: `help(mexc.spot.new_order)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache, reduce
from operator import or_
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mexc_async.schema.meanings import meaning
from mexc_async.schema.validation import choices


@cache
def signature(request: Callable[..., object], result: object) -> inspect.Signature:
    """Return the signature of a call with this type of answer: keyword-only parameters with plain types."""
    hints = get_type_hints(request)
    parameters = inspect.signature(request).parameters.values()
    plain = [one.replace(annotation=_plain(hints[one.name])) for one in parameters]
    return inspect.Signature(plain, return_annotation=result)


def _plain(hint: Any) -> Any:
    """Return a parameter's type without the checks in it; a closed set is a Literal of its texts or numbers."""
    arms = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if allowed := choices(hint):
        arms = (Literal[tuple(allowed)], *(NoneType for arm in arms if arm is NoneType))
    return reduce(or_, arms)


def help_text(request: Callable[..., object]) -> str:
    """Return a request's docstring, the meaning of each parameter, and the endpoint's path, permission and weights."""
    kind: Any = request
    route = kind.route
    parts = [inspect.getdoc(kind) or ""]
    if meanings := [f"    {name}: {text}" for name in kind.__struct_fields__ if (text := meaning(kind, name))]:
        parts.append("\n".join(["Args:", *meanings]))
    facts = [f"{route.method} {route.path}"]
    facts += [f"permission {route.permission}"] if route.permission else []
    facts += [f"weight {cost.weight} in limit `{cost.limit}`" for cost in route.costs]
    return "\n\n".join([*parts, "; ".join(facts) + "."])
