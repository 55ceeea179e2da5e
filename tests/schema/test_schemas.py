"""Plain data by annotations: what is written is read again, and what does not fit is refused with its place."""

from __future__ import annotations

import copy
import enum
import json
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.interchange import SIZE
from chainrule.ir import SymbolicDim, named_dim
from chainrule.schema import COUNT, MANY, OMITTED, POSITIVE, DescriptionError, Schema, different
from chainrule.words import ChainruleError


class Alias:
    """A type alias that is an object, as `type X = …` makes it from Python 3.12 on and NumPy 2.5's NDArray is."""

    def __init__(self, value: Any) -> None:
        self.__value__ = value

    def __getitem__(self, arguments: Any) -> Any:
        return types.GenericAlias(self, arguments)  # type: ignore[arg-type]


T = TypeVar("T")
ARRAY = np.zeros(3)
ARRAY_HINT: Any = Alias(np.ndarray[Any, np.dtype[Any]])


@pytest.mark.parametrize(
    ("hint", "data", "value"),
    [
        (Alias(types.GenericAlias(list, (T,)))[int], [1, 2], [1, 2]),
        (ARRAY_HINT, {"tensor": "a"}, ARRAY),
        (Alias(Alias(np.ndarray)), {"tensor": "a"}, ARRAY),
        (Alias(int | SymbolicDim), 3, 3),
        (types.GenericAlias(dict, (str, ARRAY_HINT)), {"x": {"tensor": "a"}}, {"x": ARRAY}),
        (types.GenericAlias(tuple, (Alias(float), ...)), [0.5, "inf"], (0.5, float("inf"))),
    ],
)
def test_aliases_of_types_are_what_they_stand_for(hint: Any, data: Any, value: Any) -> None:
    np.testing.assert_equal(Schema(forms=(SIZE,)).read(hint, data, "it", {"a": ARRAY}), value)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0


@dataclass(frozen=True)
class Circle:
    centre: Point
    radius: Annotated[float, POSITIVE]


@dataclass(frozen=True)
class Square:
    side: Annotated[float, POSITIVE]
    corners: Annotated[tuple[Literal["sharp", "round"], ...], MANY] = ("sharp",)

    def __post_init__(self) -> None:
        if self.side > 1e6:
            raise ValueError("a square of\nsuch a size")


@dataclass(frozen=True, eq=False)
class Picture:
    title: str
    shapes: tuple[Circle | Square, ...]
    frame: Square | None
    colour: Colour
    copies: Annotated[int, COUNT]
    sizes: tuple[int | SymbolicDim, ...]
    pixels: NDArray[Any]
    marks: dict[str, float]
    pair: tuple[int, bool]
    anything: Any = None
    hook: Callable[[], Any] | None = None
    labels: Annotated[tuple[str, ...], different("texts"), OMITTED] = ()


SCHEMA = Schema({"picture": Picture, "circle": Circle, "square": Square}, "kind", (Point,), (SIZE,))
PIXELS = np.arange(4.0)
PICTURE = Picture(
    "a",
    (Circle(Point(1, -math.inf), 2.0), Square(1.0)),
    None,
    Colour.BLUE,
    2,
    (3, named_dim("n") + 1),
    PIXELS,
    {"m": math.nan},
    (1, True),
    {"n": [1, None, "x"]},
)


def written(picture: Picture = PICTURE) -> tuple[Any, dict[str, Any]]:
    tensors: dict[str, Any] = {}
    text = json.dumps(SCHEMA.written(picture, "it", tensors), allow_nan=False)
    return json.loads(text), tensors


def read(data: Any, tensors: Mapping[str, Any]) -> Picture:
    found: Picture = SCHEMA.read(Picture, data, "it", tensors)
    return found


def test_what_is_written_is_read_again() -> None:
    data, tensors = written()
    found = read(data, tensors)
    for name in ("title", "shapes", "frame", "colour", "copies", "sizes", "pair", "hook", "labels"):
        assert getattr(found, name) == getattr(PICTURE, name), name
    assert found.pixels is PIXELS
    assert math.isnan(found.marks["m"])
    assert found.anything == {"n": (1, None, "x")}
    assert written(found) == (data, tensors)


def test_a_field_that_files_lack_is_its_default_and_is_written_otherwise() -> None:
    data, tensors = written()
    assert "labels" not in data
    data["labels"] = ["b", "a"]
    again, _ = written(read(data, tensors))
    assert again["labels"] == ["b", "a"]


