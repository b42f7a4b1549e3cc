"""Tables and word vectors from files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from edgecnn.data.text import column, read_table, read_vectors, texts_and_labels, write_table
from edgecnn.errors import DataError


def test_columns_that_are_carried_along_stay_as_they_are(tmp_path: Path) -> None:
    cells = ["00123", "1.10", "TRUE", "2024-01-02T10:00:00", "12345678901234567890123", "", "NA"]
    names = [f"c{k}" for k in range(len(cells))]
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(f"{','.join(names)}\n{','.join(cells)}\n", "utf-8")
    write_table(read_table(first, None), second)
    with open(second, newline="", encoding="utf-8") as f:
        assert list(csv.reader(f)) == [names, cells]
    assert column(read_table(first), "c0") == ["123"]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".CSV"])
def test_a_table_comes_back(ending: str, tmp_path: Path) -> None:
    first = tmp_path / "first.csv"
    first.write_text('id,text,label\n7,"two\nlines, a comma",007\n8,,x\n', "utf-8")
    table = read_table(first, ("text", "label"))
    path = tmp_path / f"table{ending}"
    write_table(table, path)
    assert texts_and_labels(path, "text", "label") == (["two\nlines, a comma", ""], ["007", "x"])
    assert column(read_table(path), "id") == ["7", "8"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,label\na,x\nb,\n", "expected a label in each row.*Row 2 has none"),
        (b"texts,label\na,x\n", "expected one column 'text'. The table has texts, label"),
        (b"text,text,label\na,b,x\n", "expected one column 'text'"),
        (b"", "cannot be read"),
        (b"text,label\n", "expected rows below the header.*It has none"),
        ("text,label\ngrün,x\n".encode("latin-1"), "expected a table in UTF-8"),
        (b"text,label\na,b,c\n", "cannot be read"),
    ],
)
def test_a_bad_table_is_told_in_a_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        texts_and_labels(path, "text", "label")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet", "table.xlsx"])
def test_no_table(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a"):
        read_table(tmp_path / name)


@pytest.mark.parametrize("head", ["", "3 2\n"])
def test_word_vectors(head: str, tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text(f"{head}good 1 2.5\nbad -1 0\n. . . 0 0\nodd 0 0\n", "utf-8")
    found = read_vectors(path, {"good", "bad", "absent"})
    assert {word: v.tolist() for word, v in found.items()} == {"good": [1, 2.5], "bad": [-1, 0]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("good 1 2\nbad 1\n", "line 2 has 1 numbers and not 2"),
        ("good 1 two\n", "cannot be read"),
        ("good\nbad\n", "line 1 has 0 numbers"),
        ("other 1 2\n", "none of the words"),
        ("", "none of the words"),
    ],
)
def test_bad_word_vectors(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text(content, "utf-8")
    with pytest.raises(DataError, match=message):
        read_vectors(path, {"good", "bad"})
