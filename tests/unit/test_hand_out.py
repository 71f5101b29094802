"""What the job that makes secrets hands to whom."""

from pathlib import Path

import pytest

from infra.docker.hand_out import hand_out

DATABASES = ["dialogue", "ledger"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("authority", "dialogue", "llm", "kafka", "postgres"):
        (tmp_path / name).mkdir()
    for name in ("ca", "dialogue", "llm", "kafka", "postgres"):
        for end in ("crt", "key"):
            (tmp_path / "authority" / f"{name}.{end}").write_text(f"{name} {end}")
    (tmp_path / "authority/kafka.pem").write_text("both")
    hand_out(tmp_path, DATABASES)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_gets_its_own_and_the_authoritys_certificate(folder: Path) -> None:
    assert files(folder / "llm") == {"ca.crt", "llm.crt", "llm.key"}
    assert files(folder / "kafka") == {"ca.crt", "kafka.crt", "kafka.key", "kafka.pem"}
    assert files(folder / "dialogue") == {"ca.crt", "dialogue.crt", "dialogue.key", "database-password"}


def test_the_authoritys_key_stays_where_it_is(folder: Path) -> None:
    everybodys = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "authority"]
    assert len(everybodys) > 10
    assert not any(path.name == "ca.key" or path.read_text() == "ca key" for path in everybodys)


def test_the_database_knows_the_password_of_each_service_that_has_one(folder: Path) -> None:
    mine = (folder / "dialogue/database-password").read_text()
    assert len(mine) == 48 and (folder / "postgres/dialogue.password").read_text() == mine
    assert (folder / "postgres/ledger.password").read_text() != mine
    assert (folder / "postgres/database-password").read_text() not in mine


def test_done_again_it_keeps_passwords_and_brings_new_certificates(folder: Path) -> None:
    before = (folder / "dialogue/database-password").read_text()
    (folder / "authority/dialogue.crt").write_text("renewed")
    hand_out(folder, DATABASES)
    assert (folder / "dialogue/database-password").read_text() == before
    assert (folder / "dialogue/dialogue.crt").read_text() == "renewed"


def test_what_is_handed_out_cannot_be_changed_by_mistake(folder: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in (folder / "llm").iterdir()} == {0o444}
    assert {path.stat().st_mode & 0o777 for path in (folder / "authority").glob("*.password")} == {0o400}
