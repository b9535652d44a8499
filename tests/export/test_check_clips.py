from pathlib import Path

from emotion.export.check_clips import select_check_clips
from emotion.runs.run import Run


def test_synthetic_clips_replace_those_that_are_missing(run: Run) -> None:
    cache: Path = run.folder.parent / "cache"
    clips = select_check_clips(run, cache_dir=cache, limit=5)
    assert clips.source == "synthetic clips"
    assert clips.target is None
    assert clips.calibration is clips.waves
    assert {len(wave) for wave in clips.waves} == {round(0.7 * 24_414)}
