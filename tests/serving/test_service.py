"""The service behind page and API: limits, the choice of model, when a timeline is made."""

from pathlib import Path

import pytest

from benchmarks.broken import sound
from emotion.errors import ConfigError, TooLongError
from emotion.serving.service import (
    BusyError,
    Limits,
    Service,
    UnknownModelError,
    error_sentence,
)
from tests.support.compressed import flac_of_silence
from tests.support.served_model import LoudnessModel, served_model


@pytest.fixture
def service() -> Service:
    models = [served_model(name, LoudnessModel()) for name in ("first", "second")]
    return Service(models, Limits(max_mb=1.0, max_seconds=4.0, waiting=2))


def recording(folder: Path, seconds: float) -> Path:
    path = folder / "a.wav"
    path.write_bytes(sound(seconds))
    return path


def test_first_model_is_the_default(service: Service, tmp_path: Path) -> None:
    file = recording(tmp_path, 1.0)
    assert service.predict(file).model.card.name == "first"
    assert service.predict(file, model="second").model.card.name == "second"
    with pytest.raises(UnknownModelError, match=r"'secnd' is not served\. Did you mean second"):
        service.predict(file, model="secnd")


def test_timeline_is_automatic_for_recordings_longer_than_a_window(
    service: Service, tmp_path: Path
) -> None:
    short = service.predict(recording(tmp_path, 1.1), timeline=None)
    assert not short.windows
    long = service.predict(recording(tmp_path, 2.0), timeline=None)
    assert [window.start_s for window in long.windows] == [0.0, 0.5, 1.0]
    assert (long.classified_s, long.seconds) == (1.0, 2.0)


def test_recording_beyond_the_limit_is_refused_in_a_sentence(
    service: Service, tmp_path: Path
) -> None:
    with pytest.raises(TooLongError) as error:
        service.predict(recording(tmp_path, 4.5))
    message = error_sentence(error.value)
    assert message == "The recording is 4.5 s long; at most 4 s are allowed."


def test_recording_without_a_length_is_read_no_further_than_the_limit(
    service: Service, tmp_path: Path
) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(flac_of_silence(60, length=False))
    with pytest.raises(TooLongError, match="is too long: more than 384,000 samples"):
        service.predict(path)


def test_slot_is_free_again_after_an_error(service: Service, tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(TooLongError), service.slot():
            service.predict(recording(tmp_path, 4.5))
    with service.slot(), service.slot(), pytest.raises(BusyError, match="2 recordings"):
        service.slot().__enter__()


@pytest.mark.parametrize("limit", ["max_mb", "max_seconds", "waiting"])
def test_limits_are_above_zero(limit: str) -> None:
    values = {"max_mb": 1.0, "max_seconds": 1.0, "waiting": 1} | {limit: 0}
    with pytest.raises(ConfigError, match=f"{limit}=0 must be a number above 0"):
        Limits(**values)
