"""A strategy: a coroutine function `async def main(mexc, **parameters)`, from a file or given, and its parameters.

It is the same function on recorded data, on a simulated exchange and live.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from functools import partial
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, NamedTuple, TypeAlias, Union, get_args, get_origin

import msgspec

from mexc_async.errors import ConfigError, InvalidRequest
from mexc_async.schema.validation import choices, exact, kind_of, shown

Main: TypeAlias = Callable[..., Coroutine[Any, Any, object]]
"""`async def main(mexc, **parameters)`."""

_TAKES = {
    bool: "true or false",
    int: "a whole number, as in 5",
    float: "a number, as in 0.5",
    Decimal: "an exact number, as in 0.001",
}
_MANY = (list, tuple, set, frozenset, Sequence, Iterable)


class Strategy:
    """A checked `main` function with the values of its parameters."""

    def __init__(self, main: Main, parameters: Mapping[str, object] | None = None) -> None:
        """Check the function and convert its parameters. Raises ConfigError.

        A parameter given as text is converted to its annotated type: Decimal, int, float, bool, str, an enum, a
        `Literal`, or a list of these separated by commas. Another value must have that type already.
        """
        self.main = main
        self.name = name_of(main)
        """File and function, such as `grid.py:main`."""
        self.parameters = _bound(main, self.name, parameters or {})

    def start(self, client: object) -> Coroutine[Any, Any, object]:
        """Return the coroutine of a run with this client: a `Mexc`, or the `Accounts` of several."""
        return self.main(client, **self.parameters)

    def texts(self) -> dict[str, str]:
        """Return the parameters as text, those left at their defaults too, for a record of the run."""
        known, _ = _parameters(self.main, self.name)
        defaults = {name: one.default for name, one in known.items() if not one.is_needed}
        return {name: as_text(value) for name, value in (defaults | self.parameters).items()}

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value}' for name, value in self.texts().items())})"


def load(place: str) -> Main:
    """Return the function at a place such as `grid.py:main`; without a name it is `main`.

    The file is run, as by `python grid.py`, with its folder first in the path of modules. Raises ConfigError, and what
    the file raises.
    """
    path, name = _place("strategy", place)
    module = run_file(path)
    found: object = getattr(module, name, None)
    if found is None:
        here = [key for key, value in vars(module).items() if _is_own(value, module)]
        known = f"its async functions are {', '.join(here)}" if here else "it has no async function"
        raise ConfigError(f"strategy {place!r}: {path.name} has no {name}; {known}")
    _check_async(found, f"{path.name}:{name}")
    return found  # type: ignore[return-value]  # a coroutine function


def load_rule(place: str) -> Callable[..., Any]:
    """Return the function at a place such as `grid.py:flat`, a rule of a rehearsal.

    A strategy's file is not run again. Raises ConfigError, and what the file raises.
    """
    path, name = _place("invariant", place)
    module = sys.modules.get(_module_name(path))
    if module is None or getattr(module, "__file__", None) != str(path.resolve()):
        module = run_file(path)
    found: object = getattr(module, name, None)
    if not callable(found):
        raise ConfigError(f"invariant {place!r}: {path.name} has no function {name}")
    return found


def _place(what: str, place: str) -> tuple[Path, str]:
    """Return file and name of a place. Raises ConfigError."""
    file, _, name = place.partition(":") if place.count(":") < 2 else place.rpartition(":")
    path = Path(file)
    if path.is_dir() or path.suffix != ".py":
        raise ConfigError(f"{what} {place!r} names no Python file: give FILE.py:FUNCTION, as in grid.py:main")
    if not path.is_file():
        raise ConfigError(f"{what} {place!r}: there is no file {file}")
    return path, name or "main"


def _module_name(path: Path) -> str:
    return f"strategy_{path.stem}"


def _is_own(value: object, module: ModuleType) -> bool:
    return inspect.iscoroutinefunction(value) and value.__module__ == module.__name__


def run_file(path: Path) -> ModuleType:
    """Import a file under a name that no other module has."""
    spec = importlib.util.spec_from_file_location(_module_name(path), path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[module.__name__] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    return module


def name_of(main: object) -> str:
    """Return file and name of a function, such as `grid.py:main`."""
    inner = main.func if isinstance(main, partial) else main
    code = getattr(inner, "__code__", None)
    name = getattr(inner, "__qualname__", None) or type(inner).__name__
    return f"{Path(code.co_filename).name}:{name}" if code is not None else name


def place_of(function: object) -> str:
    """Return the place of a function as `load` takes it: the file by its path from the working directory if inside."""
    inner = function.func if isinstance(function, partial) else function
    code = getattr(inner, "__code__", None)
    path = Path(code.co_filename) if code is not None else Path()
    here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{here}:{getattr(inner, '__qualname__', type(inner).__name__)}"


def _check_async(main: object, name: str) -> None:
    if not callable(main):
        raise ConfigError(f"{name} is {kind_of(main)}, not a function: a strategy is async def main(mexc, ...)")
    if not inspect.iscoroutinefunction(main):
        why = "yields values" if inspect.isasyncgenfunction(main) else "is not async"
        raise ConfigError(f"{name} {why}: a strategy is async def main(mexc, ...), which ends by return")


class _Parameter(NamedTuple):
    """One parameter of a strategy."""

    name: str
    of: str
    """Name of the strategy."""
    hint: object
    """Declared type; text while its names are unknown at run time, None if it is open."""
    default: object

    @property
    def is_needed(self) -> bool:
        """True if the strategy has no default for it."""
        return self.default is inspect.Parameter.empty

    def converted(self, value: object) -> object:
        """Return the value in the declared type. Raises ConfigError."""
        if isinstance(self.hint, str) and isinstance(value, str):
            raise self._wrong(value, f"of type {self.hint}, which {self.of} does not know at run time: import it there")
        if self.hint is None or isinstance(self.hint, str):
            return value
        arms = _arms(self.hint)
        if value is None and (NoneType in arms or not self.is_needed):
            return None
        if Decimal in arms and isinstance(value, float):
            return self._exact(value)
        if not isinstance(value, str) and any(isinstance(arm, type) and _is_one(value, arm) for arm in arms):
            return value
        return self._convert(value, arms)

    def _exact(self, value: object) -> Decimal:
        try:
            return exact(f"parameter {self.name}", value)
        except InvalidRequest as error:
            raise ConfigError(f"{self.of}: {error.message}") from None

    def _convert(self, value: object, arms: Sequence[Any]) -> object:
        is_list = isinstance(value, str) and _origin(arms[0]) in _MANY
        given: object = str(value).split(",") if is_list else value
        try:
            found: object = msgspec.convert(given, self.hint, strict=not isinstance(value, str))
        except (msgspec.ValidationError, TypeError):
            raise self._wrong(value, self._wanted(arms)) from None
        if isinstance(found, float | Decimal) and not Decimal(found).is_finite():
            raise self._wrong(value, "a finite number")
        if (allowed := choices(self.hint)) and getattr(found, "value", found) not in allowed:  # of an open enum
            raise self._wrong(value, self._wanted(arms))
        return found

    def _wanted(self, arms: Sequence[Any]) -> str:
        if allowed := choices(self.hint):
            return f"one of {', '.join(map(str, allowed))}"
        if _origin(arms[0]) in _MANY:
            items = [_TAKES.get(item, "a text") for item in get_args(arms[0])[:1]]
            return " each ".join(["a list separated by commas,", *items])
        return _TAKES.get(arms[0], f"of type {getattr(arms[0], '__name__', arms[0])}")

    def _wrong(self, value: object, wanted: str) -> ConfigError:
        return ConfigError(f"parameter {self.name} {shown(value)} of {self.of} is not {wanted}")


def _is_one(value: object, kind: type) -> bool:
    """Return True if a value has a plain type, or is of a class that texts and numbers cannot be converted to."""
    if kind in _TAKES or kind is str:
        return type(value) is kind
    return isinstance(value, kind)


def _arms(hint: object) -> tuple[Any, ...]:
    """Return the alternatives of a type, without None in front."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(sorted(get_args(hint), key=lambda arm: arm is NoneType))
    return (hint,)


