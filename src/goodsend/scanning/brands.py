"""Well-known brands: which hosts are theirs, which only look so, and which names claim them. The brands are data."""

from collections.abc import Iterable, Mapping

import msgspec

from goodsend.events.addresses import registrable_domain
from goodsend.scanning.folding import fold, skeleton

_SHORT = 4
"""Names shorter than this are words or abbreviations of much else: they need a second word beside them."""
_LONG = 6
"""Names at least this long are told apart at one letter's distance, and inside a longer label."""


class Brand(msgspec.Struct, frozen=True):
    """One brand. `names` are folded, the first is shown nowhere; `is_word` says the name is an everyday word too."""

    id: str
    name: str
    domains: tuple[str, ...]
    names: tuple[str, ...]
    is_word: bool


class Lookalike(msgspec.Struct, frozen=True):
    """A host that claims a brand: `how` finishes the sentence “dhl-parcel.example …”."""

    brand: Brand
    how: str


class Brands(msgspec.Struct, frozen=True):
    """
    An index of brands, made once.

    `owners` by domain; `names` by folded name; `labels` by skeleton of the name without spaces; `near` by each skeleton
    with one letter left out; `bait` are words that make a claim of a short or everyday name; `open_endings` are country
    endings anyone may register under.
    """

    owners: dict[str, Brand]
    names: dict[str, Brand]
    labels: dict[str, Brand]
    near: dict[str, tuple[str, ...]]
    bait: frozenset[str]
    service_words: frozenset[str]
    open_endings: frozenset[str]

    def owner(self, host: str) -> Brand | None:
        """Return the brand that a canonical host belongs to."""
        while host:
            found = self.owners.get(host)
            if found is not None:
                return found
            host = host.partition(".")[2]
        return None

    def named_in(self, text: str) -> Brand | None:
        """
        Return the first brand that a name or subject claims, whole words only.

        An everyday word counts only alone or beside words of service: “Chase Bank”, not “Chase Miller”.
        """
        words = [word.strip("\"'.,:;!?()[]<>|*®™-–—") for word in fold(text[:300]).split()]
        for size in (3, 2, 1):
            for start in range(len(words) - size + 1):
                brand = self.names.get(" ".join(words[start : start + size]))
                if brand is None:
                    continue
                if not brand.is_word:
                    return brand
                others = [word for word in words[:start] + words[start + size :] if word]
                if all(word in self.service_words for word in others):
                    return brand
        return None

    def lookalike(self, host: str) -> Lookalike | None:
        """
        Return the brand a canonical host imitates, or None: it is the brand's own, or imitates none.

        A brand's name under a country ending counts as its own, unless anyone may register there.
        """
        if self.owner(host) is not None:
            return None
        registrable = registrable_domain(host)
        if registrable is None:
            return None
        label, _, ending = registrable.partition(".")
        label = _shown(label)
        skeletal = skeleton(label)
        brand = self.labels.get(skeletal)
        if brand is not None and not (len(label) < _LONG and label.isalpha() and label not in _joined(brand.names)):
            if label not in _joined(brand.names):
                return Lookalike(brand, f"reads like {brand.name}")
            last = ending.rpartition(".")[2]
            if len(last) != 2 or last in self.open_endings:
                return None if brand.is_word else Lookalike(brand, f"uses the name {brand.name} under .{ending}")
            return None
        near = self._near(skeletal)
        if near is not None:
            return Lookalike(near, f"is one letter away from {near.name}")
        return self._part(host.removesuffix("." + ending), label, skeletal)

    def _near(self, skeletal: str) -> Brand | None:
        if len(skeletal) < _LONG - 1:
            return None
        for key in (skeletal, *_without_one(skeletal)):
            for name in self.near.get(key, ()):
                if _is_one_apart(skeletal, name):
                    return self.labels[name]
        return None

    def _part(self, host: str, label: str, skeletal: str) -> Lookalike | None:
        words = [word for part in host.split(".") for word in _shown(part).split("-")]
        if len(words) > 1:
            skeletons = [skeleton(word) for word in words]
            has_bait = any(word in self.bait for word in words)
            for word, form in zip(words, skeletons, strict=True):
                brand = self.labels.get(form)
                if brand is None or (len(word) < _LONG and word.isalpha() and word not in _joined(brand.names)):
                    continue
                if has_bait or not (brand.is_word or len(form) < _SHORT):
                    return Lookalike(brand, f"carries the name of {brand.name}")
        if len(skeletal) > _LONG:
            for form, brand in self.labels.items():
                if len(form) >= _LONG and form in skeletal and not brand.is_word:
                    return Lookalike(brand, f"carries the name of {brand.name}")
        return None


def index_brands(
    brands: Iterable[Brand], bait: Iterable[str], service_words: Iterable[str], open_endings: Iterable[str]
) -> Brands:
    """Build the index."""
    brands = list(brands)
    labels = {skeleton(name): brand for brand in brands for name in _joined(brand.names) if len(name) > 2}
    near: dict[str, list[str]] = {}
    for form, brand in labels.items():
        if len(form) >= _LONG and not brand.is_word:
            for key in {form, *_without_one(form)}:
                near.setdefault(key, []).append(form)
    return Brands(
        {domain: brand for brand in brands for domain in brand.domains},
        {name: brand for brand in brands for name in brand.names},
        labels,
        {key: tuple(forms) for key, forms in near.items()},
        frozenset(bait),
        frozenset(service_words),
        frozenset(open_endings),
    )


def _joined(names: Iterable[str]) -> set[str]:
    return {name.replace(" ", "").replace("-", "").replace(".", "").replace("&", "") for name in names}


def _shown(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:64].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _without_one(text: str) -> Iterable[str]:
    return {text[:at] + text[at + 1 :] for at in range(min(len(text), 40))}


def _is_one_apart(one: str, other: str) -> bool:
    """True for one letter more, less, other, or two neighbours swapped; False for equal."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    if len(one) != len(other):
        short, long = sorted((one, other), key=len)
        return any(long[:at] + long[at + 1 :] == short for at in range(len(long)))
    different = [at for at in range(len(one)) if one[at] != other[at]]
    if len(different) == 1:
        return True
    return (
        len(different) == 2
        and different[1] == different[0] + 1
        and one[different[0]] == other[different[1]]
        and one[different[1]] == other[different[0]]
    )


def read_brands(tables: Mapping[str, "BrandTable"]) -> list[Brand]:
    """Turn brand tables of a pack into brands, names folded."""
    return [
        Brand(
            id_,
            table.name,
            tuple(table.domains),
            tuple(fold(name) for name in [table.name, *table.names]),
            table.is_word,
        )
        for id_, table in tables.items()
    ]


class BrandTable(msgspec.Struct, forbid_unknown_fields=True):
    """A brand as it lies in `brands.toml`."""

    name: str
    domains: list[str]
    names: list[str] = []
    is_word: bool = False
