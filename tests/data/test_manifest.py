"""The manifest is believed only after every row was checked; what is wrong is named by row, never by patient."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundle.data import Examination, check_laterality, read_manifest
from bundle.errors import InputError

HEAD = "patient_id,eye,oct,fundus,md_db"
SECRET = "CANARY-4711"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a manifest beside a few image files a.npz, b.npz, a.png, b.png, ... and a folder scans/."""
    for name in "abcdefgh":
        (tmp_path / f"{name}.npz").write_bytes(name.encode())
        (tmp_path / f"{name}.png").write_bytes(name.encode() * 2)
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "0.png").write_bytes(b"0")

    def write_manifest(*lines: str, head: str = HEAD, end: str = "\n", encoding: str = "utf-8") -> Path:
        path = tmp_path / "manifest.csv"
        path.write_bytes(end.join([head, *lines, ""]).encode(encoding))
        return path

    return write_manifest


def refused(path: Path, *words: str, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        read_manifest(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    first = message.splitlines()[0]
    for word in words:
        assert word in first, f"{word!r} is not in {first!r}"
    assert SECRET not in message
    return message


def test_row_becomes_examination(write: Write, tmp_path: Path) -> None:
    path = write("p1,OD,a.npz,a.png,-3.25,61.5,2020-02-03,Cirrus", head=HEAD + ",age,visit_date,device")
    assert read_manifest(path) == [
        Examination(
            row=2, patient_id="p1", eye="OD", oct=tmp_path / "a.npz", fundus=tmp_path / "a.png", md_db=-3.25,
            visit="2020-02-03", age=61.5, extra={"visit_date": "2020-02-03", "device": "Cirrus"},
        )
    ]  # fmt: skip


def test_repr_shows_nothing_personal(write: Write) -> None:
    path = write(f"{SECRET},OD,a.npz,,-3,77.125,{SECRET}d,{SECRET}n", head=HEAD + ",age,visit_date,name")
    text = repr(read_manifest(path))
    assert "row=2" in text
    assert SECRET not in text
    assert "77.125" not in text


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_every_usual_csv_dialect_reads_alike(write: Write, delimiter: str, end: str, encoding: str) -> None:
    lines = ["p1,OD,a.npz,,-3", "p2,OS,,b.png,-4.5"]
    path = write(
        *(x.replace(",", delimiter) for x in lines), head=HEAD.replace(",", delimiter), end=end, encoding=encoding
    )
    assert [(one.row, one.patient_id, one.eye, one.md_db) for one in read_manifest(path)] == [
        (2, "p1", "OD", -3.0),
        (3, "p2", "OS", -4.5),
    ]


def test_rows_are_numbered_as_a_spreadsheet_does(write: Write) -> None:
    path = write('"p\n1",OD,a.npz,,-3', "", ",,,,", "p2,OS,b.npz,,-4")
    assert [one.row for one in read_manifest(path)] == [2, 5]


@pytest.mark.parametrize(
    ("written", "eye"),
    [
        ("OD", "OD"),
        ("od", "OD"),
        ("R", "OD"),
        ("right", "OD"),
        ("OS", "OS"),
        ("l", "OS"),
        ("Left", "OS"),
        (" os ", "OS"),
    ],
)
def test_eye_spellings(write: Write, written: str, eye: str) -> None:
    assert read_manifest(write(f"p,{written},a.npz,,-3"))[0].eye == eye


def test_folder_of_bscans_is_a_valid_oct(write: Write, tmp_path: Path) -> None:
    assert read_manifest(write("p,OD,scans,,-3"))[0].oct == tmp_path / "scans"


def test_missing_label_is_nan_only_when_optional(write: Write) -> None:
    path = write("p,OD,a.npz,,")
    refused(path, "row 2", "md_db", "found nothing")
    assert math.isnan(read_manifest(path, labels="optional")[0].md_db)
    assert math.isnan(read_manifest(write("p,OD,a.npz", head="patient_id,eye,oct"), labels="optional")[0].md_db)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",OD,a.npz,,-3", ["row 2, column patient_id", "found nothing"]),
        (f"{SECRET},OX,a.npz,,-3", ["row 2, column eye", "'OX'", "OD (right) or OS"]),
        (f"{SECRET},,a.npz,,-3", ["row 2, column eye"]),
        (f"{SECRET},OD,,,-3", ["row 2, column oct", "neither an OCT nor a fundus"]),
        (f"{SECRET},OD,zz.npz,,-3", ["row 2, column oct", "'zz.npz'", "No such file"]),
        (f"{SECRET},OD,,images\\a.png,-3", ["row 2, column fundus", "write / instead of"]),
        (f"{SECRET},OD,,scans,-3", ["row 2, column fundus", "found the folder 'scans'"]),
        (f'{SECRET},OD,a.npz,,"-3,5"', ["row 2, column md_db", "decimal comma", "write -3.5"]),
        (f"{SECRET},OD,a.npz,,-3,5", ["row 2", "found 6 cells, expected 5", "decimal sign"]),
        (f"{SECRET},OD,a.npz", ["row 2", "found 3 cells, expected 5", "cut short"]),
        (f"{SECRET},OD,a.npz,,early", ["row 2, column md_db", "'early'", "finite number in dB"]),
        (f"{SECRET},OD,a.npz,,-3 dB", ["row 2, column md_db", "digits only"]),
        (f"{SECRET},OD,a.npz,,1_0", ["row 2, column md_db", "finite number"]),
        (f"{SECRET},OD,a.npz,,nan", ["row 2, column md_db", "finite number"]),
        (f"{SECRET},OD,a.npz,,-inf", ["row 2, column md_db", "finite number"]),
        (f"{SECRET},OD,a.npz,,-1e999", ["row 2, column md_db", "finite number"]),
        (f"{SECRET},OD,a.npz,,-35.01", ["row 2, column md_db", "-35.01", "[-35, +5] dB"]),
        (f"{SECRET},OD,a.npz,,5.5", ["row 2, column md_db", "5.5", "loss is negative"]),
    ],
)
def test_bad_cell_names_row_column_found_and_expected(write: Write, row: str, words: list[str]) -> None:
    refused(write(row), *words)