def _origin(hint: object) -> object:
    return get_origin(hint) or hint


def _bound(main: Main, name: str, given: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments of `main` besides the client. Raises ConfigError."""
    _check_async(main, name)
    known, takes_any = _parameters(main, name)
    for key in given:
        if key not in known and not takes_any:
            close = get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"it takes {', '.join(known) or 'none'}"
            raise ConfigError(f"parameter {key} is none of {name}: {hint}")
    if missing := [key for key, one in known.items() if one.is_needed and key not in given]:
        raise ConfigError(f"{name} needs {', '.join(missing)}: give {'it' if len(missing) == 1 else 'them'} a value")
    return {key: known[key].converted(value) if key in known else value for key, value in given.items()}


def _parameters(main: Main, name: str) -> tuple[dict[str, _Parameter], bool]:
    """Return the parameters after the client, and True if `main` takes any others. Raises ConfigError."""
    taken = [*inspect.signature(main).parameters.values()]
    client = taken[0] if taken else None
    if client is None or client.kind in (client.KEYWORD_ONLY, client.VAR_KEYWORD):
        raise ConfigError(f"{name} takes no client: a strategy is async def main(mexc, ...)")
    found = {}
    for one in taken[1:]:
        if one.kind is one.POSITIONAL_ONLY and one.default is one.empty:
            raise ConfigError(f"{name} takes {one.name} by position only: parameters are given by name")
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            found[one.name] = _Parameter(one.name, name, _hint(main, one), one.default)
    return found, any(one.kind is one.VAR_KEYWORD for one in taken)


def _hint(main: Main, parameter: inspect.Parameter) -> object:
    """Return the type of a parameter, that of its default if none is declared; None if it is open."""
    declared: object = parameter.annotation
    if declared is parameter.empty:
        return type(parameter.default) if type(parameter.default) in (*_TAKES, str) else None
    if isinstance(declared, str):
        inner = main.func if isinstance(main, partial) else main
        try:
            declared = eval(declared, getattr(inner, "__globals__", {}))  # noqa: S307 - the strategy's own source
        except Exception:  # a name that is imported for type checkers only
            return declared
    return None if declared in (Any, object) else declared


def as_text(value: object) -> str:
    """Return a parameter's value as text; of an object of another kind only its type, which is the same in each run."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(as_text(item) for item in value)
    return str(value) if isinstance(value, str | int | float) else kind_of(value)
