"""Speaker ids, and speakers who share a file."""

import pandas as pd

from emotion.data.speakers import link_speakers, speaker_ids


def test_speakers_of_two_corpora_with_one_name_have_different_ids() -> None:
    table = pd.DataFrame({"corpus": ["ravdess", "savee"], "speaker": ["01", "01"]}, index=[7, 3])
    assert speaker_ids(table).to_dict() == {7: "ravdess/01", 3: "savee/01"}


def test_speakers_who_share_a_file_have_one_name() -> None:
    table = pd.DataFrame(
        {
            "path": ["talk", "talk", "talk", "other", "own", "nobody"],
            "corpus": "c",
            "speaker": ["b", "a", "unknown", "b", "d", "unknown"],
        }
    )
    assert link_speakers(table) is table, "without segments, no file is shared"
    linked = link_speakers(table.assign(start=0.0, end=1.0))
    assert linked["speaker"].tolist() == ["a+b", "a+b", "a+b", "a+b", "d", "unknown"]
