"""Networks that know how to write themselves down, so that a saved model can be rebuilt from plain data."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from bundle.errors import InputError
from bundle.networks.initial_weights import empty_weights_allowed

Module = TypeVar("Module", bound=type[torch.nn.Module])
PACKAGE = "bundle.networks"


def describes_itself(cls: Module) -> Module:
    """Class decorator: `instance.spec()` gives `{"_target_": ..., argument: value}` of plain values only.

    Arguments that are themselves described modules are nested. Two instances built from one spec have equal
    shapes, so a spec plus a state dict is a whole model, and reading one runs no code from the file.
    """
    original: Callable[..., None] = cls.__init__
    signature = inspect.signature(original)

    @functools.wraps(original)
    def __init__(self: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        original(self, *args, **kwargs)
        given = {name: value for name, value in bound.arguments.items() if name != "self"}
        # a child replaced in the constructor (a fusion built from its partial) is the one to write down
        recorded: Any = self  # a plain attribute, which torch modules do not declare
        recorded._spec = {
            name: getattr(self, name, value) if callable(value) else value for name, value in given.items()
        }

    def spec(self: torch.nn.Module) -> dict[str, Any]:
        arguments = {name: _plain(value, f"{cls.__name__}.{name}") for name, value in self._spec.items()}  # type: ignore[union-attr,operator]
        return {"_target_": f"{PACKAGE}.{cls.__name__}", **arguments}

    cls.__init__ = __init__  # type: ignore[method-assign]
    cls.spec = spec  # type: ignore[attr-defined]
    return cls


def _plain(value: Any, where: str) -> Any:
    if hasattr(value, "spec"):
        return value.spec()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item, where) for key, item in value.items()}
    raise InputError(
        f"{where}: a {type(value).__name__} cannot go into model.json; give numbers, text or a bundle.networks class"
    )


def build(spec: dict[str, Any]) -> torch.nn.Module:
    """The network a spec describes, with fresh weights.

    Raises:
        InputError: when `_target_` is not a class of bundle.networks, or an argument is unknown or impossible. Nothing
            else can be named in a spec, so a downloaded model.json cannot run code.
    """
    target = spec.get("_target_") if isinstance(spec, dict) else spec
    package, _, name = str(target).rpartition(".")
    cls = getattr(importlib.import_module(PACKAGE), name, None) if package == PACKAGE else None
    if cls is None or not hasattr(cls, "spec"):
        raise InputError(f"model.json: `_target_` is {target!r}; expected a network class of {PACKAGE}")
    arguments = {
        key: build(value) if isinstance(value, dict) and "_target_" in value else value
        for key, value in spec.items()
        if key != "_target_"
    }
    try:
        with empty_weights_allowed():
            return cls(**arguments)
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(f"model.json: {name}: {str(error).splitlines()[0]}") from error
