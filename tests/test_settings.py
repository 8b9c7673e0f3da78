"""The environment becomes frozen settings, or a list of what is wrong with it."""

from pathlib import Path

import pytest

from goodsend.kit.clock import DAY
from goodsend.kit.errors import Misconfigured
from goodsend.settings import Settings, read_settings


def test_an_empty_environment_gives_the_defaults() -> None:
    """Nothing needs to be set; variables of other programs are not ours to judge."""
    assert read_settings({"PATH": "/bin", "GOODSEND_DATA": "/corpora"}) == Settings()


def test_values_are_read_by_their_type() -> None:
    """Paths, numbers, durations and lists."""
    read = read_settings(
        {
            "GOODSEND_DATA_DIR": "/var/lib/goodsend",
            "GOODSEND_PORT": "9000",
            "GOODSEND_EVENT_HORIZON": "30d",
            "GOODSEND_PACKS": "/a/local:/b/override",
            "GOODSEND_WEBHOOK_PRIVATE_HOSTS": "hooks.internal, [fd00::1]",
        }
    )

    assert read.data_dir == Path("/var/lib/goodsend")
    assert read.port == 9000
    assert read.event_horizon == 30 * DAY
    assert read.packs == (Path("/a/local"), Path("/b/override"))
    assert read.webhook_private_hosts == ("hooks.internal", "[fd00::1]")


def test_unknown_and_malformed_keys_are_refused_together() -> None:
    """A misspelt key is named with what was probably meant, and so is every other mistake."""
    with pytest.raises(Misconfigured) as caught:
        read_settings({"GOODSEND_PROT": "9000", "GOODSEND_PORT": "nine"})

    assert [(p.place, p.hint) for p in caught.value.problems] == [
        ("GOODSEND_PROT", "did you mean GOODSEND_PORT?"),
        ("GOODSEND_PORT", None),
    ]
