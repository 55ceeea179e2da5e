"""Files that are not models, or damaged ones, each with its message. The corpus for loading and for commands."""

from __future__ import annotations

import copy
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from chainrule.models import Model, save_checkpoint
from chainrule.models.container import read_file, write_file
from chainrule.networks import Architecture, TrainingSettings, train
from chainrule.tables import Boolean, Category, ClassTarget, Date, LeftOut, Number, Part, Preprocessing
from chainrule.training import Adam

Change = Callable[[dict[str, Any], dict[str, Any]], object]

PREPROCESSING = Preprocessing(
    (
        Number("age", fill=30.0, mean=40.0, scale=10.0, flag_missing=True),
        Boolean("member", ("no", "yes"), fill=0.0),
        Category("city", ("Oslo", "Rome", "北京"), other=True),
        Date("since", "year-month-day", (Part("year", 2000.0, 5.0), Part("month")), fill=0),
    ),
    (LeftOut("id", "identifier", "different in every row"),),
)
NETWORK = Architecture(
    PREPROCESSING.width,
    (6, 4),
    3,
    activations=("tanh", "z * sigmoid(z)"),
    loss="cross_entropy",
    dropout=0.1,
    normalization="batch",
    alpha=1e-3,
)
TARGET = ClassTarget("kind", ("cat", "dog", "mouse"))
SETTINGS = TrainingSettings(Adam(0.01), epochs=4, batch_size=16)


def checkpointed(path: str) -> None:
    """Write a checkpoint of a small classifier of a table with every kind of column, trained briefly."""
    random = np.random.default_rng(0)
    X = random.standard_normal((40, NETWORK.inputs))
    state = train(NETWORK, NETWORK.initial(0), X, random.integers(0, 3, 40), settings=SETTINGS)
    model = Model.of(NETWORK, state.params, PREPROCESSING, TARGET, {"epochs": 4}, {"accuracy": 0.5}, "ab" * 32)
    save_checkpoint(path, model, state, SETTINGS)


@dataclass(frozen=True)
class Whole:
    """A valid file: its bytes and contents."""

    content: bytes
    description: dict[str, Any]
    tensors: dict[str, Any]

    @classmethod
    def made(cls, folder: Path) -> Whole:
        path = folder / "whole.safetensors"
        checkpointed(str(path))
        contents = read_file(str(path))
        return cls(path.read_bytes(), contents.description, contents.tensors)

    def changed(self, change: Change, path: Path) -> bytes:
        """Return the file with changed contents and a new seal."""
        description, tensors = copy.deepcopy(self.description), dict(self.tensors)
        change(description, tensors)
        write_file(str(path), description, tensors)
        return path.read_bytes()

    @property
    def header(self) -> dict[str, Any]:
        (length,) = struct.unpack("<Q", self.content[:8])
        found: dict[str, Any] = json.loads(self.content[8 : 8 + length])
        return found

    @property
    def data(self) -> bytes:
        (length,) = struct.unpack("<Q", self.content[:8])
        return self.content[8 + length :]

    def with_header(self, change: Callable[[dict[str, Any]], object]) -> bytes:
        """Return the file with a changed header, which the seal does not cover."""
        header = self.header
        change(header)
        return framed(json.dumps(header).encode(), self.data)


