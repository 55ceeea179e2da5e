"""Loading a function from a user's file, which is run as a module and unloaded afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from chainrule.cage import Refusal, function_of
from chainrule.cli.errors import CommandError
from chainrule.files import file_errors
from chainrule.words import ChainruleError


def split_target(target: str) -> tuple[str, str]:
    """Split `FILE.py:FUNC` or `FILE.py:CLASS.METHOD` into file and name; raise CommandError for anything else."""
    path, colon, name = target.rpartition(":")
    parts = name.split(".")
    if not colon or not path or len(parts) > 2 or not all(part.isidentifier() for part in parts):
        example = f"{target or 'model.py'}:loss" if target.endswith(".py") or not target else "model.py:loss"
        raise CommandError(f"{target!r} names no function; give a file and a function, as in {example}")
    return path, name


@contextlib.contextmanager
def loaded_function(path: str, name: str) -> Iterator[Callable[..., Any]]:
    """A context with the function `name` of the file at `path`, in which modules beside the file can be imported.

    Output of the file goes to standard error. Raises CommandError, with the line, for an error in the file, also for
    one raised while the block calls the function.
    """
    with file_errors(path):
        if os.path.isdir(path):
            raise IsADirectoryError
        with open(path, "rb") as stream:
            source = stream.read()
    folder = os.path.dirname(os.path.abspath(path))
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        with _user_code(path), contextlib.redirect_stdout(sys.stderr):
            yield function_of(_run(path, source), path, name)
    finally:
        sys.path.remove(folder)
        for module in set(sys.modules) - before:
            file = getattr(sys.modules[module], "__file__", None) or ""
            if file.startswith(folder + os.sep):
                del sys.modules[module]


def _run(path: str, source: bytes) -> ModuleType:
    name = f"_chainrule_{os.path.splitext(os.path.basename(path))[0]}"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = os.path.abspath(path)
    sys.modules[name] = module  # dataclasses look up their module
    exec(compile(source, path, "exec"), vars(module))  # noqa: S102
    return module


@contextlib.contextmanager
def _user_code(path: str) -> Iterator[None]:
    """Convert any exception of the user's code to one line with its location."""
    try:
        yield
    except Refusal as error:
        raise CommandError(str(error)) from None
    except (ChainruleError, CommandError):
        raise
    except SyntaxError as error:
        place = f"{error.filename or path}:{error.lineno}" if error.lineno else path
        raise CommandError(f"{place}: {error.msg}") from None
    except SystemExit:
        raise CommandError(
            f"{path} ends the program, as sys.exit does; leave that out, or guard it with if __name__ == '__main__'"
        ) from None
    except Exception as error:  # the user's code may raise any exception
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        place = f"{path}:{frames[-1].lineno}" if frames else path
        if not frames:
            raise
        raise CommandError(f"{place}: {type(error).__name__}: {error}") from None