@pytest.mark.parametrize("md_db", ["-35", "5", "+0.5", "-1.5e1", ".5"])
def test_every_md_within_the_limits_is_accepted(write: Write, md_db: str) -> None:
    assert read_manifest(write(f"p,OD,a.npz,,{md_db}"))[0].md_db == float(md_db)


@pytest.mark.parametrize("age", ["0", "120"])
def test_the_ends_of_the_range_of_ages_are_ages(write: Write, age: str) -> None:
    assert read_manifest(write(f"p1,OD,a.npz,a.png,-3,{age}", head=HEAD + ",age"))[0].age == float(age)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("split", "val", ["column split", "'val'", "write validation"]),
        ("split", "holdout", ["column split", "train, validation or test"]),
        ("age", "old", ["column age", "finite number of years"]),
        ("age", "200", ["column age", "0 to 120"]),
        ("sha256_oct", "123", ["column sha256_oct", "64 hexadecimal digits"]),
        ("sha256_oct", "0" * 64, ["column sha256_oct", "the file changed"]),
    ],
)
def test_bad_optional_cell(write: Write, column: str, value: str, words: list[str]) -> None:
    refused(write(f"{SECRET},OD,a.npz,,-3,{value}", head=f"{HEAD},{column}"), "row 2", *words)


def test_right_checksum_is_accepted_and_a_flipped_byte_is_not(write: Write, tmp_path: Path) -> None:
    path = write(f"p,OD,a.npz,,-3,{hashlib.sha256(b'a').hexdigest().upper()}", head=HEAD + ",sha256_oct")
    assert len(read_manifest(path)) == 1
    (tmp_path / "a.npz").write_bytes(b"`")
    refused(path, "row 2", "sha256_oct")
    assert len(read_manifest(path, verify_checksums=False)) == 1


def test_a_thousand_flipped_bits_are_all_caught(write: Write, tmp_path: Path) -> None:
    whole = np.random.default_rng(0).bytes(5000)
    path = write(f"p,OD,a.npz,,-3,{hashlib.sha256(whole).hexdigest()}", head=HEAD + ",sha256_oct")
    for position in np.random.default_rng(1).integers(0, 8 * len(whole), 1000):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << (position % 8)
        (tmp_path / "a.npz").write_bytes(changed)
        refused(path, "row 2, column sha256_oct")
    (tmp_path / "a.npz").write_bytes(whole)
    assert len(read_manifest(path)) == 1


