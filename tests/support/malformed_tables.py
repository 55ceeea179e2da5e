"""Tables that cannot be trained on, each with the required parts of its message.

A case is a file with arguments; `says` are parts of the one-line message. `{path}` in them is the path.
"""

from __future__ import annotations

import gzip

from support.malformed_files import DAMAGED, ENCODING, GOOD, JSON, NOT_A_TABLE, Case, cell, column, cut, header, rows

HEADERS = [
    Case("no names at all", header("", "", "", ""), ("{path} has no column with a name",)),
    Case("too few names", header("size", "colour", "kind"), ("{path}, line 2 has 4 cells but the header has 3",)),
    Case(
        "too many names",
        header("size", "colour", "day", "kind", "more"),
        ("line 2 has 4 cells", "none for column 'more'"),
    ),
    Case("an open quote", header('"size', "colour", "day", "kind"), ("{path}, line 1, cell 1: a quote opens a cell",)),
    Case("text after a quote", header('"size"x', "colour", "day", "kind"), ("{path}, line 1, cell 1: text follows",)),
    Case("two titles above", b"My data\nin two, rows\n" + GOOD, ("{path}, line 2 has 2 cells but the header has 1",)),
    Case("a huge header", b"x" * 1_100_000 + b",kind\n1,2\n", ("{path}, line 1, cell 1 is longer than 1,048,576",)),
    Case(
        "no target",
        header("size", "colour", "day", "sort"),
        ("the target is 'kind'", "no column 'kind'", "size, colour"),
    ),
    Case(
        "a target in another case",
        header("size", "colour", "day", "Kind"),
        ("no column 'kind'", "did you mean 'Kind'?"),
    ),
    Case("a target misspelt", header("size", "colour", "day", "kinds"), ("no column 'kind'", "did you mean 'kinds'?")),
    Case("a target with a blank inside", header("size", "colour", "day", "ki nd"), ("did you mean 'ki nd'?",)),
    Case("only the target", b"kind\n" + b"a\nb\n" * 9, ("{path} has no column beside the target 'kind'",)),
]