def put(*path: Any, value: Any) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        if value is Ellipsis:
            del data[path[-1]]
        else:
            data[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put("copies", value=0), "it.copies is 0; it should be a whole number of at least 1"),
        (put("copies", value=True), "it.copies is True; it should be a whole number of at least 1"),
        (put("copies", value=1.0), "it.copies is 1.0; it should be a whole number"),
        (put("copies", value=2**63), "it.copies is 9223372036854775808; it should be a whole number"),
        (put("copies", value=...), "it lacks 'copies'"),
        (put("copy", value=1), "it has the unknown entry 'copy'"),
        (put("titel", value="a"), "it has the unknown entry 'titel'; did you mean 'title'?"),
        (put("kind", value="pictur"), "it is of the unknown kind 'pictur'; it should be one of picture"),
        (put("kind", value="circle"), "it is of the unknown kind 'circle'"),
        (put("kind", value=...), "it is of the unknown kind None"),
        (put("title", value=1), "it.title is 1; it should be text"),
        (put("title", value="\ud800"), "it should be text in Unicode"),
        (put("title", value="a" * 1_000_001), "…; it should be text"),
        (put("shapes", value={}), "it.shapes is an object; it should be a list"),
        (put("shapes", value=[1]), "it.shapes[0] is 1; it should be an object"),
        (
            put("shapes", 0, "kind", value="squar"),
            "of the unknown kind 'squar'; it should be one of circle, square; did you mean 'square'?",
        ),
        (put("shapes", 0, "radius", value=0), "it.shapes[0].radius is 0; it should be a positive, finite number"),
        (put("shapes", 0, "radius", value="inf"), "it.shapes[0].radius is 'inf'; it should be a positive"),
        (put("shapes", 0, "radius", value="wide"), "it.shapes[0].radius is 'wide'; it should be a positive"),
        (put("shapes", 0, "radius", value=False), "it.shapes[0].radius is False; it should be a positive"),
        (put("shapes", 0, "centre", "x", value=True), "it.shapes[0].centre.x is True; it should be a number"),
        (put("shapes", 0, "centre", "x", value=10**400), "is a huge number; it should be a number of moderate size"),
        (put("shapes", 0, "centre", "y", value=...), "it.shapes[0].centre lacks 'y'"),
        (put("shapes", 0, "centre", "z", value=1), "it.shapes[0].centre has the unknown entry 'z'"),
        (put("shapes", 1, "corners", value=[]), "it.shapes[1].corners is (); it should be a list that is not empty"),
        (
            put("shapes", 1, "corners", 0, value="rond"),
            "corners[0] is 'rond'; it should be one of sharp, round; did you mean 'round'?",
        ),
        (put("shapes", 1, "side", value=1e9), "it.shapes[1] is no Square: a square of such a size"),
        (
            put("frame", value={"kind": "circle", "centre": {"x": 0, "y": 0}, "radius": 1}),
            "it.frame is of the unknown kind 'circle'",
        ),
        (put("colour", value="green"), "it.colour is 'green'; it should be one of red, blue"),
        (put("colour", value=["red"]), "it.colour is a list; it should be one of red, blue"),
        (put("sizes", value=[True]), "it.sizes is True; it should be a whole number"),
        (put("pixels", value=[1.0]), "it.pixels is a list; it should be an object"),
        (put("pixels", "tensor", value="gone"), "it.pixels names the tensor 'gone', which the file lacks"),
        (put("pixels", "more", value=1), "it.pixels is an object; it should be the name of a tensor"),
        (put("marks", "m", value="much"), "it.marks.m is 'much'; it should be a number"),
        (put("pair", value=[1]), "it.pair has 1 entries; it should have 2"),
        (put("pair", 1, value=1), "it.pair[1] is 1; it should be true or false"),
        (put("hook", value="print"), "it.hook is 'print'; it should be of another kind"),
        (put("labels", value=["a", "a"]), "it.labels is ('a', 'a'); it should be different texts"),
        (put("anything", value={"kind": "os.system"}), "it.anything is of the unknown kind 'os.system'"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(change: Callable[[Any], None], said: str) -> None:
    data, tensors = written()
    data = copy.deepcopy(data)
    change(data)
    with pytest.raises(DescriptionError) as caught:
        read(data, tensors)
    assert said in str(caught.value).replace("it.sizes[0]", "it.sizes")
    assert len(str(caught.value).splitlines()) == 1


def test_the_caller_says_how_places_are_called_and_what_is_raised() -> None:
    class OwnError(ChainruleError):
        pass

    schema = Schema(parts=(Point,), error=OwnError, within="{name} of {place}")
    with pytest.raises(OwnError, match=r"^x of the point is None; it should be a number$"):
        schema.read(Point, {"x": None, "y": 0}, "the point")
    with pytest.raises(OwnError, match=r"^the point is a function, which a file cannot hold; give a name"):
        schema.written(len, "the point")


@dataclass
class Stranger:
    x: int = 0
    y: list[Any] = field(default_factory=list)


@pytest.mark.parametrize("value", [Stranger(), [Stranger()], {"a": {1, 2}}, 1j, PIXELS], ids=repr)
def test_what_a_schema_does_not_know_is_not_written(value: Any) -> None:
    with pytest.raises(DescriptionError, match="which a file cannot hold"):
        SCHEMA.written(value, "it")


def test_a_dataclass_that_a_schema_does_not_know_is_not_made() -> None:
    with pytest.raises(DescriptionError, match="does not read"):
        SCHEMA.read(Stranger, {"x": 1, "y": []}, "it")


@pytest.mark.parametrize("data", [True, 1.0, "1", [1], {"is": 1}, 3])
def test_a_number_among_several_is_that_number(data: Any) -> None:
    assert Schema().read(Literal[1, 2], 2, "it") == 2
    with pytest.raises(DescriptionError, match=r"^it is .*; it should be one of 1, 2$"):
        Schema().read(Literal[1, 2], data, "it")