def test_checksum_of_a_folder_is_refused(write: Write) -> None:
    refused(write(f"p,OD,scans,,-3,{'0' * 64}", head=HEAD + ",sha256_oct"), "sha256_oct", "for a folder")


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("patient_id,eye,oct,fundus,MD", ["row 1", "'MD', which looks like 'md_db': rename it"]),
        ("patient_id,eye,oct,fundus,MD_dB", ["'MD_dB', which looks like 'md_db'"]),
        ("Patient ID,eye,oct,fundus,md_db", ["'Patient ID', which looks like 'patient_id'"]),
        ("patient_id,Laterality,oct,fundus,md_db", ["'Laterality', which looks like 'eye'"]),
        ("patient_id,eye,OCT,photo,md_db", ["'OCT', which looks like 'oct'"]),
        ("patient_id,eye,oct,fundus,md_db,Split", ["'Split', which looks like 'split'"]),
        ("patient_id,eye,oct,fundus,md_db,splits", ["'splits', which looks like 'split'"]),
        ("patient_id,eye,oct,fundus,md_db,SHA256 OCT", ["'SHA256 OCT', which looks like 'sha256_oct'"]),
        ("patient_id,eye,oct,fundus,vfi", ["no column 'md_db' among: patient_id, eye"]),
        ("patient_id,eye,x,y,md_db", ["no column 'fundus'"]),
        ("patient_id,eye,oct,oct,md_db", ["column 'oct' is there twice"]),
    ],
)
def test_bad_header_suggests_the_column_meant(write: Write, head: str, words: list[str]) -> None:
    refused(write("p,OD,a.npz,,-3" + ",x" * (head.count(",") - 4), head=head), *words)


def test_unknown_columns_are_kept(write: Write) -> None:
    path = write("p,OD,a.npz,,-3,early,12,,", head=HEAD + ",stage,iop,")  # a spreadsheet's stray empty column and cell
    assert read_manifest(path)[0].extra == {"stage": "early", "iop": "12"}


def test_flags_are_no_mean_deviation(write: Write) -> None:
    rows = [f"p{i},OD,{name}.npz,,{i % 2}" for i, name in enumerate("abcdefgh")]
    refused(write(*rows), "column md_db", "only 0 and 1", "flags")
    assert len(read_manifest(write(*rows[:3]))) == 3  # three eyes can have such MDs by chance


def test_reversed_sign_is_refused(write: Write) -> None:
    loss_db = [0.5, 1.1, 2.0, 3.5, 4.9, 12.0, 0.2, -0.4]
    rows = [f"p{i},OD,{name}.npz,,{loss}" for i, (name, loss) in enumerate(zip("abcdefgh", loss_db, strict=True))]
    message = refused(write(*rows), "column md_db", "expected loss to be negative", "change the column's sign")
    assert "row 7, column md_db: found 12" in message


def test_healthy_eyes_are_no_reversed_sign(write: Write) -> None:
    md_db = [0.5, 1.1, 2.0, -0.5, 0.9, 1.2, 0.2, -0.4]
    rows = [f"p{i},OD,{name}.npz,,{md}" for i, (name, md) in enumerate(zip("abcdefgh", md_db, strict=True))]
    assert len(read_manifest(write(*rows))) == 8


def test_duplicate_examination_is_refused(write: Write) -> None:
    row = f"{SECRET},OD,a.npz,,-3"
    refused(
        write(row, "p2,OD,b.npz,,-3", row.replace("a.npz", "scans/../a.npz")), "row 4", "the same examination as row 2"
    )


def test_two_visits_of_one_eye_are_no_duplicates(write: Write) -> None:
    head = HEAD + ",visit"
    assert len(read_manifest(write("p,OD,a.npz,,-3,1", "p,OD,b.npz,,-4,2", "p,OD,a.npz,,-3.5,3", head=head))) == 3