SHAPES = [
    Case(
        "a row too short",
        cut(8, 3),
        ("{path}, line 8 has 3 cells", "'kind'"),
    ),
    Case("a row of one cell", cut(5, 1), ("{path}, line 5 has 1 cell",)),
    Case(
        "a row too long",
        cell(6, 3, "b,extra"),
        ("{path}, line 6 has 5 cells but the header has 4", "'extra' has no column"),
    ),
    Case("the last row too short", GOOD + b"1,red", ("{path}, line 32 has 2 cells", "none for column 'day'")),
    Case("the first row too short", cut(2, 3), ("{path}, line 2 has 3 cells",)),
    Case(
        "one short and one long",
        cut(9, 3).replace(b"green,2024-02-11,b", b"green,2024-02-11,b,x"),
        ("{path}, line 3 has 5 cells",),
    ),
    Case("an unquoted comma", cell(3, 1, "red, dark"), ("{path}, line 3 has 5 cells", "put quotes around")),
    Case(
        "an unquoted semicolon",
        rows(separator=";").replace(b"green", b"gr;een", 1),
        ("line 3 has 5 cells", "a semicolon"),
    ),
    Case("a row with semicolons", GOOD + b"1;red;2024-01-01;a\n", ("line 32 has 1 cell", "semicolons, not by commas")),
    Case("a row with tabs", GOOD + b"1\tred\t2024-01-01\ta\n", ("line 32 has 1 cell", "tabs, not by commas")),
    Case(
        "a row with commas",
        rows(separator=";") + b"1,red,2024-01-01,a\n",
        ("line 32 has 1 cell", "commas, not by semi"),
    ),
    Case(
        "a row with bars", rows(separator="\t") + b"1|red|2024-01-01|a\n", ("line 32 has 1 cell", "bars, not by tabs")
    ),
    Case("the wrong delimiter", GOOD, ("no column 'kind'", "size,colour,day,kind"), delimiter=";"),
    Case("two delimiters", GOOD, ("the delimiter is ',;'", "give one character"), delimiter=",;"),
    Case("a letter as delimiter", GOOD, ("the delimiter is 'a'",), delimiter="a"),
    Case("a quote as delimiter", GOOD, ("the delimiter is '\"'",), delimiter='"'),
    Case("no delimiter", GOOD, ("the delimiter is ''",), delimiter=""),
    Case("a delimiter beyond ASCII", GOOD, ("the delimiter is '§'",), delimiter="§"),
    Case(
        "blanks and a ragged row", b"size kind\n1 a\n2 b c\n3 a\n", ("{path}, line 3 has 3 cells",), delimiter="blank"
    ),
    Case(
        "a quote never closed",
        cell(12, 1, '"red'),
        ("{path}, line 12, column 'colour': a quote opens a cell and is never closed",),
    ),
    Case(
        "a quote never closed at the end", cell(31, 3, '"a'), ("{path}, line 31, column 'kind': a quote opens a cell",)
    ),
    Case(
        "text after a quote",
        cell(7, 1, '"red"ish'),
        ("{path}, line 7, column 'colour': text follows the closing quote",),
    ),
    Case(
        "a blank after a quote",
        cell(7, 1, '"red" '),
        ("{path}, line 7, column 'colour': text follows the closing quote",),
    ),
    Case(
        "a quote in quotes",
        cell(9, 1, '"5" nail"'),
        ("{path}, line 9, column 'colour': text follows the closing quote",),
    ),
    Case("a backslash before a quote", cell(9, 1, r'"a \" b"'), ("{path}, line 9, column 'colour': text follows",)),
    Case(
        "a line feed in quotes before a short row",
        cell(3, 1, '"two\nlines"').replace(b"2024-05-14,a", b"2024-05-14"),
        ("{path}, line 7 has 3 cells",),
    ),
    Case(
        "an open quote before much text",
        cell(2, 1, '"red') + GOOD[32:] * 2_000,
        ("line 2, column 'colour': a quote opens", "1,048,576", "--unlimited"),
    ),
    Case(
        "a long cell in a row too short",
        cell(3, 1, "x" * 1_100_000 + "\n"),
        ("{path}, line 3, column 'colour' is longer than 1,048,576",),
    ),
    Case("lines of a log", b"2024-01-01 started\n2024-01-02 stopped because of an error\n", ("{path}",)),
    Case("carriage returns and a short row", GOOD.replace(b"\n", b"\r") + b"1,red\r", ("line 32 has 2 cells",)),
]