def framed(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def put(*path: Any, value: Any) -> Change:
    def change(description: Any, tensors: dict[str, Any]) -> None:
        place = description
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def drop(*path: Any) -> Change:
    def change(description: Any, tensors: dict[str, Any]) -> None:
        place = description
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def tensor(name: str, change: Callable[[Any], Any]) -> Change:
    def changed(description: Any, tensors: dict[str, Any]) -> None:
        tensors[name] = change(tensors[name].copy())

    return changed


def filled(value: float) -> Callable[[Any], Any]:
    def fill(array: Any) -> Any:
        array.flat[array.size // 2] = value
        return array

    return fill


def several(*changes: Change) -> Change:
    def change(description: Any, tensors: dict[str, Any]) -> None:
        for each in changes:
            each(description, tensors)

    return change


def old_model() -> bytes:
    """Return a model in the format of the first version."""
    stream = io.BytesIO()
    header = np.array(json.dumps({"format": "chainrule model 1", "sizes": [2, 3, 1]}))
    np.savez(stream, header=header, feature_mean=np.zeros(2), W1=np.zeros((2, 3)))
    return stream.getvalue()


def archive(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    return stream.getvalue()


def metadata(text: Any, **tensors: Any) -> bytes:
    return save(tensors or {"W1": np.zeros(2)}, {"chainrule": text})


def versioned(number: str) -> bytes:
    return metadata(f'{{"format":"chainrule model","version":{number}}}')


NOT_A_MODEL = "is not a model; give a file that `chainrule train --save` wrote"
DEEP = 100_000

BYTES: dict[str, tuple[Callable[[Whole], bytes], str]] = {
    "empty": (lambda w: b"", "is empty"),
    "one byte": (lambda w: b"x", "has 1 bytes, too few for a model"),
    "seven bytes": (lambda w: bytes(7), "has 7 bytes, too few for a model"),
    "eight zeros": (lambda w: bytes(8), NOT_A_MODEL),
    "zeros": (lambda w: bytes(10_000), NOT_A_MODEL),
    "all ones": (lambda w: b"\xff" * 100, NOT_A_MODEL),
    "text": (lambda w: b"age,member,city\n30,yes,Oslo\n", NOT_A_MODEL),
    "JSON": (lambda w: json.dumps(w.description).encode(), NOT_A_MODEL),
    "a pickle": (lambda w: pickle.dumps({"W1": np.zeros(3)}), NOT_A_MODEL),
    "a single .npy": (lambda w: b"\x93NUMPY\x01\x00v\x00" + bytes(200), NOT_A_MODEL),
    "a gzip file": (lambda w: b"\x1f\x8b\x08\x00" + bytes(100), NOT_A_MODEL),
    "an HDF5 file": (lambda w: b"\x89HDF\r\n\x1a\n" + bytes(100), NOT_A_MODEL),
    "an old model": (lambda w: old_model(), r"is a model in the \.npz format of an earlier version"),
    "another .npz": (lambda w: archive(x=b"1"), "is a zip archive, not a model"),
    "half an archive": (lambda w: archive(x=b"1")[:20], "is a damaged archive, not a model"),
    "cut in its header": (lambda w: w.content[:200], "is cut short: its header should end after"),
    "cut after its header": (lambda w: w.content[: len(w.content) - len(w.data)], "is cut short: its tensors take"),
    "cut in its tensors": (lambda w: w.content[:-100], "is cut short: its tensors take"),
    "cut by a byte": (lambda w: w.content[:-1], "is cut short: its tensors take"),
    "a byte too many": (lambda w: w.content + b"x", "is damaged: 1 bytes follow the last tensor"),
    "another file behind": (lambda w: w.content * 2, "bytes follow the last tensor"),
    "a byte missing in front": (lambda w: w.content[1:], NOT_A_MODEL),
    "the length of a header of 2⁶⁴ bytes": (lambda w: b"\xff" * 8 + b"{}", "its header has 18,446,744,073,709,551,615"),
    "the length of a header of 100 MB": (lambda w: struct.pack("<Q", 10**8) + b"{}", "its header has 100,000,000"),
    "a header beyond the end": (lambda w: struct.pack("<Q", 1000) + b"{}", "is cut short"),
    "an empty header": (lambda w: framed(b"{}"), "is a safetensors file of another program"),
    "a header that is a list": (lambda w: framed(b"[]"), NOT_A_MODEL),
    "a header that ends early": (lambda w: framed(b'{"a":'), "is not JSON"),
    "a header of broken UTF-8": (lambda w: framed(b'{"\xff":1}'), "is not text in UTF-8"),
    "a header nested without end": (lambda w: framed(b'{"a":' * DEEP + b"1" + b"}" * DEEP), "is nested too deeply"),
    "a header of lists without end": (lambda w: framed(b'{"a":' + b"[" * DEEP + b"]" * DEEP + b"}"), "too deeply"),
    "a header of very many entries": (lambda w: framed(b'{"a":[' + b"0," * 1_100_000 + b"0]}"), "more than 1,000,000"),
    "a header with an entry twice": (lambda w: framed(b'{"a":1,"a":2}'), "has an entry twice"),
    "a header with Infinity": (lambda w: framed(b'{"a":Infinity}'), "holds Infinity, which is not JSON"),
    "a number of 10,000 digits": (lambda w: framed(b'{"a":' + b"9" * 10_000 + b"}"), "of too many digits"),
    "without metadata": (lambda w: save({"W1": np.zeros(2)}), "is a safetensors file of another program"),
    "metadata of another program": (
        lambda w: save({"W1": np.zeros(2)}, {"format": "pt"}),
        "is a safetensors file of another program",
    ),
    "metadata that is a list": (lambda w: framed(b'{"__metadata__":[]}'), "of another program"),
    "a description that is a number": (lambda w: framed(b'{"__metadata__":{"chainrule":3}}'), "of another program"),
    "a description that is empty": (lambda w: metadata(""), "is not JSON"),
    "a description that is no JSON": (lambda w: metadata("{'a': 1}"), "is not JSON"),
    "a description that is a list": (lambda w: metadata("[]"), "its description is of another format"),
    "a description that is null": (lambda w: metadata("null"), "its description is of another format"),
    "a description of nothing": (lambda w: metadata("{}"), "its description is of another format"),
    "a description of another format": (lambda w: metadata('{"format":"x"}'), "its description is of another format"),
    "a description with a lone surrogate": (
        lambda w: framed(
            b'{"__metadata__":{"chainrule":"{\\"format\\":\\"chainrule model\\",\\"version\\":2,\\ud800"}}'
        ),
        "is not JSON|invalid JSON",
    ),
    "a description nested without end": (lambda w: metadata('{"a":' * DEEP), "is nested too deeply"),
    "a newer version": (
        lambda w: versioned("3"),
        "has version 3 of the format, and this version of chainrule reads up to 2; update chainrule",
    ),
    "a version of long ago": (
        lambda w: versioned("1"),
        "never a safetensors file",
    ),
    "a newer version with other kinds of numbers": (
        lambda w: framed(
            json.dumps(
                {
                    "__metadata__": {"chainrule": '{"format":"chainrule model","version":3}'},
                    "a": {"dtype": "F8_E8M0", "shape": [2], "data_offsets": [0, 2]},
                }
            ).encode(),
            bytes(2),
        ),
        "has version 3 of the format, and this version of chainrule reads up to 2; update chainrule",
    ),
    "a version that is text": (lambda w: versioned('"2"'), "its version is '2'"),
    "a version that is true": (
        lambda w: versioned("true"),
        "its version is True",
    ),
    "no version": (lambda w: metadata('{"format":"chainrule model"}'), "its version is None"),
    "without a seal": (lambda w: versioned("2"), "its SHA-256 differs"),
    "a seal of another file": (
        lambda w: metadata('{"format":"chainrule model","version":2,"sha256":"' + "0" * 64 + '"}'),
        "its SHA-256 differs",
    ),
    "a weight changed": (lambda w: w.content[:-3] + bytes([w.content[-3] ^ 1]) + w.content[-2:], "SHA-256 differs"),
    "a class renamed": (lambda w: w.content.replace(b"mouse", b"moose"), "its SHA-256 differs"),
    "tensors exchanged": (
        lambda w: w.with_header(lambda h: h.update({"b1": h["b2"], "b2": h["b1"]})),
        "its SHA-256 differs",
    ),
    "overlapping tensors": (
        lambda w: w.with_header(lambda h: h["b1"].update(data_offsets=h["gain1"]["data_offsets"])),
        "overlaps with another|does not begin where",
    ),
    "tensors that share bytes": (
        lambda w: framed(json.dumps({"a": entry([2], 0, 16), "b": entry([2], 8, 24)}).encode(), bytes(24)),
        "its tensor 'b' overlaps with another",
    ),
    "a gap between tensors": (
        lambda w: framed(json.dumps({"a": entry([1], 8, 16), "b": entry([1], 0, 8)}).encode(), bytes(24)),
        "8 bytes follow the last tensor",
    ),
    "a gap before the tensors": (
        lambda w: framed(json.dumps({"a": entry([1], 8, 16)}).encode(), bytes(16)),
        "does not begin where the one before it ends",
    ),
    "a tensor that ends before it begins": (
        lambda w: framed(json.dumps({"a": entry([1], 8, 0)}).encode(), bytes(8)),
        "has -8 bytes, where its shape takes 8",
    ),
    "a tensor of the wrong length": (
        lambda w: framed(json.dumps({"a": entry([2], 0, 8)}).encode(), bytes(8)),
        "has 8 bytes, where its shape takes 16",
    ),
    "a tensor beyond all bounds": (
        lambda w: framed(json.dumps({"a": entry([2**40, 2**40, 2**40], 0, 8)}).encode(), bytes(8)),
        "where its shape takes",
    ),
    "a huge tensor that is not there": (
        lambda w: framed(json.dumps({"a": entry([2**37], 0, 2**40)}).encode(), bytes(8)),
        "is cut short: its tensors take 1,099,511,627,776 bytes",
    ),
    "a negative size": (
        lambda w: framed(json.dumps({"a": entry([-1], 0, 8)}).encode(), bytes(8)),
        "has a shape or offsets that are not lists of whole numbers",
    ),
    "a size that is a fraction": (
        lambda w: framed(json.dumps({"a": entry([1.0], 0, 8)}).encode(), bytes(8)),
        "has a shape or offsets that are not lists of whole numbers",
    ),
    "a size that is true": (
        lambda w: framed(json.dumps({"a": entry([True], 0, 8)}).encode(), bytes(8)),
        "has a shape or offsets that are not lists of whole numbers",
    ),
    "three offsets": (
        lambda w: w.with_header(lambda h: h["b1"].update(data_offsets=[0, 8, 16])),
        "has a shape or offsets that are not lists of whole numbers",
    ),
    "a tensor of very many axes": (
        lambda w: framed(json.dumps({"a": entry([1] * 100, 0, 8)}).encode(), bytes(8)),
        "has a shape or offsets that are not lists",
    ),
    "half precision": (lambda w: w.with_header(lambda h: h["b1"].update(dtype="F16")), "is of the kind 'F16'"),
    "a kind that there is not": (
        lambda w: w.with_header(lambda h: h["b1"].update(dtype="F65")),
        "is of the kind 'F65'",
    ),
    "a kind that is a list": (lambda w: w.with_header(lambda h: h["b1"].update(dtype=[])), "is of the kind a list"),
    "a tensor without a shape": (lambda w: w.with_header(lambda h: h["b1"].pop("shape")), "is not described by"),
    "a tensor with more": (lambda w: w.with_header(lambda h: h["b1"].update(code="x")), "is not described by"),
    "a tensor that is a number": (lambda w: w.with_header(lambda h: h.update(b1=3)), "is not described by"),
}


def entry(shape: list[Any], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": "F64", "shape": shape, "data_offsets": [begin, end]}


def more_inputs(description: dict[str, Any], tensors: dict[str, Any]) -> None:
    nodes = description["program"]["nodes"]
    nodes.append({"input": "V", "dtype": "float64", "shape": [2]})
    description["program"]["inputs"].append(len(nodes) - 1)


def renamed_rows(description: dict[str, Any], tensors: dict[str, Any]) -> None:
    """Rename the input X of the program."""
    for node in description["program"]["nodes"]:
        if node.get("input") == "X":
            node["input"] = "Z"


def as_many_rows(size: Any) -> Change:
    """Set the number of rows of X to a number or a polynomial."""

    def change(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        description["program"] = simple(size)

    return change


def simple(rows: Any, width: Any = 9, outputs: Any = None, dtype: str = "float64") -> dict[str, Any]:
    """Return a program that returns its X, or an array filled with a constant."""
    shape = [rows, width]
    nodes: list[Any] = [{"input": "X", "dtype": dtype, "shape": shape}]
    if outputs is not None:
        nodes.append({"constant": 0.5, "dtype": "float64", "shape": outputs})
    return {"nodes": nodes, "inputs": [0], "outputs": [len(nodes) - 1], "names": []}


def alone(program: dict[str, Any]) -> Change:
    """Return a change to a model with only a program, without parameters."""

    def change(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors.clear()
        for name in ("loss", "preprocessing", "target", "checkpoint"):
            description[name] = None
        description.update(program=program, parameters=[], architecture={})

    return change


def grown() -> dict[str, Any]:
    """Return a program of many values that are each within the limits, but not in total."""
    program = simple("n", 4)
    for k in range(40):
        fields = {"shape": ["n", 4, 2**17 + k], "axes": [0, 1]}
        program["nodes"].append({"apply": "Broadcast", "to": [0], "fields": fields})
        program["nodes"].append({"apply": "Sum", "to": [2 * k + 1], "fields": {"axes": [2]}})
        if k:
            program["nodes"][-1] = {"apply": "Sum", "to": [len(program["nodes"]) - 2], "fields": {"axes": [2]}}
    last = [k for k, node in enumerate(program["nodes"]) if node.get("apply") == "Sum"]
    total = last[0]
    for each in last[1:]:
        program["nodes"].append({"apply": "Add", "to": [total, each], "fields": {}})
        total = len(program["nodes"]) - 1
    program["outputs"] = [total]
    return program


def shrinking() -> dict[str, Any]:
    """Return a program with a size that is positive while symbolic, and negative for a block of rows."""
    program = simple("n", 4)
    fields = {"starts": [0, 0], "sizes": [[[1000], [-1, "n"]], 4], "strides": [1, 1]}
    program["nodes"].append({"apply": "Slice", "to": [0], "fields": fields})
    program["outputs"] = [0, 1]
    return program


def deleted(*names: str) -> Change:
    def change(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        for name in names:
            del tensors[name]

    return change


TOP = ("program", "loss", "parameters", "preprocessing", "target", "architecture", "settings", "metrics", "versions")
DESCRIPTIONS: dict[str, tuple[Change, str]] = {
    **{f"no {name}": (drop(name), f"the description lacks '{name}'") for name in (*TOP, "fingerprint", "trained")},
    "no word of checkpoints": (drop("checkpoint"), "the description lacks 'checkpoint'"),
    "an unknown entry": (put("code", value="import os"), "the description has the unknown entry 'code'"),
    **{
        f"{name} is a number": (put(name, value=3), f"{name} is 3; it should be|{name} is 3, it should be")
        for name in (
            "program",
            "loss",
            "parameters",
            "preprocessing",
            "architecture",
            "settings",
            "metrics",
            "versions",
        )
    },
    "a target that is text": (put("target", value="kind"), "target is 'kind'; it should be an object"),
    "program is null": (put("program", value=None), "program is None; it should be an object"),
    "a fingerprint that is a number": (put("fingerprint", value=1), "fingerprint is 1; it should be text"),
    "a fingerprint of a novel": (put("fingerprint", value="x" * 10_000), "it should be text of at most 1,000 letters"),
    "a date that is a number": (put("trained", value=2025), "trained is 2025; it should be text"),
    "a version that is a list": (put("versions", "numpy", value=[2]), "versions.numpy is a list; it should be text"),
    "an unknown primitive": (
        put("program", "nodes", -1, "apply", value="Explode"),
        "a primitive that this version does not have",
    ),
    "a forward reference": (put("program", "nodes", -1, "to", value=[900]), "names node 900"),
    "a program with a cycle": (put("program", "nodes", -1, "to", value=[-1]), "names node -1"),
    "a loss that is an array": (put("loss", "outputs", value=[0]), "does not give one number|is used but is not"),
    "a loss of two": (lambda d, t: d["loss"]["outputs"].append(d["loss"]["outputs"][0]), "does not give one number"),
    "one parameter too few in the list": (lambda d, t: d["parameters"].pop(), "the parameters lack 'variance2'"),
    "a parameter twice": (lambda d, t: d["parameters"].append("W1"), "it should be different names"),
    "a parameter that the file lacks": (deleted("W2"), "parameters names the tensor 'W2', which the file lacks"),
    "a parameter that the program has not": (
        several(lambda d, t: d["parameters"].append("V"), lambda d, t: t.update(V=np.zeros(2))),
        "there is a parameter 'V' that the program does not take",
    ),
    "an input that has no parameter": (more_inputs, "the parameters lack 'V', which the program takes"),
    "a parameter that is a number": (lambda d, t: d["parameters"].append(7), "is 7; it should be text"),
    "parameters as an object": (put("parameters", value={"W1": 0}), "parameters is an object; it should be a list"),
    "nan among the weights": (tensor("W1", filled(np.nan)), "the parameter W1 holds numbers that are not finite"),
    "infinity among the weights": (tensor("b3", filled(np.inf)), "the parameter b3 holds numbers that are not finite"),
    "minus infinity among the statistics": (
        tensor("mean1", filled(-np.inf)),
        "mean1 holds numbers that are not",
    ),
    "weights of another shape": (tensor("W1", lambda a: a.T), r"W1 has the shape \(6, 10\)"),
    "weights of one axis": (tensor("W1", lambda a: a.ravel()), r"W1 has the shape \(60,\)"),
    "weights too few": (tensor("b1", lambda a: a[:-1]), r"b1 has the shape \(5,\)"),
    "weights in single precision": (tensor("W1", lambda a: a.astype(np.float32)), "and holds float32"),
    "weights that are whole": (tensor("W1", lambda a: a.astype(np.int64)), "and holds int64"),
    "weights that are truth values": (tensor("W1", lambda a: a > 0), "and holds bool"),
    "a tensor that nothing uses": (lambda d, t: t.update(secret=np.zeros(3)), "nothing uses its tensor 'secret'"),
    "no input X": (renamed_rows, "the program has no input 'X'"),
    "a fixed number of rows": (alone(simple(7)), r"it should be floats \(n, width\), with a name"),
    "rows that are twice something": (alone(simple([[2, "n"]])), r"it should be floats \(n, width\), with a name"),
    "a width with a name": (alone(simple("n", "d")), "its second size should be a number of at least 1"),
    "a width of 0": (alone(simple("n", 0)), "its second size should be a number of at least 1"),
    "rows of whole numbers": (alone(simple("n", 4, None, "int64")), r"it should be floats \(n, width\)"),
    "two outputs": (alone({**simple("n", 4), "outputs": [0, 0]}), "the program has 2 outputs"),
    "no outputs": (alone({**simple("n", 4), "outputs": []}), "the program has 0 outputs"),
    "an output that is a number": (alone(simple("n", 4, [])), r"it should be floats \(n, outputs\)"),
    "an output without rows": (alone(simple("n", 4, [3, 3])), r"it should be floats \(n, outputs\)"),
    "an output of one axis": (alone(simple("n", 4, ["n"])), r"it should be floats \(n, outputs\)"),
    "an output of no columns": (alone(simple("n", 4, ["n", 0])), r"it should be floats \(n, outputs\)"),
    "an output of too many columns": (
        alone(simple("n", 4, ["n", 2**25])),
        "more than 2,147,483,648|numbers for",
    ),
    "an output with another name": (alone(simple("n", 4, ["n", "m"])), r"it should be floats \(n, outputs\)"),
    "too much memory for a block of rows": (alone(grown()), "for a block of rows, more than 1,073,741,824"),
    "a size that becomes negative": (alone(shrinking()), "the program has 2 outputs|no types for|negative"),
    "a name that is no variable": (alone(simple("n;", 4)), "it should be a name"),
    "as many rows as none": (as_many_rows(0), "the parameters lack|is float64|there is a parameter"),
    "a preprocessing without features": (put("preprocessing", "features", value=[]), "the preprocessing|features"),
    "a feature too few": (lambda d, t: d["preprocessing"]["features"].pop(), "and the program takes 9|takes"),
    "a feature of an unknown kind": (
        put("preprocessing", "features", 0, "kind", value="eval"),
        "of the unknown kind 'eval'",
    ),
    "a feature without a name": (drop("preprocessing", "features", 0, "name"), "lacks 'name'"),
    "a scale of 0": (put("preprocessing", "features", 0, "scale", value=0), "it should be a positive, finite number"),
    "a mean that is text": (put("preprocessing", "features", 0, "mean", value="40"), "it should be a finite number"),
    "a mean beyond all bounds": (
        put("preprocessing", "features", 0, "mean", value=10**400),
        "should be a finite number",
    ),
    "levels that are a number": (put("preprocessing", "features", 2, "levels", value=3), "it should be a list"),
    "a level twice": (
        put("preprocessing", "features", 2, "levels", value=["a", "a", "b"]),
        "it should be different texts",
    ),
    "a date format to execute": (put("preprocessing", "features", 3, "format", value="{x}"), "it should be one of"),
    "a newer preprocessing": (put("preprocessing", "version", value=99), "has version 99"),
    "a feature with more": (put("preprocessing", "features", 0, "code", value="x"), "has the unknown entry 'code'"),
    "a class too few": (lambda d, t: d["target"]["classes"].pop(), "the program has 3 outputs for 2 classes"),
    "a class twice": (put("target", "classes", value=["a", "a", "b"]), "it should be different texts"),
    "classes that are numbers": (put("target", "classes", value=[1, 2, 3]), "it should be text"),
    "an unknown task": (put("target", "task", value="clustering"), "it should be one of classification, regression"),
    "a target without a name": (drop("target", "name"), "lacks 'name'"),
    "an architecture with a layer less": (
        lambda d, t: d["architecture"]["hidden"].pop(),
        "does not have one activation and one dropout for each hidden layer",
    ),
    "an architecture of another width": (put("architecture", "inputs", value=5), "the architecture has 5 inputs"),
    "an architecture of other outputs": (put("architecture", "outputs", value=2), "the architecture has 2 outputs"),
    "an architecture of huge layers": (
        put("architecture", "hidden", 0, value=2**60),
        "a whole number from 1 to 2,147,483,647",
    ),
    "an architecture of no width": (
        put("architecture", "hidden", 0, value=0),
        "hidden.0. is 0; it should be a whole number from 1",
    ),
    "an architecture without a loss": (drop("architecture", "loss"), "architecture lacks 'loss'"),
    "an architecture with more": (put("architecture", "hook", value="x"), "architecture has the unknown entry 'hook'"),
    "an activation that is a number": (put("architecture", "activations", 0, value=1), "is 1; it should be text"),
    "a dropout that is text": (put("architecture", "dropout", 0, value="much"), "it should be a number"),
    "a loss without a name": (drop("architecture", "loss", "name"), "architecture.loss.name is None"),
    "a loss with a list of objects": (put("architecture", "loss", "x", value=[{}]), "architecture.loss.x"),
    "an unknown normalization": (
        put("architecture", "normalization", value="group"),
        "should be one of layer, batch",
    ),
}

CHECKPOINTS: dict[str, tuple[Change, str]] = {
    "no checkpoint": (
        several(put("checkpoint", value=None), lambda d, t: [t.pop(name) for name in list(t) if "." in name]),
        "is a finished model without a checkpoint",
    ),
    "a checkpoint that is text": (put("checkpoint", value="x"), "checkpoint is 'x'; it should be an object"),
    "a checkpoint without a state": (drop("checkpoint", "state"), "checkpoint lacks 'state'"),
    "a checkpoint without settings": (drop("checkpoint", "settings"), "checkpoint lacks 'settings'"),
    "a checkpoint with more": (put("checkpoint", "code", value=1), "checkpoint has the unknown entry 'code'"),
    "a state of another kind": (put("checkpoint", "state", "is", value="Popen"), "is of the unknown kind 'Popen'"),
    "a state of a known kind": (put("checkpoint", "state", "is", value="SGD"), "is of the unknown kind 'SGD'"),
    "a state without a kind": (drop("checkpoint", "state", "is"), "is of the unknown kind None"),
    "a state without an epoch": (drop("checkpoint", "state", "epoch"), "state lacks 'epoch'"),
    "a state with more": (put("checkpoint", "state", "extra", value=1), "state has the unknown entry 'extra'"),
    "a negative epoch": (
        put("checkpoint", "state", "epoch", value=-1),
        "state.epoch is -1; it should be a whole number of at least 0",
    ),
    "an epoch that is a fraction": (
        put("checkpoint", "state", "epoch", value=1.5),
        "epoch is 1.5; it should be",
    ),
    "an epoch of another run": (put("checkpoint", "state", "epoch", value=7), "after 7 epochs"),
    "an unknown status": (put("checkpoint", "state", "status", value="asleep"), "it should be one of running"),
    "a rate that is text": (put("checkpoint", "state", "learning_rate", value="fast"), "state.learning_rate is 'fast'"),
    "a curve that is a list": (put("checkpoint", "state", "loss_curve", value=[1.0]), "should be an object"),
    "a curve that no tensor has": (put("checkpoint", "state", "loss_curve", "tensor", value="x"), "the tensor 'x'"),
    "a curve that is a matrix": (
        tensor("state.loss_curve", lambda a: a.reshape(2, 2)),
        r"state.loss_curve has the shape \(2, 2\)",
    ),
    "a curve in single precision": (tensor("state.loss_curve", lambda a: a.astype(np.float32)), "after 4 epochs"),
    "parameters of the state missing": (drop("checkpoint", "state", "params", "W1"), "does not have the parameters"),
    "parameters of the state of another shape": (
        put("checkpoint", "state", "params", "W1", "tensor", value="W2"),
        "state.params.W1 has another shape or dtype",
    ),
    "settings of another kind": (put("checkpoint", "settings", "is", value="Adam"), "is of the unknown kind 'Adam'"),
    "settings without epochs": (
        put("checkpoint", "settings", "epochs", value=0),
        "settings.epochs is 0; it should be a whole number",
    ),
    "settings with an order": (put("checkpoint", "settings", "order", value="rm"), "settings.order is 'rm'"),
    "a solver that is text": (put("checkpoint", "settings", "solver", value="adam"), "settings.solver"),
    "an unknown solver": (put("checkpoint", "settings", "solver", "is", value="Lion"), "settings.solver"),
    "a solver that is no optimizer": (
        put(
            "checkpoint",
            "settings",
            "solver",
            value={"is": "StepDecay", "learning_rate": 1.0, "every": 2, "factor": 0.5},
        ),
        "settings.solver",
    ),
    "a rate below 0": (
        put("checkpoint", "settings", "solver", "learning_rate", value=-1.0),
        "settings.solver.learning_rate is -1.0; it should be a positive",
    ),
    "betas of one number": (put("checkpoint", "settings", "solver", "betas", value=[0.9]), "has 1 entries; it should"),
    "an unknown engine": (put("checkpoint", "settings", "engine", value=5), "engine is 5; it should be text"),
    "nan in what the optimizer remembers": (
        lambda d, t: t.update({name: filled(np.nan)(t[name].copy()) for name in t if "W1 mean" in name}),
        "holds numbers that are not finite",
    ),
}