@pytest.mark.parametrize("second", [f"{SECRET}2,OD,a.npz,,-4", f"{SECRET},OS,a.npz,,-4", f"{SECRET}2,OD,link.npz,,-4"])
def test_one_file_for_two_eyes_is_refused(write: Write, tmp_path: Path, second: str) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "a.npz")
    refused(write(f"{SECRET},OD,a.npz,,-3", second), "row 3, column oct", "the same file as row 2")


def test_copied_file_for_two_eyes_is_refused_by_its_checksum(write: Write, tmp_path: Path) -> None:
    (tmp_path / "b.npz").write_bytes(b"a")
    digest = hashlib.sha256(b"a").hexdigest()
    path = write(f"p1,OD,a.npz,,-3,{digest}", f"p2,OD,b.npz,,-4,{digest}", head=HEAD + ",sha256_oct")
    refused(path, "row 3, column oct", "the same file as row 2")


def test_patient_in_two_splits_is_refused(write: Write) -> None:
    path = write(f"{SECRET},OD,a.npz,,-3,train", f"{SECRET},OS,b.npz,,-3,test", head=HEAD + ",split")
    refused(path, "row 3, column split", "row 2 has the same patient in train")


def test_partly_filled_split_is_refused(write: Write) -> None:
    path = write("p1,OD,a.npz,,-3,train", "p2,OS,b.npz,,-3,", head=HEAD + ",split")
    refused(path, "row 3, column split", "1 empty of 2", "all or none")


@pytest.mark.parametrize("name", ["17_OS_1.png", "RET017os.png", "OS.png"])
def test_file_name_that_states_the_other_eye_is_refused(write: Write, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    refused(write(f"p,OD,,{name},-3"), "row 2, column eye", "found OD", f"'{name}' says OS")
    assert read_manifest(write(f"p,OS,,{name},-3"))[0].eye == "OS"


@pytest.mark.parametrize("name", ["os_od.png", "photos.png", "macos1.png", "cod.png"])
def test_file_name_without_a_clear_eye_is_accepted(write: Write, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert read_manifest(write(f"p,OD,,{name},-3"))[0].eye == "OD"


def test_all_problems_are_reported_at_once(write: Write) -> None:
    rows = [f"{SECRET}{i},OD,missing{i}.npz,,-3" for i in range(30)]
    lines = refused(write(*rows), "row 2", "problem 1 of 30").splitlines()
    assert len(lines) == 22
    assert lines[1].startswith("  row 3, column oct")
    assert lines[-1] == "  ... and 9 more"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (HEAD.encode() + b"\r\n", "no rows"),
        (b"\n" + HEAD.encode(), "row 1 is blank"),
        (b"PK\x03\x04rest", "Excel"),
        ("patient_id;eye\nJörg;OD".encode("latin-1"), "line 2 is not UTF-8"),
        (HEAD.encode("utf-16"), "not UTF-8"),
        (HEAD.encode() + b"\np,OD,\0,,-3", "zero bytes"),
        (HEAD.encode() + b'\np,OD,"a.npz,,-3', "not a valid CSV"),
    ],
)
def test_file_that_is_no_csv_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    refused(path, "m.csv", word)


def test_missing_manifest_folder_and_wrong_option_are_refused(tmp_path: Path, write: Write) -> None:
    refused(tmp_path / "none.csv", "none.csv", "No such file")
    refused(tmp_path, "found a folder")
    refused(write("p,OD,a.npz,,-3"), "labels", "'some'", labels="some")


def test_unusable_image_paths_are_refused(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "hollow").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, word in [
        ("empty.png", "0 bytes"),
        ("hollow", "empty folder"),
        ("loop", "cannot be read"),
        ("a" * 300, "cannot"),
    ]:
        refused(write(f"p,OD,{name},,-3"), "row 2, column oct", word)


@pytest.mark.parametrize("as_item", [False, True])
def test_laterality_of_a_header_must_agree(as_item: bool) -> None:
    one = Examination(row=7, patient_id=SECRET, eye="OD")
    subject = {"row": 7, "eye": "OD"} if as_item else one
    check_laterality(subject, None)
    check_laterality(subject, "R")
    for found in ("OS", "left", "B"):
        with pytest.raises(InputError, match="row 7, column eye: found OD") as caught:
            check_laterality(subject, found)
        assert SECRET not in str(caught.value)
