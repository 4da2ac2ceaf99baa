"""The command `python -m scripts.make_phantom`."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bundle.errors import InputError
from scripts.make_phantom import main


def test_makes_a_cohort_and_prints_its_manifest(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "c"), "--patients", "2", "--seed", "5", "--workers", "1"]) == 0
    manifest = Path(capsys.readouterr().out.strip())
    assert manifest == tmp_path / "c" / "manifest.csv"
    assert len(manifest.read_text().splitlines()) in (3, 4, 5)


def test_test_eyes_reach_the_manifest(tmp_path, capsys):
    main(["--out", str(tmp_path / "c"), "--patients", "2", "--test-eyes", "3", "--quiet"])
    assert Path(capsys.readouterr().out.strip()).read_text().count(",test\n") >= 3


def test_nothing_to_do_is_an_input_error():
    with pytest.raises(InputError, match="--out or --picture"):
        main([])


def test_an_unknown_preset_is_refused_by_the_command_line(capsys):
    with pytest.raises(SystemExit):
        main(["--preset", "huge", "--out", "x"])
    assert "long_tail" in capsys.readouterr().err


@pytest.mark.slow
def test_the_picture_shows_twelve_eyes(tmp_path):
    main(["--picture", str(tmp_path / "eyes.png")])
    with Image.open(tmp_path / "eyes.png") as image:
        assert image.width > 1500
        assert image.height > 700
