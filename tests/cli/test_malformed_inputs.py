"""What a user can hand over by mistake: one line that names the file and the reason, exit code 2, and nothing written.

Images go through `scripts.predict`, tables through the check before training and through `scripts.doctor`, visual
fields through `read_visual_field`, which has no command of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bundle.data import Cohort
from bundle.data.readers import read_visual_field
from bundle.deploy.model_folder import save_model
from bundle.deploy.predictor import Predictor
from bundle.errors import InputError, run_main
from scripts import doctor, predict
from tests.data.readers.dicom.test_damaged import CHANGES, KINDS, setting
from tests.data.readers.dicom.test_damaged import SPACING_MM as DICOM_SPACING_MM
from tests.data.readers.test_reader_errors import BAD_FUNDUS, BAD_OCT, Make, npz
from tests.dicom_fields import field_24_2, write_opv
from tests.dicom_files import canonical, write_opt
from tests.dicom_header import CANARY
from tests.dicom_photos import write_op
from tests.heidelberg_files import PATIENT, circle_lines, vol_bytes, write_xml
from tests.toy import FUNDUS_SIZE, OCT_GRID, toy_regressor

SECRETS = ("CANARY", CANARY, PATIENT, "DOE")
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 40, 32), dtype=np.uint8)
PHOTO = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
Case = tuple[Make, str]


def vol(cut: int | None = None, **options: object) -> Make:
    return lambda path: path.write_bytes(vol_bytes(PIXELS / np.float32(255), **options)[:cut])  # type: ignore[arg-type]


def lying_vol(path: Path) -> None:
    content = bytearray(vol_bytes(PIXELS / np.float32(255)))
    content[16:20] = (10**6).to_bytes(4, "little")
    path.write_bytes(content)


def op(pixels: np.ndarray = PHOTO, **attributes: object) -> Make:
    return lambda path: write_op(path, pixels, **attributes)  # type: ignore[arg-type]


def opt(name: str) -> Make:
    return lambda path: write_opt(path, canonical(), DICOM_SPACING_MM, change=CHANGES[name][0])


def of_class(uid: str) -> Make:
    return lambda path: write_opt(path, canonical(), DICOM_SPACING_MM, change=setting(SOPClassUID=uid))


def image(kind: str, mode: str = "RGB", cut: int | None = None, side: int = 32) -> Make:
    def make(path: Path) -> None:
        Image.fromarray(PHOTO).resize((side, side)).convert(mode).save(path, kind)
        path.write_bytes(path.read_bytes()[:cut])

    return make


def bscans(numbers: list[int], odd: int | None = None) -> Make:
    """A folder without the spacing's trouble; the B-scan `odd` is smaller."""

    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / "oct.json").write_text('{"spacing_mm": [0.05, 0.002, 0.012]}')
        for number in numbers:
            Image.fromarray(PIXELS[0, :20] if number == odd else PIXELS[0]).save(folder / f"{number}.png")

    return make


