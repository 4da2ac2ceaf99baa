import subprocess
from pathlib import Path

import pytest

from bundle.reporting import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "a.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path


def test_commit_and_a_change_in_the_code_are_seen(checkout):
    commit, changed = provenance.commit_of_code()
    assert len(commit) == 40
    assert not changed
    (checkout / "notes.txt").write_text("not code\n")
    assert provenance.commit_of_code() == (commit, False)
    (checkout / "bundle" / "a.py").write_text("a = 2\n")
    assert provenance.commit_of_code() == (commit, True)


def test_outside_of_a_checkout_nothing_is_claimed(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.commit_of_code() is None


@pytest.mark.parametrize(("n", "words"), [(1, "1 core"), (2, "2 cores")])
def test_cores_in_words(monkeypatch: pytest.MonkeyPatch, n: int, words: str) -> None:
    monkeypatch.setattr(provenance, "cores", lambda: n)
    assert provenance.cores_in_words() == words
