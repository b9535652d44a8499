"""CPU threads of a resumed run."""

from types import SimpleNamespace

import torch

from emotion.training.threads import threads_as_started


def test_a_resumed_run_uses_the_threads_that_it_started_with() -> None:
    before = torch.get_num_threads()
    run = SimpleNamespace(environment={"threads": before + 1})
    with threads_as_started(run):  # type: ignore[arg-type]
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
