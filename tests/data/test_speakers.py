"""Speaker ids."""

import pandas as pd

from emotion.data.speakers import speaker_ids


def test_speakers_of_two_corpora_with_one_name_have_different_ids() -> None:
    table = pd.DataFrame({"corpus": ["ravdess", "savee"], "speaker": ["01", "01"]}, index=[7, 3])
    assert speaker_ids(table).to_dict() == {7: "ravdess/01", 3: "savee/01"}
