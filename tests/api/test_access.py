"""Keys are remembered for half a minute, and not longer."""

from goodsend.api.access import REMEMBER, Access, Keyring
from goodsend.kit.clock import SECOND

ACCESS = Access("demo", "a", frozenset({"read"}))


class Store:
    """A store of one key that counts how often it is asked, and a clock to turn."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 1_000 * SECOND
        self.keys = {"gsk_a_b": ACCESS}

    def verify(self, key: str) -> Access | None:
        self.asked += 1
        return self.keys.get(key)


def keyring() -> tuple[Keyring, Store]:
    store = Store()
    return Keyring(store.verify, lambda: store.now), store


def test_a_verified_key_is_remembered() -> None:
    """The second request with a key does not reach the store."""
    keys, store = keyring()

    assert keys.remembered("gsk_a_b") is None
    assert keys.look_up("gsk_a_b") == ACCESS
    assert keys.remembered("gsk_a_b") == ACCESS
    assert store.asked == 1


def test_a_remembered_key_is_forgotten_after_half_a_minute() -> None:
    """A revoked key stops working within REMEMBER."""
    keys, store = keyring()
    keys.look_up("gsk_a_b")
    store.now += REMEMBER

    assert keys.remembered("gsk_a_b") is None


def test_a_clock_set_back_forgets() -> None:
    """Otherwise a revoked key could work for as long as the clock was set back."""
    keys, store = keyring()
    keys.look_up("gsk_a_b")
    store.now -= 3_600 * SECOND

    assert keys.remembered("gsk_a_b") is None


def test_an_unknown_key_is_not_remembered() -> None:
    """A key that was made after a failed attempt works at once."""
    keys, store = keyring()

    assert keys.look_up("gsk_new_key") is None
    store.keys["gsk_new_key"] = ACCESS
    assert keys.look_up("gsk_new_key") == ACCESS


def test_a_revoked_key_is_dropped_when_the_store_says_so() -> None:
    """The next look-up wins over what was remembered."""
    keys, store = keyring()
    keys.look_up("gsk_a_b")
    store.keys.clear()
    keys.look_up("gsk_a_b")

    assert keys.remembered("gsk_a_b") is None
