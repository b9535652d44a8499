"""Log levels of third-party packages."""

import logging

import pytest

from emotion.utils.loggers import errors_only


@pytest.mark.parametrize("name", ["root", "some.package"])
def test_a_logger_logs_only_errors_inside_and_has_its_level_back_after_a_failure(name: str) -> None:
    logger = logging.getLogger(name)
    before = logger.level

    def fail_inside() -> None:
        with errors_only(name):
            assert not logger.isEnabledFor(logging.WARNING)
            assert logger.isEnabledFor(logging.ERROR)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_inside()
    assert logger.level == before
