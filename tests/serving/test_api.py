"""The JSON service: the row that predict writes, a sentence for all else, nothing left behind."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra `app` is not installed")

from fastapi.testclient import TestClient

from benchmarks.broken import Upload, broken_uploads, sound
from emotion.audio.decode import Wave
from emotion.errors import ConfigError
from emotion.runtime.base import Clip, ModelOutput
from emotion.runtime.predictor import Predictor
from emotion.serving import api as endpoint
from emotion.serving.api import build_endpoint
from emotion.serving.model_card import About, Score
from emotion.serving.server import bound
from emotion.serving.service import Limits, Model, Service

LIMITS = Limits(max_mb=0.5, max_seconds=4.0, waiting=2)
BROKEN = broken_uploads(max_bytes=LIMITS.max_bytes, max_seconds=LIMITS.max_seconds)


class Level:
    """Tells loud from quiet by the mean magnitude of the first second."""

    labels = ("loud", "quiet")
    window = 1.0

    def __init__(self) -> None:
        self.before: Callable[[], object] = lambda: None

    def standardise(self, wave: Wave, sample_rate: int) -> Clip:
        return [wave[:sample_rate]]

    def answer(self, clips: Sequence[Clip]) -> ModelOutput:
        self.before()
        loud = np.array([min(1.0, 4 * float(np.abs(wave).mean())) for (wave,) in clips])
        chances = np.stack([loud, 1 - loud], axis=1)
        return ModelOutput(chances, np.log(np.maximum(chances, 1e-9)), np.zeros((len(clips), 1)))


@pytest.fixture
def recogniser() -> Level:
    return Level()


@pytest.fixture
def client(recogniser: Level, tmp_path: Path) -> Iterator[TestClient]:
    score = Score(True, 0.6, 0.5, 0.7, speakers=9, clips=90, corpora=("mine",))
    models = [
        Model(About(name, "level", recogniser.labels, False, score), Predictor(recogniser))
        for name in ("first", "second")
    ]
    app = build_endpoint(Service(models, LIMITS), tmp_path)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def sent(client: TestClient, upload: Upload) -> Any:
    return client.post(f"/predict{upload.query}", content=upload.body, headers=upload.headers)


@pytest.mark.parametrize("form", [True, False])
def test_answer_is_the_row_that_predict_writes(
    client: TestClient, tmp_path: Path, form: bool
) -> None:
    body = sound(2.0)
    files = {"file": ("a b.wav", body, "audio/wav")}
    answer = client.post("/predict", files=files) if form else client.post("/predict", content=body)
    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert list(row) == ["path", "predicted", "note", "p_loud", "p_quiet", "model", "seconds"]
    assert (row["path"], row["predicted"]) == ("a b.wav" if form else "recording", "quiet")
    assert row["p_loud"] + row["p_quiet"] == pytest.approx(1)
    assert (row["model"], row["seconds"]) == ("first", 2.0)
    assert not list(tmp_path.iterdir())


def test_timeline_has_a_row_a_window(client: TestClient) -> None:
    rows = client.post("/predict?timeline=true", content=sound(2.0)).json()["timeline"]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 1), (0.5, 1.5), (1, 2)]
    assert {"path", "predicted", "note", "p_loud", "p_quiet"} < set(rows[0])


def test_fifty_broken_uploads_are_fifty_kinds() -> None:
    assert len({upload.wrong for upload in BROKEN}) == len(BROKEN) == 50


@pytest.mark.parametrize("upload", BROKEN, ids=[upload.wrong for upload in BROKEN])
def test_broken_upload_gets_a_sentence_and_leaves_nothing(
    client: TestClient, tmp_path: Path, upload: Upload
) -> None:
    answer = sent(client, upload)
    assert 400 <= answer.status_code < 500, answer.text
    said = answer.json()["detail"]
    assert isinstance(said, str)
    assert len(said.split()) > 2, said
    assert said.endswith(".")
    assert str(tmp_path) not in said
    assert not list(tmp_path.iterdir())


def test_what_is_within_the_limits_is_answered(client: TestClient) -> None:
    assert client.post("/predict", content=sound(4.0)).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (sound(4.1), "is 4.1 s long: at most 4 s are taken"),
        (sound(3.9, rate=48_000, channels=8, kind=("FLAC", "PCM_16"), fill=0.0), "1 million"),
        (bytes(LIMITS.max_bytes + 1), "at most 0.5 MB"),
        (bytes(3 * LIMITS.max_bytes), "at most 0.5 MB"),
    ],
)
def test_what_is_beyond_the_limits_is_413_with_the_limit(
    client: TestClient, body: bytes, said: str
) -> None:
    answer = client.post("/predict", content=body)
    assert (answer.status_code, said in answer.text) == (413, True), answer.text
    form = client.post("/predict", files={"file": ("a.wav", body)})
    assert (form.status_code, said in form.text) == (413, True), form.text


def test_more_than_may_wait_are_turned_away(client: TestClient, recogniser: Level) -> None:
    inside, go_on = threading.Semaphore(0), threading.Event()

    def wait() -> None:
        inside.release()
        go_on.wait(10)

    recogniser.before = wait
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(client.post("/predict", content=sound())))
        for _ in range(LIMITS.waiting + 1)
    ]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=10)
    while not answers:  # until one was turned away
        threads[0].join(0.01)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sorted(answer.status_code for answer in answers) == [200] * LIMITS.waiting + [503]
    assert answers[0].headers["Retry-After"] == "1"
    assert "Try again" in answers[0].json()["detail"]


def test_taken_port_is_said() -> None:
    with bound("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port={port} cannot be used"),
            bound("127.0.0.1", port),
        ):
            pass


def exchange(app: Any, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what an application sends to a client that says this, and then nothing more."""
    said: list[dict[str, Any]] = []
    coming = iter(messages)

    async def receive() -> dict[str, Any]:
        try:
            return next(coming)
        except StopIteration:
            await asyncio.Event().wait()
            raise

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/predict",
        "headers": [],
        "query_string": b"",
    }
    asyncio.run(app(scope, receive, send))
    return said


def test_client_that_leaves_in_the_middle_leaves_nothing(
    client: TestClient, tmp_path: Path
) -> None:
    begun = {"type": "http.request", "body": b"RIFF", "more_body": True}
    exchange(client.app, [begun, {"type": "http.disconnect"}])
    assert not list(tmp_path.iterdir())


def test_upload_that_never_ends_is_given_up(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "UPLOAD_S", 0.05)
    begun = {"type": "http.request", "body": b"RIFF", "more_body": True}
    start, body = exchange(client.app, [begun])
    assert start["status"] == 408
    assert "longer than 0.05 s" in json.loads(body["body"])["detail"]
    assert not list(tmp_path.iterdir())


def test_models_say_how_good_they_were_on_whom(client: TestClient) -> None:
    first, second = client.get("/models").json()
    assert (first["name"], second["name"]) == ("first", "second")
    assert first["score"]["speakers"] == 9
    assert client.get("/health").json() == {"status": "ok", "models": ["first", "second"]}
    row = client.post("/predict?model=second", content=sound()).json()
    assert row["model"] == "second"


def test_description_names_every_refusal_and_loads_nothing_from_elsewhere(
    client: TestClient,
) -> None:
    description = client.get("/docs").json()  # it leads to openapi.json
    post = description["paths"]["/predict"]["post"]
    assert {"200", "400", "404", "408", "413", "422", "503"} <= set(post["responses"])
    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "audio/*"}
    assert "http" not in client.get("/models").headers["content-security-policy"]
