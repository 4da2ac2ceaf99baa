"""Nothing outside the studies folder is ever read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.deploy.monailabel.studies import Studies
from bundle.deploy.monailabel.study import UnknownStudyError
from bundle.errors import InputError
from tests.deploy.monailabel.studies_folder import touch


@pytest.mark.parametrize(
    "name",
    [
        "../secret", "/etc/passwd", "..", ".", "", "a/../../secret", "a_oct.npz", "./a", "a/", "A", "a\x00", "file:///a",
        "..\\secret", "%2e%2e%2fsecret", None, ["a"], {"a": 1}, 7,
    ],
)  # fmt: skip
def test_an_id_is_looked_up_and_never_a_path(tmp_path: Path, name: object) -> None:
    touch(tmp_path, "secret_oct.npz", "studies/a_oct.npz")
    with pytest.raises(UnknownStudyError) as caught:
        Studies(tmp_path / "studies").get(name)
    assert "secret" not in str(caught.value)


def _file(outside: Path, studies: Path) -> None:
    (studies / "a_oct.npz").symlink_to(outside / "scans" / "1.png")


def _folder(outside: Path, studies: Path) -> None:
    (studies / "a_oct").symlink_to(outside / "scans")


def _in_a_folder(outside: Path, studies: Path) -> None:
    touch(studies, "a_oct/2.png")
    (studies / "a_oct" / "1.png").symlink_to(outside / "scans" / "1.png")


def _sidecar(outside: Path, studies: Path) -> None:
    touch(studies, "a_oct.nii.gz")
    (studies / "a_oct.json").symlink_to(outside / "scans" / "1.png")


def _in_a_circle(outside: Path, studies: Path) -> None:
    (studies / "a_oct.npz").symlink_to(studies / "a_oct.npz")


@pytest.mark.parametrize("link", [_file, _folder, _in_a_folder, _sidecar, _in_a_circle])
def test_links_out_of_the_folder_are_refused(tmp_path: Path, link: object) -> None:
    touch(tmp_path, "scans/1.png")
    studies = touch(tmp_path / "studies", "b_oct.npz")
    link(tmp_path, studies)  # type: ignore[operator]
    with pytest.raises(InputError, match="oct: found a link out of the studies folder"):
        Studies(studies).get("a")
    assert Studies(studies).get("b").modalities == ["oct"]


def test_a_link_to_a_study_folder_elsewhere_is_no_study(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/oct.npz", "studies/b_oct.npz")
    (tmp_path / "studies" / "a").symlink_to(tmp_path / "elsewhere")
    assert list(Studies(tmp_path / "studies").all()) == ["b"]


def test_a_link_inside_the_folder_will_do_and_so_a_link_to_the_folder(tmp_path: Path) -> None:
    studies = touch(tmp_path / "studies", "store/1.npz")
    (studies / "a_oct.npz").symlink_to(studies / "store" / "1.npz")
    (tmp_path / "link").symlink_to(studies)
    assert Studies(tmp_path / "link").get("a").modalities == ["oct"]
