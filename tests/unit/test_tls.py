"""Certificates: how they are made, and what is said of those that are not as they should be."""

import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from infra.local.certificates import Authority, make, names
from parlance import config, tls
from parlance.bus_choice import for_looking, for_services, kafka
from parlance.errors import InvalidRequest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    authority.issue("llm")
    return tmp_path / "tls"


def test_everybody_of_the_manifest_gets_one_and_keeps_it(tmp_path: Path, authority: Authority) -> None:
    folder = tmp_path / "tls"
    assert make(authority, hosts={"llm": ["llm.example"]}) == names()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert make(Authority(folder), hosts={}) == []
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    for path in folder.iterdir():
        private = path.suffix in (".key", ".pem")
        assert path.stat().st_mode & 0o777 == (0o600 if private else 0o644), path
    found = x509.load_pem_x509_certificate((folder / "llm.crt").read_bytes())
    assert found.subject.rfc4514_string() == "CN=llm"
    hosts = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(hosts.get_values_for_type(x509.DNSName)) == {"localhost", "llm", "llm.example"}
    assert [str(ip) for ip in hosts.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert (folder / "kafka.pem").read_bytes().count(b"BEGIN") == 3


def test_what_expires_within_a_month_or_was_signed_elsewhere_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    authority = Authority(folder)
    make(authority, hosts={})
    authority.issue("llm", days=29)
    shutil.copy(folder / "tts.crt", tmp_path / "kept")
    Authority(tmp_path / "other").issue("speech")
    shutil.copy(tmp_path / "other/speech.crt", folder / "speech.crt")
    assert make(authority, hosts={}) == ["speech", "llm"]
    assert (folder / "tts.crt").read_bytes() == (tmp_path / "kept").read_bytes()
    assert make(authority, renew=True, hosts={}) == names()
    assert tls.credentials(folder, "speech").ca == folder / "ca.crt", "the authority stays"


def test_the_command_says_what_it_did_and_what_it_cannot(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "infra/local/certificates.py", "--folder", str(tmp_path / "tls"), *words]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "gateway, speech" in run().stdout
    assert "hold for another month" in run().stdout
    done = run("--host", "nobody=x")
    assert done.returncode == 2 and "--host is NAME=HOST" in done.stderr
    (tmp_path / "tls/ca.key").unlink()
    done = run()
    assert done.returncode == 1 and "ca.key" in done.stderr and "Traceback" not in done.stderr


def test_good_files_make_a_context_that_checks_names(folder: Path) -> None:
    made = tls.context(tls.credentials(folder, "llm"))
    assert made.check_hostname and made.verify_mode == ssl.CERT_REQUIRED
    assert tls.own(None, "llm") is None


@pytest.mark.parametrize("missing", ["ca.crt", "llm.crt", "llm.key"])
def test_a_missing_file_is_named_with_what_to_do(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(InvalidRequest, match=rf"PARLANCE_TLS: {folder}/{missing} cannot be read.*make certificates"):
        tls.credentials(folder, "llm")


@pytest.mark.parametrize("broken", ["ca.crt", "llm.crt", "llm.key"])
def test_a_broken_file_is_named(folder: Path, broken: str) -> None:
    (folder / broken).write_text("nothing")
    with pytest.raises(InvalidRequest, match=rf"PARLANCE_TLS: {folder}/{broken} is no "):
        tls.credentials(folder, "llm")


def test_an_expired_one_is_named_with_the_date(folder: Path, authority: Authority) -> None:
    authority.issue("llm", days=-1)
    with pytest.raises(InvalidRequest, match=r"PARLANCE_TLS: .*llm\.crt has expired at 20.* UTC.*RENEW=1"):
        tls.credentials(folder, "llm")


def test_one_of_another_authority_is_named(folder: Path, tmp_path: Path) -> None:
    Authority(tmp_path / "other").issue("llm")
    for name in ("llm.crt", "llm.key"):
        shutil.copy(tmp_path / "other" / name, folder / name)
    with pytest.raises(InvalidRequest, match=r"PARLANCE_TLS: .*llm\.crt was not signed by .*ca\.crt"):
        tls.credentials(folder, "llm")


def test_that_of_another_name_and_a_key_of_another_are_told(folder: Path, authority: Authority) -> None:
    authority.issue("tts")
    shutil.copy(folder / "tts.key", folder / "llm.key")
    with pytest.raises(InvalidRequest, match=r"llm\.key is not the key of .*llm\.crt"):
        tls.credentials(folder, "llm")
    shutil.copy(folder / "tts.crt", folder / "llm.crt")
    with pytest.raises(InvalidRequest, match=r"llm\.crt is the certificate of 'tts', not of 'llm'"):
        tls.credentials(folder, "llm")


def test_the_bus_takes_the_certificate_of_its_service(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiokafka")
    monkeypatch.setenv("PARLANCE_HOME", str(tmp_path))
    monkeypatch.setenv("PARLANCE_BUS", "kafka+tls://127.0.0.1:1")
    with pytest.raises(InvalidRequest, match=r"PARLANCE_BUS: .* needs certificates: set PARLANCE_TLS"):
        for_looking(config.load())
    monkeypatch.setenv("PARLANCE_TLS", str(folder))
    settings = config.load()
    assert str(kafka(settings, "llm")._address) == "kafka+tls://127.0.0.1:1"
    with pytest.raises(InvalidRequest, match=r"PARLANCE_TLS: .*operator\.crt"):
        for_looking(settings)
    with pytest.raises(InvalidRequest, match="a process of its own"):
        for_services(settings)
