"""`scripts.doctor` from its command line to its page."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from bundle.data.phantom import make_phantom
from bundle.errors import InputError
from scripts.doctor import main

SECRET = "CANARY"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "cohort"
    return Path(make_phantom(folder, n_patients=12, workers=1))


@pytest.fixture
def ill(healthy: Path, tmp_path: Path) -> Path:
    """Files and patients carry the mark; row 3 has no photograph, row 4 is damaged, row 5 has a decimal comma."""
    folder = Path(shutil.copytree(healthy.parent, tmp_path / "ill"))
    with healthy.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["patient_id"] = SECRET + row["patient_id"]
        for modality in ("oct", "fundus"):
            old = folder / row[modality]
            row[modality] = f"{modality}/{SECRET}{old.name}"
            old.rename(folder / row[modality])
    (folder / rows[1]["fundus"]).unlink()
    (folder / rows[2]["oct"]).write_bytes(SECRET.encode() * 100)
    rows[3]["md_db"] = "-3,5"
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


class Page(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


def test_healthy_cohort_ends_with_0_and_with_1_if_warnings_count(healthy, tmp_path, capsys):
    assert main([str(healthy), "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "0 errors, 1 warning" in told
    assert "a clinic (UWHVF)" in told
    assert max(map(len, told.splitlines())) <= 120
    assert main([str(healthy), "--out", str(tmp_path), "--strict"]) == 1


def test_ill_cohort_ends_with_1_and_is_told_on_screen_and_in_three_files(ill, tmp_path, capsys):
    assert main([str(ill), "--out", str(tmp_path / "report")]) == 1
    told = capsys.readouterr()
    findings = json.loads((tmp_path / "report" / "doctor.json").read_text())["findings"]
    errors = {(one["check"], *one["rows"]) for one in findings if one["level"] == "error"}
    assert errors == {("files", 3), ("unreadable", 4), ("labels", 5)}
    texts = {path.name: path.read_text() for path in (tmp_path / "report").iterdir()}
    assert sorted(texts) == ["doctor.html", "doctor.json", "doctor.md"]
    for text in (*texts.values(), told.out, told.err):
        assert SECRET not in text
        assert "P0001" not in text
    for text in (texts["doctor.md"], texts["doctor.html"], told.out):
        assert "decimal comma" in text


def test_page_stands_alone_and_links_findings_to_pictures(ill, tmp_path):
    main([str(ill), "--out", str(tmp_path), "--thumbnails", "5"])
    page = Page((tmp_path / "doctor.html").read_text())
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    eyes = [name for name in page.values("id") if name.startswith("row-")]
    assert eyes[:3] == ["row-3", "row-4", "row-5"]
    assert len(eyes) == 5
    assert {"#row-3", "#row-4", "#row-5"} <= set(page.values("href")) <= {f"#{name}" for name in eyes}
    sources = page.values("src")
    assert len(sources) == 3 * 5 - 1 - 2  # no photograph of row 3, no volume (two pictures) of row 4
    for source in sources:
        head, _, content = source.partition(",")
        assert head == "data:image/png;base64"
        assert max(Image.open(io.BytesIO(base64.b64decode(content))).size) <= 144


def test_measured_numbers_are_in_the_json(healthy, tmp_path):
    main([str(healthy), "--out", str(tmp_path), "--thumbnails", "0"])
    eyes = json.loads((tmp_path / "doctor.json").read_text())["eyes"]
    assert eyes[0]["row"] == 2
    assert eyes[0]["oct"]["shape"] == [16, 48, 32]
    assert eyes[0]["fundus"]["shape"] == [64, 64]
    assert {eye["split"] for eye in eyes} == {"train", "validation", "test"}


def test_table_without_labels_is_fine_for_prediction(ill, tmp_path):
    lines = [",".join(line.split(",")[:4]) for line in ill.read_text().splitlines()]
    ill.write_text("\n".join(lines[:2] + lines[5:]) + "\n")
    assert main([str(ill), "--out", str(tmp_path / "a")]) == 1
    assert main([str(ill), "--out", str(tmp_path / "b"), "--unlabelled"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["none.csv"], "cannot be read"), (["none.csv", "--workers", "0"], "--workers: found"), (["."], "found a folder")],
)
def test_wrong_use_is_an_input_error(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        main(arguments)
    assert not list(tmp_path.iterdir())


def test_folder_that_cannot_be_written_is_an_input_error(healthy, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="choose another folder"):
        main([str(healthy), "--out", str(tmp_path / "file" / "report"), "--thumbnails", "0"])


def test_two_hundred_small_eyes_take_seconds_of_processor_time(healthy, tmp_path):
    head, *rows = healthy.read_text().splitlines()
    many = [f"{row},{visit}" for visit in range(10) for row in rows]  # the same files again, as visits
    manifest = healthy.parent / "many.csv"
    manifest.write_text("\n".join([f"{head.replace('visit_date', 'seen')},visit", *many]) + "\n")
    start = time.process_time()
    main([str(manifest), "--out", str(tmp_path)])
    assert len(many) > 200
    assert time.process_time() - start < 15  # about 4, on whatever else the machine is doing
