"""A user without a name, as in many containers."""

import getpass
import pwd

import pytest

from emotion.utils.user_name import ensure_user_name


def test_a_user_without_a_name_gets_one_for_the_libraries_that_need_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nameless(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # restored after the test
    monkeypatch.setattr(pwd, "getpwuid", nameless)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    ensure_user_name()
    assert getpass.getuser().startswith("uid")
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    assert "torchinductor_uid" in default_cache_dir()


def test_a_name_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    ensure_user_name()
    assert getpass.getuser() == "ada"
