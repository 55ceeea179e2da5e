"""Functions that a trace cannot represent faithfully are rejected, never changed silently."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import random
import threading
from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.subprocesses import script

import chainrule as cr

X = np.array([1.0, 2.0, 3.0])


def test_a_value_of_an_earlier_call_is_refused() -> None:
    kept: list[Any] = []

    def first(x: Any, cache: Any = kept) -> Any:
        cache.append(np.sin(x))
        return np.sum(x**2)

    cr.grad(first)(X)
    for function in (lambda x: np.sum(x * kept[0]), lambda x: np.sum(kept[0]), lambda x: cr.sigmoid(kept[0])[0] * x[0]):
        with pytest.raises(cr.TraceError, match=r"kept from another call of .*first"):
            cr.grad(function)(X)
    with pytest.raises(cr.TraceError, match="kept from another call"):
        cr.grad(lambda x: kept[0][0])(X)
    with pytest.raises(cr.TraceError, match="kept from another call"):
        cr.sigmoid(kept[0])


def test_a_value_of_an_inner_call_is_of_no_use_in_the_outer_one() -> None:
    kept: list[Any] = []

    def inner(y: Any) -> Any:
        kept.append(y * 2)
        return np.sum(y**3)

    def outer(x: Any) -> Any:
        return np.sum(cr.grad(inner)(x)) + np.sum(kept[-1])

    with pytest.raises(cr.TraceError, match=r"kept from another call of .*inner"):
        cr.grad(outer)(X)


def test_a_value_of_the_outer_call_is_the_inner_ones_to_use_and_to_keep() -> None:
    def outer(x: Any) -> Any:
        kept: list[Any] = []

        def inner(y: Any) -> Any:
            kept.append(x * 2)
            return np.sum(y * kept[-1])

        return np.sum(cr.grad(inner)(x) ** 2) + np.sum(kept[-1])

    np.testing.assert_allclose(cr.grad(outer)(X), 8 * X + 2)


def test_a_value_of_a_call_in_another_thread_is_refused() -> None:
    kept: list[Any] = []
    running, done = threading.Event(), threading.Event()

    def waiting(x: Any) -> Any:
        kept.append(x)
        running.set()
        done.wait(30)
        return np.sum(x)

    thread = threading.Thread(target=lambda: cr.grad(waiting)(X))
    thread.start()
    try:
        assert running.wait(30)
        with pytest.raises(cr.TraceError, match="kept from another call"):
            cr.grad(lambda x: np.sum(x * kept[0]))(X)
    finally:
        done.set()
        thread.join()


def test_threads_of_the_function_may_compute_with_its_values() -> None:
    def function(x: Any) -> Any:
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(x**2))
        thread.start()
        thread.join()
        return np.sum(results[0])

    np.testing.assert_allclose(cr.grad(function)(X), 2 * X)


def test_a_pull_back_that_outlives_its_arguments_is_refused() -> None:
    kept: list[Any] = []

    def outer(x: Any) -> Any:
        _, pull_back = cr.vjp(lambda y: y**2, x)
        kept.append(pull_back)
        return np.sum(pull_back(x)[0])

    np.testing.assert_allclose(cr.grad(outer)(X), 4 * X)
    with pytest.raises(cr.TraceError, match="kept from another call"):
        kept[0](X)


@dataclasses.dataclass(frozen=True)
class Frozen:
    w: Any
    b: Any = None
    kind: Any = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.w, np.ndarray):
            raise TypeError("an array is wanted")


@dataclasses.dataclass
class Slotted:
    __slots__ = ("layers",)
    layers: list[Any]


def test_records_have_gradients_of_their_own_structure() -> None:
    gradient = cr.grad(lambda p: np.sum(p.w**2) + p.b)(Frozen(X, 2.0))
    assert isinstance(gradient, Frozen)
    np.testing.assert_allclose(gradient.w, 2 * X)
    assert gradient.b == 1.0
    assert gradient.kind is None
    nested = cr.grad(lambda p: np.sum(p["a"].layers[1].w ** 2))({"a": Slotted([0.5, Frozen(X)])})
    assert isinstance(nested["a"], Slotted)
    assert nested["a"].layers[0] == 0
    np.testing.assert_allclose(nested["a"].layers[1].w, 2 * X)
    space = cr.grad(lambda p: np.sum(p.w**2))(SimpleNamespace(w=X))
    assert isinstance(space, SimpleNamespace)
    np.testing.assert_allclose(space.w, 2 * X)
    value, tangent = cr.jvp(lambda p: {"r": Slotted([p.layers[0] * 2])}, (Slotted([X]),), (Slotted([np.ones(3)]),))
    np.testing.assert_allclose(value["r"].layers[0], 2 * X)
    np.testing.assert_allclose(tangent["r"].layers[0], 2 * np.ones(3))


def test_a_record_that_is_not_differentiated_by_is_passed_on() -> None:
    config = Frozen(X, kind="square")

    def loss(x: Any, config: Frozen) -> Any:
        assert config.kind == "square"
        if config.w[0] > 0:
            return np.sum(x * config.w)
        raise AssertionError

    np.testing.assert_allclose(cr.grad(loss)(np.ones(3), config), X)


class Plain:
    def __init__(self) -> None:
        self.w = X


@pytest.mark.parametrize(
    "argument", [Plain(), deque([X]), {1.0, 2.0}, {"a": [Plain()], "b": X}, True, "text", np.sin, 1j, object()]
)
def test_what_has_no_gradient_is_refused(argument: Any) -> None:
    with pytest.raises(cr.ProgramError, match="argument 0"):
        cr.grad(lambda p: np.sum(np.ones(3)))(argument)


def test_random_numbers_that_would_be_frozen_are_refused() -> None:
    generator, other = np.random.default_rng(0), random.Random(0)
    draw = generator.normal

    class Noise:
        def __init__(self) -> None:
            self.rng = np.random.RandomState(0)

        def loss(self, w: Any) -> Any:
            return w * self.rng.rand()

    seed, settings, deep = None, {"seed": None}, [{"a": ({"rng": generator},)}]

    def helper() -> Any:
        return generator.normal()

    def with_default(rng: Any = other) -> Any:
        return rng.random()

    def imported(w: Any) -> Any:
        from numpy.random import normal

        return w * normal()

    def nested(w: Any) -> Any:
        return sum(w * other.random() for _ in range(2))

    functions: list[Any] = [
        lambda w: w * np.random.normal(),
        lambda w: w * generator.normal(),
        lambda w: w * draw(),
        lambda w: w * helper(),
        lambda w: w * random.random(),
        lambda w: w * random.gauss(0, 1),
        lambda w, rng=generator: w * rng.normal(),
        lambda w: w * np.random.default_rng().normal(),
        lambda w: w * np.random.RandomState().rand(),
        lambda w: w * np.random.RandomState(seed).rand(),
        lambda w: w * np.random.RandomState(seed=settings["seed"]).rand(),
        lambda w: w * random.Random().random(),
        lambda w: w * random.Random(seed).random(),
        lambda w: w * deep[0]["a"][0]["rng"].normal(),
        lambda w: w * with_default(),
        imported,
        nested,
        Noise().loss,
    ]
    for function in functions:
        with pytest.raises(cr.TraceError, match=r"(?s)draws random numbers from .*cr\.random_normal"):
            cr.fit(function, {"w": 1.0}, {}, cr.SGD(1e-3), epochs=1)
        with pytest.raises(cr.TraceError, match="draws random numbers"):
            cr.trace(function, w="")


def test_the_line_that_draws_is_shown() -> None:
    def loss(w: Any) -> Any:
        z = w * 2
        noise = np.random.normal()
        return z + noise

    with pytest.raises(cr.TraceError, match=r"test_silent_faults\.py:\d+: noise = np\.random\.normal\(\)\n"):
        cr.trace(loss, w="")


def test_random_numbers_that_are_the_same_in_each_call_are_constants() -> None:
    def loss(w: Any) -> Any:
        rng = np.random.default_rng(0)
        return w * rng.normal() + noisy(w, rng) + noisy(w, np.random.RandomState(1))

    def noisy(w: Any, rng: Any) -> Any:
        return w * rng.normal()

    class Settings:
        seed = 3

    def seeded(w: Any) -> Any:
        first = make(
            Settings.seed,
        ).rand()
        return w * first * make(seed=Settings.seed + 1).rand() * make(list(range(3))).rand() * random.Random(2).random()

    make = np.random.RandomState
    generator = np.random.default_rng(5)
    fixed = generator.normal(size=3)
    cr.trace(loss, w="")
    cr.trace(seeded, w="")
    cr.trace(lambda w: np.sum(w * fixed) * (generator is not None), w="3")


def test_a_global_state_that_only_a_library_names_is_noticed() -> None:
    """In a process of its own: such states are compared only where no other Python thread may have moved them."""
    said = script(
        """
        import types
        import numpy as np
        import chainrule as cr

        library = types.ModuleType("library")
        body = "import numpy as np\\ndef draw(): return np.random.mtrand._rand"
        exec(compile(body, np.__file__, "exec"), vars(library))

        def loss(w):
            return w * library.draw().rand()

        try:
            cr.trace(loss, w="")
        except cr.TraceError as error:
            print(error)
        print(cr.grad(loss)(1.0) != cr.grad(loss)(1.0))
        """
    )
    assert "loss\n  this draws random numbers from np.random" in said
    assert said.endswith("True\n")


def test_numbers_drawn_in_a_call_do_not_get_into_a_program_made_in_it() -> None:
    def loss(w: Any) -> Any:
        return w * np.random.normal()

    def outer(x: Any) -> Any:
        cr.trace(loss, w="")
        return x * x

    with pytest.raises(cr.TraceError, match=r"draws random numbers from np\.random"):
        cr.grad(outer)(1.0)
    inner = cr.grad(lambda x: cr.grad(lambda y: y * y * np.random.normal())(x))
    assert inner(1.0) != inner(1.0)


def test_a_program_made_in_a_function_that_is_traced_stands_alone() -> None:
    def trained(scale: Any, inner: bool) -> Any:
        target = scale if inner else 1.0
        result = cr.fit(lambda w: np.sum((w - target) ** 2), {"w": np.zeros(2)}, {}, cr.SGD(0.1), epochs=3)
        return scale * np.sum(result.params["w"])

    np.testing.assert_allclose(cr.grad(trained)(3.0, False), 2 * (1 - 0.8**3))
    with pytest.raises(cr.TraceError, match="pass what is needed as an argument"):
        cr.grad(trained)(3.0, True)

    def caught(scale: Any) -> Any:
        try:
            return trained(scale, True)
        except cr.ChainruleError:
            return scale

    with pytest.raises(cr.TraceError, match="leave out the try"):
        cr.grad(caught)(3.0)


def test_random_numbers_are_those_of_the_call_of_a_gradient() -> None:
    generator = np.random.default_rng(0)
    gradient = cr.grad(lambda w: w * generator.normal())
    found = [float(gradient(1.0)), float(gradient(1.0))]
    assert found == list(np.random.default_rng(0).normal(size=2))


def test_a_refusal_that_the_function_catches_is_raised() -> None:
    def number(x: Any) -> Any:
        try:
            return float(x) * 0
        except Exception:
            return 3.0 * x

    def inner(x: Any) -> Any:
        try:
            return cr.grad(lambda y: y * float(x))(x)
        except cr.ChainruleError:
            return x

    for function in (number, inner):
        with pytest.raises(cr.TraceError, match=r"was caught in .*leave out the try"):
            cr.grad(function)(2.0)


def test_traced_values_are_arrays_for_isinstance() -> None:
    def function(x: Any, s: Any) -> Any:
        assert isinstance(x, np.ndarray)
        assert isinstance(s, float)
        assert np.isscalar(s)
        assert hasattr(x, "__len__")
        assert not hasattr(s, "__len__")
        assert isinstance(np.sum(x) > 0, np.bool_)
        return np.sum(x) * s

    assert cr.grad(function, 1)(X, 2.0) == 6.0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x) if type(x) is np.ndarray else np.sum(x**2),
        lambda x: np.sum(x) if type(x) == np.ndarray else np.sum(x**2),  # noqa: E721
        lambda x: np.sum(x) if np.ndarray is type(x) else np.sum(x**2),
        lambda x: np.sum(x) if type(x) in (list, np.ndarray) else np.sum(x**2),
        lambda x: np.sum(x) if issubclass(type(x), np.ndarray) else np.sum(x**2),
        lambda x: np.sum(x) if type(x).__name__ == "ndarray" else np.sum(x**2),
        lambda x: np.sum(x) if type(x[0]) is np.float64 else np.sum(x**2),
        lambda x: np.sum(x) * {np.ndarray: 2.0}.get(type(x), 1.0),
        lambda x: next(np.sum(p[0]) if type(p[0]) is np.ndarray else np.sum(x**2) for p in [(x, x)]),
        lambda x: sum([np.sum(p) for p in (x, [x])[:1] if type(p) is np.ndarray], 0.0 * np.sum(x)),
    ],
)
def test_the_type_of_a_traced_value_is_refused(function: Any) -> None:
    with pytest.raises(cr.TraceError, match=r"(?s)test_silent_faults\.py:\d+: .*write isinstance\(x, np\.ndarray\)"):
        cr.grad(function)(X)


def test_types_of_other_things_may_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    def function(x: Any, k: Any) -> Any:
        layers = [(x, k), {"W": x}]
        assert type(layers) is list
        assert [type(layer) for layer in layers] == [tuple, dict]
        assert type(layers[0]) is tuple
        print(type(x))  # noqa: T201
        text = f"{type(x)} {type(x).__name__}"
        assert type(k) is int
        assert type(text) is str
        assert type(x.shape) is tuple
        assert type("Local", (), {})
        return np.sum(x) * k

    np.testing.assert_array_equal(cr.grad(function)(X, 3), np.full_like(X, 3.0))
    assert "Traced" in capsys.readouterr().out


def test_an_array_is_compared_with_none_element_by_element() -> None:
    def function(x: Any, s: Any) -> Any:
        assert s != None  # noqa: E711
        return np.sum(x) * np.sum(x != None) + 10 * np.sum(x) * np.sum(x == "a")  # noqa: E711

    np.testing.assert_array_equal(cr.grad(function)(X, 2.0), np.full_like(X, X.size))
    with pytest.raises(cr.TraceError, match="write x is None"):
        cr.grad(lambda x: np.sum(x) if x == None else 0.0)(X)  # noqa: E711


def test_copies_are_the_value_and_files_are_refused() -> None:
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(copy.deepcopy({"a": x})["a"] * copy.copy(x)))(X), 2 * X)
    with pytest.raises(cr.TraceError, match="cannot be saved"):
        cr.grad(lambda x: len(pickle.dumps(x)) * np.sum(x))(X)


BITS = np.array([1, 2, 3, -7])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, k: x * (k & 1),
        lambda x, k: x * (4 | k),
        lambda x, k: x * ~k,
        lambda x, k: x * (k ^ 3),
        lambda x, k: x * ((k > 1) & k),
        lambda x, k: x * ((k > 1) & (k < 3)),
        lambda x, k: x * ((k > 1) ^ (k < 3)),
        lambda x, k: x * (~(k > 1)),
        lambda x, k: x * np.bitwise_not(k),
        lambda x, k: x * np.logical_and(k, 2),
        lambda x, k: x * np.logical_xor(k, k > 1),
        lambda x, k: x * np.logical_not(k - k > 0 if isinstance(k, int) else k == 2),
    ],
)
def test_bits_and_truth_are_those_of_numpy(function: Any) -> None:
    x = np.arange(1.0, 5.0)
    wanted = function(x, BITS)
    np.testing.assert_array_equal(cr.vjp(function, x, BITS)[0], wanted)
    for engine in ("native", "reference"):
        loss = lambda w, k: np.sum(function(w, k))  # noqa: E731
        result = cr.fit(loss, {"w": x}, {}, cr.SGD(1.0), epochs=1, constants={"k": BITS}, engine=engine)
        np.testing.assert_allclose(result.history["loss"], np.sum(wanted))


def test_the_inverse_of_unsigned_integers_is_refused() -> None:
    k = np.array([250, 3], np.uint8)
    for attempt in (
        lambda: cr.vjp(lambda x, k: x * ~k, np.ones(2), k),
        lambda: cr.trace(lambda x, k: x * np.invert(k[::-1]), x="2", k=k),
    ):
        with pytest.raises(cr.DTypeError, match=r"k \^ 255"):
            attempt()
    np.testing.assert_array_equal(cr.vjp(lambda x, k: x * (k ^ 255), np.ones(2), k)[0], ~k)
    np.testing.assert_array_equal(cr.vjp(lambda x, k: x * ~(k > 5), np.ones(2), k)[0], [0, 1])


def test_the_negative_of_unsigned_integers_is_refused() -> None:
    for function in (lambda x, k: np.sum(x * -k), lambda x, k: np.sum(x * np.negative(k & 3))):
        with pytest.raises(cr.DTypeError, match="unsigned integers are held as int64, whose negative"):
            cr.grad(function)(np.ones(4), np.arange(4, dtype=np.uint8))
        assert np.isfinite(cr.grad(function)(np.ones(4), np.arange(4))).all()


def test_what_numpy_makes_a_truth_value_is_one_or_refused() -> None:
    b, c = np.array([True, False, True]), np.array([True, True, False])
    booleans: list[Any] = [
        lambda x, b, c: x * (np.max(b) & ~np.min(c)),
        lambda x, b, c: np.where(np.max(b) ^ np.max(c), x, 2.0 * x),
        lambda x, b, c: x * np.sum(np.max(np.stack([b, c]), axis=0)),
        lambda x, b, c: x * (np.max(b) > 0),
        lambda x, b, c: x * (np.max(b) + np.max(c)),
    ]
    for function in booleans:
        assert cr.grad(function)(1.5, b, c) * 1.5 == function(1.5, b, c)
    counts: list[Any] = [
        lambda x, b, c: x * np.einsum("i,i", b, c),
        lambda x, b, c: x * np.einsum("i->", b),
    ]
    for function in counts:
        with pytest.raises(cr.DTypeError):
            cr.grad(function)(1.5, b, c)


def test_extremes_of_integers_that_floats_do_not_hold_are_refused() -> None:
    def loss(w: Any, k: Any) -> Any:
        return np.mean(w * (k == np.max(k)))

    stamps = np.array([2**60, 2**60 + 1, 5])
    for run in (
        lambda: cr.grad(loss)(np.ones(3), stamps),
        lambda: cr.fit(loss, {"w": 1.0}, {"k": stamps}, epochs=1),
    ):
        with pytest.raises(
            cr.ProgramError, match=r"np\.max takes integers from -9007199254740992 to .*k?\[0\] is 1152921504606846976"
        ):
            run()
    np.testing.assert_array_equal(cr.grad(loss)(np.ones(3), stamps >> 8), np.array([1.0, 1.0, 0.0]) / 3)


def test_powers_of_integers_that_numpy_computes_otherwise_are_refused() -> None:
    for function in (lambda x, k: x * 2**k, lambda x, k: x * k**-1, lambda x, k: x * k**k):
        with pytest.raises(cr.DTypeError, match=r"base\.astype\(float\) \*\* exponent"):
            cr.vjp(function, np.arange(1.0, 5.0), BITS)
    np.testing.assert_array_equal(cr.vjp(lambda x, k: x * k**2, np.ones(4), BITS)[0], BITS**2)
    np.testing.assert_array_equal(cr.vjp(lambda x, k: x * 2.0**k, np.ones(4), BITS)[0], 2.0**BITS)


def test_floats_have_no_bits() -> None:
    for function in (lambda x: x & 1, lambda x: ~x, lambda x: x | (x > 0)):
        with pytest.raises(cr.DTypeError, match="takes integers"):
            cr.vjp(function, X)


def _views() -> dict[str, np.ndarray[Any, Any]]:
    unaligned = np.zeros(25, np.uint8)[1:].view(np.float64)
    unaligned[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    return {
        "big-endian": X.astype(">f8"),
        "big-endian float32": X.astype(">f4"),
        "strided": np.repeat(X, 2)[::2],
        "reversed": X[::-1].copy()[::-1],
        "read-only": frozen,
        "unaligned": unaligned,
        "zero stride": np.broadcast_to(2.0, 3),
        "int": np.arange(3),
        "big-endian int": np.arange(3).astype(">i4"),
        "bool": np.array([True, False, True]),
        "half": X.astype(np.float16),
    }


@pytest.mark.parametrize("name", _views())
def test_arrays_in_any_layout(name: str) -> None:
    array = _views()[name]
    plain = array.astype(float)
    np.testing.assert_allclose(cr.grad(lambda x: np.sum(x * array))(X), plain)
    np.testing.assert_allclose(cr.grad(lambda x, c: np.sum(x * c))(X, plain), plain)
    if array.dtype.kind == "f" and array.dtype != np.float16:
        np.testing.assert_allclose(cr.grad(lambda x: np.sum(x**2))(array), 2 * plain)
        np.testing.assert_allclose(cr.sigmoid(array), cr.sigmoid(plain), rtol=1e-6)
        fitted = cr.fit(lambda w, x: np.mean((w - x) ** 2), {"w": 0.0}, {"x": array}, cr.SGD(0.5), epochs=1)
        np.testing.assert_allclose(fitted.params["w"], plain.mean(), rtol=1e-6)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize(
    ("array", "mend"),
    [
        (np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False]), "filled"),
        (np.ma.array([1.0, 2.0, 3.0]), "filled"),
        (np.rec.array(X), "np.asarray"),
        (np.array([1.0, 2.0, 3.0], dtype=object), "object"),
        (np.array(["2020", "2021", "2022"], "M8[Y]"), "datetime64"),
        (X + 0j, "complex"),
        (np.array([(1.0,)] * 3, dtype=[("a", float)]), "a"),
        (np.array([2**63] * 3, np.uint64), "int64"),
    ],
)
def test_arrays_of_another_meaning_are_refused(array: Any, mend: str) -> None:
    attempts: list[Any] = [
        lambda: cr.grad(lambda x: np.sum(x * 1.0))(array),
        lambda: cr.grad(lambda x, c: np.sum(x * c))(X, array),
        lambda: cr.grad(lambda x: np.sum(x * array))(X),
        lambda: cr.grad(lambda x: np.dot(array, x))(X),
        lambda: cr.grad(lambda p: np.sum(p["a"][0]))({"a": [array]}),
        lambda: cr.sigmoid(array),
        lambda: cr.mean_squared_error(X, array),
        lambda: cr.fit(lambda w, c: np.sum(w * c), {"w": X}, {}, epochs=1, constants={"c": array}),
    ]
    with pytest.raises(cr.ChainruleError):  # in the words of the array's own class
        cr.grad(lambda x: np.sum(array * x))(X)
    attempts += [lambda: cr.trace(lambda x: np.sum(x), x=array)] if array.dtype != np.uint64 else []
    for attempt in attempts:
        with pytest.raises(cr.ChainruleError, match=mend):
            attempt()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_matrices_are_refused() -> None:
    matrix = np.matrix(np.eye(3))
    with pytest.raises(cr.ChainruleError):
        cr.grad(lambda x: np.sum(matrix * x))(X[:, None])
    attempts: list[Any] = [
        lambda: cr.grad(lambda x: np.sum(x * x))(matrix),
        lambda: cr.grad(lambda x: np.sum(x * matrix))(X[:, None]),
        lambda: cr.softmax(matrix),
        lambda: cr.fit(lambda w, m: np.sum(m * w), {"w": X}, {"m": matrix}, epochs=1),
        lambda: cr.fit(lambda w: np.sum(w * w), {"w": matrix}, {}, epochs=1),
    ]
    for attempt in attempts:
        with pytest.raises(cr.ChainruleError, match=r"np\.asarray\(x\)"):
            attempt()


def test_a_constant_does_not_follow_later_changes() -> None:
    makers: list[Any] = [lambda a: a, lambda a: a.view(), lambda a: a[:, None], lambda a: np.broadcast_to(a, (2, 3))]
    for make in makers:
        owner = np.arange(1.0, 4.0)
        shown = make(owner)
        if isinstance(shown, np.ndarray) and shown.base is not None:
            shown.flags.writeable = False
        program = cr.trace(lambda x: np.sum(x * shown), x="3")  # noqa: B023
        before = cr.fit(program, {"x": X}, {}, cr.SGD(1.0), epochs=1).history["loss"]
        owner[:] = -1
        np.testing.assert_array_equal(cr.fit(program, {"x": X}, {}, cr.SGD(1.0), epochs=1).history["loss"], before)


def test_known_masks_choose() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    rows, both = np.array([True, False, True]), np.array([[True, False, True], [False, True, True]])
    functions: list[Any] = [
        lambda x: x[:, rows],
        lambda x: x[both],
        lambda x: x[both, 1:],
        lambda x: x[..., [True, False, False, True]],
        lambda x: x[0, rows],
        lambda x: x[None, :, rows],
        lambda x: x[..., rows, :],
        lambda x: x[()],
    ]
    for function in functions:
        np.testing.assert_array_equal(cr.vjp(function, x)[0], function(x))
    with pytest.raises(cr.ShapeError, match=r"a mask of shape \(3,\) does not fit"):
        cr.vjp(lambda x: x[rows], x)