CELLS = [
    Case(
        "a word among numbers",
        cell(7, 0, "tall"),
        ("{path}, row 6 (line 7), column 'size' holds 'tall'", "29 of 30 cells"),
    ),
    Case("a word in the first row", cell(2, 0, "tall"), ("{path}, row 1 (line 2), column 'size' holds 'tall'",)),
    Case("a word in the last row", cell(31, 0, "tall"), ("{path}, row 30 (line 31), column 'size' holds 'tall'",)),
    Case("a long word among numbers", cell(7, 0, "long" * 50), ("(line 7)", "column 'size' holds 'longlong", "…'")),
    Case("a word of another script", cell(7, 0, "大"), ("(line 7), column 'size' holds '大', which is not a number",)),
    Case("Arabic digits", cell(7, 0, "٣"), ("(line 7), column 'size' holds '٣', which is not a number",)),
    Case(
        "a date among numbers", cell(7, 0, "2024-01-01"), ("(line 7), column 'size' holds '2024-01-01', which is not",)
    ),
    Case("two numbers in a cell", cell(7, 0, "1 2"), ("(line 7), column 'size' holds '1 2', which is not a number",)),
    Case("a double sign", cell(7, 0, "--1"), ("(line 7), column 'size' holds '--1', which is not a number",)),
    Case("a formula", cell(7, 0, "=A1+B2"), ("(line 7), column 'size' holds '=A1+B2', which is not a number",)),
    Case(
        "an underscore",
        cell(7, 0, "1_000"),
        ("(line 7), column 'size' holds '1_000', a number with marks for thousands",),
    ),
    Case("a hexadecimal number", cell(7, 0, "0x1F"), ("(line 7), column 'size' holds '0x1F', a hexadecimal number",)),
    Case(
        "a decimal comma", cell(7, 0, '"1,5"'), ("(line 7), column 'size' holds '1,5', a number with a decimal comma",)
    ),
    Case("points for thousands", cell(7, 0, "1.234.567"), ("(line 7)", "holds '1.234.567', a number with points")),
    Case(
        "a percent sign", cell(7, 0, "12.5%"), ("(line 7), column 'size' holds '12.5%', a number with a percent sign",)
    ),
    Case("dollars", cell(7, 0, "$12.50"), ("(line 7), column 'size' holds '$12.50', a number with a currency",)),
    Case("an infinity", cell(7, 0, "inf"), ("(line 7), column 'size' holds 'inf', which is not finite",)),
    Case(
        "minus infinity", cell(7, 0, "-Infinity"), ("(line 7), column 'size' holds '-Infinity', which is not finite",)
    ),
    Case(
        "a number beyond float64", cell(7, 0, "1e999"), ("(line 7), column 'size' holds '1e999', which is not finite",)
    ),
    Case(
        "words before dates", cell(2, 2, "later", "soon"), ("row 1 (line 2), column 'day' holds 'later', which is not",)
    ),
    Case(
        "words among dates",
        cell(9, 2, "later", "soon"),
        ("row 8 (line 9), column 'day' holds 'later', which is not a date",),
    ),
    Case(
        "days that are not",
        cell(9, 2, "2024-02-30", "2023-02-29"),
        ("(line 9), column 'day' holds '2024-02-30', which is not a date",),
    ),
    Case(
        "another format of dates",
        cell(9, 2, "31.12.2024", "30.12.2024"),
        ("(line 9)", "'31.12.2024', which is not a date as the others"),
    ),
    Case(
        "a cell beyond a quoted line feed", cell(3, 1, '"a\nb"').replace(b"2024-05-14", b"x,x"), ("line 7 has 5 cells",)
    ),
    Case(
        "a word after a quoted line feed",
        cell(3, 1, '"a\nb"').replace(b"\n0.895", b"\ntall").replace(b"\n1.304", b"\ntall"),
        ("row 7 (line 9), column 'size' holds 'tall'",),
    ),
    Case(
        "a word in UTF-16",
        cell(7, 0, "tall").decode().encode("utf-16"),
        ("row 6 (line 7), column 'size' holds 'tall'",),
    ),
    Case("a word in gzip", gzip.compress(cell(7, 0, "tall")), ("row 6 (line 7), column 'size'",), "data.csv.gz"),
    Case("a word after blank lines", b"\n\n" + cell(7, 0, "tall"), ("row 6 (line 9), column 'size' holds 'tall'",)),
    Case(
        "a word with returns",
        cell(7, 0, "tall").replace(b"\n", b"\r\n"),
        ("row 6 (line 7), column 'size' holds 'tall'",),
    ),
    Case("a word in a table of tabs", cell(7, 0, "tall").replace(b",", b"\t"), ("row 6 (line 7), column 'size'",)),
]

