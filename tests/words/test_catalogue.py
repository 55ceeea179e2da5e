"""The catalogue of translations: every message has one, and it is found for any values in the message."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest
from support.messages import messages, shape_of, trees

import chainrule as cr
from chainrule import words
from chainrule.ir import ShapeError
from chainrule.words import ChainruleError
from chainrule.words.catalogue import Catalogue, Entry, Template, catalogue, read_entries, translated

ZH = Path(words.__file__).parent / "catalogue" / "zh"
FILES = sorted(ZH.glob("*.po"))
ENTRIES = [entry for path in FILES for entry in read_entries(path.read_text("utf-8").splitlines())]

ROOMS = frozenset(
    {"trace", "ir", "primitives", "functions", "layers", "calculus", "transforms"}
    | {"derivation", "deriving", "emit", "words", "files", "plots", "gallery", "interchange"}
    | {"grading", "cage", "cli", "training", "networks", "engines"}
    | {"tables", "models", "exports", "estimators", "learners", "schema", "explorer"}
)
"""The rooms whose messages all have translations."""

CODE = frozenset(
    {"buffer[…] = …", "np.{name}", "np.sqrt(x**2 + y**2)", "torch.{value}", "new_{name}", "{value}:loss"}
    | {
        "{place}.nodes[{k}]",
        "{gibibytes} GiB",
        "{value} MiB",
        "{what} is {name!r}, but ",
        "more than {most_classes}",
        " of seconds,",
    }
)
"""Templates that are code, and read alike in all languages."""

FOREIGN = frozenset({"click.po", "python.po"})
"""Files of entries whose English is that of other programs."""


COMPOSED = frozenset(
    {
        "a number between {low} and {high}",
        "a number from {low} to below {high}",
        "a number from {low} to {high}",
        "a finite number above {low}",
        "a number above {low}",
        "a finite number of at least {low}",
        "a finite number of at least {low} or {other:text}",
        "a number of at least {low}",
        "a whole number of at least {least}",
        "a whole number from {least} to {most}",
        "different {what:text}, at least {least}",
        "holds {short}, which is not a number; write a number or remove the row",
        "({value:code}) / {scale}, missing as {fill}",
        "({value:code}) / {scale}, missing as {fill}, and flagged",
        "1 for {yes}, 0 for {no}, missing as {fill}",
        "1 for {yes}, 0 for {no}, missing as {fill}, and flagged",
        "whole numbers of seconds,",
        "numbers of seconds,",
    }
)
"""Entries whose English is put together of shorter texts in the source."""


def kinds(template: str) -> dict[str, str]:
    return {field.name: field.kind for field in Template(template).fields}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_read_whole(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(list(read_entries(lines))) == sum(line.startswith("msgid ") for line in lines) > 0


def test_no_entry_is_given_twice() -> None:
    shapes = [shape_of(entry.english) for entry in ENTRIES]
    assert [shape for shape in set(shapes) if shapes.count(shape) > 1] == []


def test_translations_have_the_fields_of_their_templates() -> None:
    for entry in ENTRIES:
        wanted = {name for name, kind in kinds(entry.english).items() if kind != "grammar"}
        assert kinds(entry.translation) == dict.fromkeys(wanted, "value"), entry


def test_each_template_is_found_among_all_the_others() -> None:
    """With plain values in its fields, and with quotes and punctuation in those of a repr."""
    for entry in ENTRIES:
        fields = Template(entry.english).fields
        values = {field.name: _SAMPLES[field.kind].format(k) for k, field in enumerate(fields)}
        english = _WRITTEN.sub(r"{\1}", entry.english).format(**values)
        texts = {field.name for field in fields if field.kind == "text"}
        assert catalogue("zh").translation(english) == Template(entry.translation).formatted(values, texts), entry


_WRITTEN = re.compile(r"(?<!\{)\{([a-z_0-9]+)(?:!r|:\w+)\}")
_SAMPLES = {"value": "v{}", "repr": "'it; is {}'", "code": "c: d; e{}", "text": "<T{}>", "grammar": "s"}


def test_every_message_has_a_translation() -> None:
    shapes = {shape_of(entry.english) for entry in ENTRIES}
    missing = [
        f"{each.file}:{each.line}: {each.text}"
        for each in messages()
        if each.room in ROOMS and each.shape not in shapes and not _is_code(each.text) and not _is_inner(each.file)
    ]
    assert missing == [], "words/catalogue/zh has no translation of these"


def test_every_name_of_a_setting_has_a_translation() -> None:
    """The names beside the rules of settings, which messages begin with: `Annotated[float, POSITIVE, "the rate"]`."""
    names = {
        part.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Annotated"
        for part in getattr(node.slice, "elts", ())
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }
    assert "delta of huber" in names
    assert [name for name in names if not catalogue("zh").complete(name)] == []


def _is_inner(file: str) -> bool:
    """Whether what a file raises is for programmers of the package alone: a printed page that cannot be read back."""
    return file.startswith(("derivation/readback/", "derivation/proofreading.py", "words/catalogue/"))


def _is_code(text: str) -> bool:
    """Whether a template says nothing beside code: `write np.flip(x, 1)`."""
    return text in CODE or (text.startswith("write ") and _parses(text.removeprefix("write ")))


def _parses(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def test_the_reader_of_the_source_finds_what_errors_are_made_of() -> None:
    found = {(each.file, each.text) for each in messages()}
    assert ("trace/refusals.py", "write a for loop with a fixed number of rounds") in found  # a name, in branches
    assert (
        "trace/vocabulary.py",
        "it sorts in place; there is np.sort, which gives a new array",
    ) in found  # the entry of a table
    assert ("trace/formula/calls.py", "one argument") in found  # what another function returns
    assert ("ir/nodes.py", "{operand!r} is not a node; wrap a literal in Const") in found


def test_errors_are_in_the_language_in_use() -> None:
    error = ShapeError("shapes (2, 3) and (4,) do not broadcast")
    assert str(error) == "shapes (2, 3) and (4,) do not broadcast"
    assert error.in_language("zh") == "形状 (2, 3) and (4,) 不能广播"
    cr.use(lang="zh")
    assert str(error) == error.in_language("zh")
    assert error.in_language("en") == "shapes (2, 3) and (4,) do not broadcast" == error.args[0]
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_environment_sets_the_language_of_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ChainruleError("the formula has no variables, so there is nothing to derive")
    monkeypatch.setenv("CHAINRULE_LANG", "zh")
    assert str(error) == "公式中没有变量，因此无从求导"
    monkeypatch.setenv("CHAINRULE_LANG", "fr")
    assert str(error).startswith("the formula")  # an error never raises another
    cr.use(lang="en")
    assert str(error).startswith("the formula")


def test_a_message_without_a_translation_stays_english() -> None:
    cr.use(lang="zh")
    assert str(ChainruleError("nobody has said this before")) == "nobody has said this before"
    assert str(ChainruleError()) == ""
    assert str(ChainruleError("a", 1)) == "('a', 1)"


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("there is no function sigmod; did you mean sigmoid?", "没有函数 sigmod；是否指 sigmoid？"),
        (
            "loss has no parameter named \"it's; did you mean 'x'?\"; did you mean 'y'?",
            "loss 没有名为 \"it's; did you mean 'x'?\" 的参数；是否指 'y'？",
        ),
        ("tanh takes one argument, not 2", "tanh 需要 1 个参数，而这里有 2 个"),
        ("codes of hexadecimal digits, 7 different values", "十六进制代码, 7 个不同的值"),
        (
            "'1h20m' in 'd' is taken for a duration of 4800 seconds; --kind d=category keeps the texts",
            "'d' 中的 '1h20m' 视为时长，即 4800 秒；--kind d=category 则保留原文本",
        ),
        ("codes with leading zeros, 7 different values", "以零开头的代码, 7 个不同的值"),
        ("model.py:5: z = X @ W\n  shapes 3 and 4 differ", "model.py:5: z = X @ W\n  形状 3 与 4 不同"),
        ("a column (n,) does not broadcast to a matrix (d, n)", "列向量 (n,) 不能广播为矩阵 (d, n)"),
        ("np.sum cannot be recorded with these arguments: too many positional arguments", None),
    ],
)
def test_parts_are_translated_within_a_message(english: str, chinese: str | None) -> None:
    found = translated(english, "zh")
    assert found == (chinese or "带这些参数的 np.sum 不能记录：位置参数太多")
    assert translated(english, "en") == english


def test_the_values_of_repeated_fields_agree() -> None:
    known = Catalogue([Entry("write {a}(x) for {a}", "{a}"), Entry("write {code}", "写 {code}")])
    assert known.translation("write f(x) for f") == "f"
    assert known.translation("write f(x) for g") == "写 f(x) for g"


def test_what_only_english_requires_is_dropped() -> None:
    known = Catalogue([Entry("the table has {count} row{s:grammar} of {path}", "表格有 {path} 的 {count} 行")])
    assert known.translation("the table has 1 row of a rows of b.csv") == "表格有 a rows of b.csv 的 1 行"
    assert known.translation("the table has 2 rows of a.csv") == "表格有 a.csv 的 2 行"
    assert known.translation("the table has 2 row2 of a.csv") is None


def test_a_hint_is_parted_from_the_value_before_it() -> None:
    hint = Entry("; did you mean {near}?", "；是否指 {near}？")
    known = Catalogue([Entry("it should be one of {names}{hint:text}", "应为 {names} 之一{hint}"), hint])
    assert known.translation("it should be one of a, b c, d") == "应为 a, b c, d 之一"
    assert known.translation("it should be one of a, b c, d; did you mean a?") == "应为 a, b c, d 之一；是否指 a？"


def test_an_unknown_part_makes_no_sentence_of_conjunctions() -> None:
    known = Catalogue([Entry("{a:text} and {b:text}", "{a}和{b}"), Entry("a row", "行"), Entry("a column", "列")])
    assert known.translation("a row and a column") == "行和列"
    assert known.translation("a row and something else") is None


@pytest.mark.parametrize(
    "lines", [['"continues nothing"'], ['msgstr "a"', 'msgid "b"'], ['msgid "b"'], ["msgid b", 'msgstr "c"']]
)
def test_a_file_that_is_no_catalogue_is_refused(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r"continues nothing|translation|Expecting"):
        list(read_entries(lines))


def test_a_template_of_any_text_is_refused() -> None:
    with pytest.raises(ValueError, match="any text"):
        Catalogue([Entry("{a:text}{b}", "{a}{b}")])


def test_every_entry_is_used() -> None:
    """English that is in the source, apart from what other programs say."""
    known = {each.shape for each in messages()}
    source = _literals()
    dead = [
        entry.english
        for path in FILES
        if path.name not in FOREIGN and path.name != "help.po"  # tests/cli/test_help.py
        for entry in read_entries(path.read_text("utf-8").splitlines())
        if entry.english not in COMPOSED
        and shape_of(entry.english) not in known
        and not all(part in source for part in _parts(entry.english))
    ]
    assert dead == []


def _parts(template: str) -> list[str]:
    return [part.strip() for part in Template(template).literals if re.search(r"[A-Za-z]", part)]


def _literals() -> str:
    """All the texts in the source, those of implicit concatenations joined."""
    return "\n".join(
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