OCT: dict[str, Case] = {
    **BAD_OCT,
    **{f"DICOM, {name}": (opt(name), word) for name, (_, word) in CHANGES.items()},
    **{f"DICOM of class {uid}": (of_class(uid), word) for uid, word in KINDS.items()},
    "vol, circle scan": (vol(pattern=2), "circle scan"),
    "vol, circle by its lines": (vol(lines_mm=circle_lines(6)), "not parallel|unevenly"),
    "vol, cut": (vol(cut=9000), "cut short"),
    "vol, lying header": (lying_vol, "promises 1000000 B-scans"),
    "vol, spacing of another unit": (vol(bscan_mm=120.0), "120 mm by the header"),
    "xml, two scans": (lambda path: write_xml(path, PIXELS, n_series=2), "found 2 OCT scans"),
    "xml, circle": (lambda path: write_xml(path, PIXELS, kind="Circle"), "circle scan"),
    "xml, other size": (lambda path: write_xml(path, PIXELS, promised=(41, 32)), "promises"),
    "xml, images elsewhere": (lambda path: write_xml(path, PIXELS, url="x/none{name}"), "not beside the .xml"),
    "folder, one B-scan missing": (bscans([0, 1, 2, 4, 5]), "number 3 is missing"),
    "folder, one of another size": (bscans([0, 1, 2, 3], odd=2), "2.png: found"),
    "folder, too few": (bscans([0, 1]), "found 2 images"),
    "the other eye": (npz(laterality=np.array("OS")), "OS"),
}
FUNDUS: dict[str, Case] = {
    **BAD_FUNDUS,
    "PNG, cut": (image("PNG", cut=300), "cut short"),
    "JPEG, cut": (image("JPEG", cut=400), "cut short"),
    "TIFF, cut": (image("TIFF", cut=100), "cut short"),
    "CMYK": (image("JPEG", "CMYK"), "CMYK"),
    "mask": (image("PNG", "1"), "."),
    "thumbnail": (image("PNG", side=8), "8 x 8 pixels"),
    "black": (lambda path: Image.new("RGB", (32, 32)).save(path, "PNG"), "blank image"),
    "DICOM, both eyes": (op(laterality="B"), "both eyes"),
    "DICOM, the other eye": (op(laterality="L"), "OS"),
    "DICOM, several frames": (op(np.stack([PHOTO] * 3)), "3 frames"),
    "DICOM, lying rows": (op(Rows=5000), "more than the file holds|promises"),
    "DICOM, screenshot": (op(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "Secondary Capture"),
    "DICOM, no pixels": (op(PixelData=None), "without pixels|cut short"),
}
FIELDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "positive MD": (lambda path: write_opv(path, md_db=4.0, points=field_24_2(loss_db=4.0)), "negative"),
    "impossible MD": (lambda path: write_opv(path, md_db=-60.0), "-60 dB"),
    "loss counted as positive": (
        lambda path: write_opv(path, points=field_24_2() * np.array([1, 1, 1, -1])), "negative|positive"
    ),
    "swapped eye": (lambda path: write_opv(path, laterality="L", points=field_24_2("R")), "test points of OD"),
    "both eyes": (lambda path: write_opv(path, laterality="B", points=field_24_2()), "both eyes"),
    "one point twice": (lambda path: write_opv(path, points=field_24_2()[[0, 0, 1, 2]]), "twice"),
    "no points": (lambda path: write_opv(path, VisualFieldTestPointSequence=[]), "0 test points"),
    "negative PSD": (lambda path: write_opv(path, psd_db=-1.0), "PSD"),
    "more failures than checks": (lambda path: write_opv(path, fixation=(9, 3)), "9 failures in 3"),
    "wrong class": (lambda path: write_opv(path, SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.5.4"), "expected a visual"),
    "printed report": (lambda path: path.write_bytes(b"%PDF-1.7 DOE"), "printed report"),
    "empty": (lambda path: path.touch(), "0 bytes"),
}  # fmt: skip

HEAD = "patient_id,eye,oct,fundus,md_db"
ROW = f"{CANARY},OD,,a.png,-3"
# text or bytes of the manifest, what the line must say
TABLES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "header alone": (HEAD, "no rows"),
    "workbook": (b"PK\x03\x04rest", "Excel workbook"),
    "UTF-16": (f"{HEAD}\n{ROW}".encode("utf-16"), "not UTF-8"),
    "Latin-1": (f"{HEAD}\nJörg,OD,,a.png,-3".encode("latin-1"), "line 2 is not UTF-8"),
    "zero bytes": (f"{HEAD}\np\0,OD,,a.png,-3", "zero bytes"),
    "open quotation mark": (f'{HEAD}\n"{ROW}', "not a valid CSV"),
    "column twice": (f"{HEAD},eye\n{ROW},OD", "column 'eye' is there twice"),
    "misspelt column": (f"{HEAD[:-5]}MD\n{ROW}", "'MD', which looks like 'md_db'"),
    "no images": ("patient_id,eye,md_db\np,OD,-3", "no column 'fundus'"),
}
ROWS: dict[str, tuple[str, str]] = {
    "decimal comma": (f'{CANARY},OD,,a.png,"-3,5"', "decimal comma"),
    "unquoted decimal comma": (f"{ROW},5", "6 cells, expected 5"),
    "short row": (f"{CANARY},OD,,a.png", "4 cells, expected 5"),
    "text MD": (f"{CANARY},OD,,a.png,early", "'early', expected a finite number"),
    "NaN MD": (f"{CANARY},OD,,a.png,nan", "finite number"),
    "infinite MD": (f"{CANARY},OD,,a.png,-inf", "finite number"),
    "no MD": (f"{CANARY},OD,,a.png,", "found nothing, expected the Mean Deviation"),
    "MD with a unit": (f"{CANARY},OD,,a.png,-3 dB", "digits only"),
    "large MD": (f"{CANARY},OD,,a.png,12.5", "found 12.5"),
    "positive MD": ("\n".join(f"p{i},OD,,{name}.png,{i}" for i, name in enumerate("abcde")), "loss to be negative"),
    "flags": ("\n".join(f"p{i},OD,,{name}.png,{i % 2}" for i, name in enumerate("abcd")), "only 0 and 1"),
    "no patient": (",OD,,a.png,-3", "patient's identifier"),
    "no eye": (f"{CANARY},,,a.png,-3", "expected OD"),
    "unknown eye": (f"{CANARY},OU,,a.png,-3", "'OU', expected OD"),
    "swapped eye": (f"{CANARY},OD,,x_OS.png,-3", "says OS"),
    "no image": (f"{CANARY},OD,,,-3", "neither an OCT nor a fundus"),
    "missing image": (f"{CANARY},OD,,none.png,-3", "'none.png' cannot be read"),
    "empty image": (f"{CANARY},OD,,empty.png,-3", "0 bytes"),
    "symlink loop": (f"{CANARY},OD,,loop,-3", "'loop' cannot be read"),
    "folder as photograph": (f"{CANARY},OD,,hollow,-3", "found the folder"),
    "empty folder": (f"{CANARY},OD,hollow,,-3", "empty folder"),
    "duplicate": (f"{ROW}\n{ROW}", "the same examination as row 2"),
    "one photograph of two patients": (f"{ROW}\np2,OD,,a.png,-4", "the same file as row 2"),
    "one photograph of both eyes": (f"{ROW}\n{CANARY},OS,,a.png,-4", "the same file as row 2"),
}
CODES: dict[str, tuple[str, str, str]] = {
    "unknown split": ("split", "holdout", "train, validation or test"),
    "text age": ("age", "old", "of years"),
    "wrong age": ("age", "200", "0 to 120"),
    "short checksum": ("sha256_fundus", "12", "64 hexadecimal"),
    "changed file": ("sha256_fundus", "0" * 64, "the file changed"),
}
TABLES |= {name: (f"{HEAD}\n{rows}", word) for name, (rows, word) in ROWS.items()}
TABLES |= {name: (f"{HEAD},{column}\n{ROW},{cell}", word) for name, (column, cell, word) in CODES.items()}
TABLES["a patient in two splits"] = (
    f"{HEAD},split\n{ROW},train\n{CANARY},OS,,b.png,-4,test", "the same patient in train"
)  # fmt: skip
# Of a table that it can read, doctor tells what is wrong in its report, and ends with 1.
UNREADABLE = ("empty", "workbook", "UTF-16", "Latin-1", "zero bytes", "open quotation mark", "column twice")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Made once: it is the same for every eye."""
    folder = tmp_path_factory.mktemp("model")
    grid = {"oct_grid": list(OCT_GRID), "oct_extent_mm": [6.0, 2.0, 6.0], "fundus_size": FUNDUS_SIZE}
    save_model(folder, toy_regressor().eval(), {"version": "0.0.1", **grid})
    return Predictor(folder)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that whatever a command writes by default would lie there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    files = sorted(folder.rglob("*"))
    return {str(one): one.read_bytes() if not one.is_symlink() and one.is_file() else None for one in files}


def check_line(line: str, path: Path, word: str) -> None:
    """One line, with the file and the reason, and with nothing of a patient."""
    assert path.name in line
    assert re.search(word, line), f"{word!r} is not in {line!r}"
    assert "\n" not in line.strip()
    assert not any(secret in line for secret in SECRETS)


def check_command(main: Callable[[], object], place: Path, path: Path, word: str, capsys) -> None:
    before = contents(place)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run_main(main)  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert ended.value.code == 2
    assert told.out == ""
    assert told.err.startswith("error: ")
    check_line(told.err, path, word)
    assert contents(place) == before


def predicting(monkeypatch: pytest.MonkeyPatch, model: Predictor, *options: str) -> Callable[[], object]:
    monkeypatch.setattr("bundle.deploy.predictor.Predictor", lambda folder, device: model)
    monkeypatch.setattr(sys, "argv", ["predict", "--model", "made", "--eye", "OD", *options])
    return predict.main


@pytest.mark.filterwarnings("ignore:Invalid value:UserWarning")
@pytest.mark.parametrize("name", OCT)
def test_volume(name: str, place: Path, model: Predictor, monkeypatch, capsys) -> None:
    make, word = OCT[name]
    make(place / "scan")
    check_command(predicting(monkeypatch, model, "--oct", str(place / "scan")), place, place / "scan", word, capsys)


@pytest.mark.parametrize("name", FUNDUS)
def test_photograph(name: str, place: Path, model: Predictor, monkeypatch, capsys) -> None:
    make, word = FUNDUS[name]
    make(place / "photo")
    command = predicting(monkeypatch, model, "--fundus", str(place / "photo"))
    check_command(command, place, place / "photo", word, capsys)


@pytest.mark.parametrize("name", FIELDS)
def test_field(name: str, place: Path) -> None:
    make, word = FIELDS[name]
    make(place / "field")
    before = contents(place)
    with pytest.raises(InputError) as caught:
        read_visual_field(place / "field")
    check_line(str(caught.value), place / "field", word)
    assert contents(place) == before


def write_table(place: Path, name: str) -> Path:
    for file in ("a", "b", "c", "d", "e", "x_OS"):
        Image.fromarray(np.roll(PHOTO, ord(file[0]))).save(place / f"{file}.png")
    (place / "empty.png").touch()
    (place / "loop").symlink_to(place / "loop")
    (place / "hollow").mkdir()
    content = TABLES[name][0]
    (place / "table.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return place / "table.csv"


@pytest.mark.parametrize("name", TABLES)
def test_table_before_training(name: str, place: Path, capsys) -> None:
    path = write_table(place, name)

    def start() -> None:
        Cohort(path, output_dir=place / "run")

    check_command(start, place, path, TABLES[name][1], capsys)


@pytest.mark.parametrize("name", UNREADABLE)
def test_table_before_doctor(name: str, place: Path, capsys) -> None:
    path = write_table(place, name)
    check_command(lambda: doctor.main([str(path), "--workers", "1"]), place, path, TABLES[name][1], capsys)


@pytest.mark.parametrize("option", ["--oct", "--fundus", "--manifest"])
def test_file_that_may_not_be_read(option: str, place: Path, model: Predictor, monkeypatch, capsys) -> None:
    """Root may read everything, so the refusal is planted."""
    path = place / "file"
    path.write_bytes(b"x" * 1000)
    opened = Path.open

    def forbidden(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "read_bytes", lambda self: forbidden(self, "rb").read())  # type: ignore[attr-defined]
    monkeypatch.setattr(Path, "open", forbidden)
    with monkeypatch.context() as only_for_reading:
        only_for_reading.setattr(Path, "is_symlink", lambda self: True)  # `contents` reads nothing here
        check_command(predicting(monkeypatch, model, option, str(path)), place, path, "Permission denied", capsys)


def test_there_are_at_least_60_distinct_malformed_inputs(tmp_path: Path) -> None:
    n_distinct = sum(len(cases) for cases in (OCT, FUNDUS, FIELDS, TABLES))
    assert n_distinct >= 60
    assert len({content for content, _ in TABLES.values()}) == len(TABLES)