TARGETS = [
    Case(
        "a target without any value", column(3, lambda k: ""), ("{path}, column 'kind' has no value in any of 30 rows",)
    ),
    Case("a target of NA", column(3, lambda k: "NA"), ("column 'kind' has no value in any of 30 rows",)),
    Case(
        "a target in too few rows",
        column(3, lambda k: "ab"[k % 2] if k < 4 else ""),
        ("{path} has 4 rows with a value of 'kind'", "at least 5"),
    ),
    Case("a single class", column(3, lambda k: "a"), ("{path}, column 'kind' has the single class 'a'",)),
    Case("a single number", column(3, lambda k: "2.5"), ("{path}, column 'kind' has the one value 2.5",)),
    Case(
        "as many classes as rows", column(3, lambda k: f"n{k}"), ("column 'kind' has 30 different values in 30 rows",)
    ),
    Case(
        "text among numbers",
        column(3, lambda k: "x" if k == 8 else f"{k}.5"),
        ("row 9 (line 10), column 'kind' holds 'x'",),
    ),
    Case("an infinite target", column(3, lambda k: "inf" if k == 8 else f"{k}.5"), ("row 9 (line 10)", "not finite")),
    Case(
        "words as numbers",
        GOOD,
        ("row 1 (line 2), column 'kind' holds 'a', which is not a number",),
        wishes={"task": "regression"},
    ),
    Case(
        "numbers as classes",
        column(3, lambda k: f"{k}.25"),
        ("column 'kind' has 30 different values in 30 rows, too many for classes",),
        wishes={"task": "classification"},
    ),
    Case("too few rows", b"size,kind\n1,a\n2,b\n", ("{path} has 2 rows", "at least 5")),
    Case("a single row", b"size,kind\n1,2.5\n", ("{path}",)),
]

WISHES = [
    Case(
        "leaving out what is not there",
        GOOD,
        ("no column 'colr'", "did you mean 'colour'?"),
        wishes={"leave_out": ["colr"]},
    ),
    Case("leaving out the target", GOOD, ("column 'kind' is the target",), wishes={"leave_out": ["kind"]}),
    Case("the kind of what is not there", GOOD, ("no column 'siz'", "'size'"), wishes={"kinds": {"siz": "number"}}),
    Case(
        "an unknown kind", GOOD, ("given the kind 'numeric'", "number, category"), wishes={"kinds": {"size": "numeric"}}
    ),
    Case("the kind of the target", GOOD, ("column 'kind' is the target",), wishes={"kinds": {"kind": "category"}}),
    Case(
        "left out with a kind",
        GOOD,
        ("column 'size' is left out and has a kind",),
        wishes={"kinds": {"size": "number"}, "leave_out": ["size"]},
    ),
    Case(
        "words as numbers",
        GOOD,
        ("row 1 (line 2), column 'colour' holds 'red'",),
        wishes={"kinds": {"colour": "number"}},
    ),
    Case(
        "words as dates",
        GOOD,
        ("row 1 (line 2), column 'colour' holds 'red', which is not a date",),
        wishes={"kinds": {"colour": "date"}},
    ),
    Case(
        "words as booleans",
        GOOD,
        ("column 'colour' holds 'red', which means neither",),
        wishes={"kinds": {"colour": "boolean"}},
    ),
    Case(
        "dates as numbers",
        GOOD,
        ("column 'day' holds '2024-01-10', which is not",),
        wishes={"kinds": {"day": "number"}},
    ),
    Case(
        "everything left out",
        GOOD,
        ("{path} has no column to learn from", "'size' (left out, as asked), 'colour'"),
        wishes={"leave_out": ["size", "colour", "day"]},
    ),
    Case("only constants", b"size,kind\n" + b"1,a\n1,b\n" * 9, ("no column to learn from", "(1 in every row)")),
    Case(
        "only identifiers",
        b"code,kind\n" + b"".join(b"x%d,%c\n" % (k, 97 + k % 2) for k in range(20)),
        ("different code",),
    ),
]

CASES = {
    f"{group}: {case.title}": case
    for group, cases in {
        "file": NOT_A_TABLE,
        "damage": DAMAGED,
        "encoding": ENCODING,
        "header": HEADERS,
        "shape": SHAPES,
        "cell": CELLS,
        "target": TARGETS,
        "wish": WISHES,
        "json": JSON,
    }.items()
    for case in cases
}
