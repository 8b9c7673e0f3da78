"""
Names, addresses and networks of the simulated world. Everything here is reserved for examples, so it belongs to nobody.

Hosts end in `.example` (RFC 2606); addresses are from RFC 5737 and RFC 3849, network numbers from RFC 5398; phone
numbers are from the ranges that regulators keep for fiction (NANPA 555-01xx, Ofcom, Bundesnetzagentur, ARCEP).
"""

import unicodedata
from random import Random

from goodsend.simulation.model import Client, Network, Sender
from goodsend.simulation.streams import stream, token

FIRST_NAMES = {
    "en": (
        "Alice",
        "Ben",
        "Carla",
        "Dan",
        "Ella",
        "Frank",
        "Grace",
        "Harry",
        "Isla",
        "Jack",
        "Kate",
        "Liam",
        "Mia",
        "Noah",
    ),
    "de": ("Anna", "Bernd", "Clara", "Dirk", "Eva", "Felix", "Greta", "Hannes", "Jana", "Lukas", "Marie", "Nils"),
    "es": ("Ana", "Bruno", "Carmen", "Diego", "Elena", "Hugo", "Inés", "Javier", "Lucía", "Mateo", "Nuria", "Pablo"),
    "fr": ("Amélie", "Bastien", "Camille", "Denis", "Élise", "Fabien", "Hélène", "Julien", "Louise", "Marc", "Nina"),
    "pt": ("Ana", "Beatriz", "Caio", "Duarte", "Inês", "João", "Lara", "Miguel", "Rita", "Tiago"),
}
LAST_NAMES = {
    "en": (
        "Archer",
        "Brook",
        "Carter",
        "Dale",
        "Ellis",
        "Fisher",
        "Grant",
        "Hughes",
        "Irving",
        "Jarvis",
        "Knight",
        "Lowe",
    ),
    "de": (
        "Albrecht",
        "Baumann",
        "Conrad",
        "Dietrich",
        "Engel",
        "Fuchs",
        "Graf",
        "Hartmann",
        "Jäger",
        "Krüger",
        "Lorenz",
    ),
    "es": ("Alonso", "Blanco", "Castro", "Díaz", "Esteban", "Flores", "Gil", "Herrera", "Iglesias", "Lozano", "Molina"),
    "fr": ("Arnaud", "Blanc", "Colin", "Dupuis", "Fabre", "Gauthier", "Henry", "Lambert", "Marchand", "Noël", "Perrin"),
    "pt": ("Almeida", "Barbosa", "Cardoso", "Duarte", "Faria", "Gomes", "Lopes", "Martins", "Nunes", "Pereira"),
}
COMPANIES = {
    "newsletter": (
        "Harbour Letter",
        "Morning Garden",
        "The Slow Kitchen",
        "Trail Notes",
        "City Cycling",
        "Paper & Ink",
    ),
    "shop": ("Oak & Linen", "Bluebird Shoes", "Little Lantern", "North Wool", "Copper Kettle", "Green Door Books"),
    "saas": ("Ledgerly", "Plannio", "Fieldboard", "Stacknote", "Shiftwise", "Invoya"),
    "school": ("Hillside School", "Lakeview Academy", "Saint Anne Primary", "Westfield College"),
    "charity": ("Open Hands", "Clear Rivers Trust", "Books for All", "Second Harvest Fund"),
    "club": ("Rowing Club Eastbank", "Chess Society Meridian", "Choir of the Old Mill", "Allotment Friends"),
    "clinic": ("Dental Care Parkside", "Eye Clinic Marlow", "Physio Corner", "Family Practice Elm"),
    "events": ("Lantern Festival", "Jazz in the Yard", "Makers Fair", "Winter Market"),
    "agency": ("Bright Fold Studio", "Two Rivers Media"),
}
COUNTRIES = {"en": ("US", "GB", "IE"), "de": ("DE", "AT"), "es": ("ES",), "fr": ("FR", "BE"), "pt": ("PT",)}
PHONES = {"US": "+1212555{:04d}", "GB": "+447700900{:03d}", "DE": "+493023125{:03d}", "FR": "+3363998{:04d}"}
PHONE_RANGES = {"US": (100, 199), "GB": (0, 999), "DE": (0, 999), "FR": (0, 9999)}
HOME_NETWORKS = {"US": 64496, "GB": 64497, "IE": 64497, "DE": 64498, "AT": 64498}
OTHER_HOME_NETWORK = 64499
HOSTING_NETWORK = 64510
"""A network number kept for documentation; the shipped list `hosting_asns` counts it as hosting."""

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
)
SCRIPT = "python-requests/2.32"
MAIL_PROVIDERS = ("freemail.example", "inbox.example", "post.example", "webmail.example", "example.com", "example.net")


def phone(random: Random, country: str) -> str:
    """Return a number that is kept for fiction in that country, an American one where we know of no such range."""
    place = country if country in PHONES else "US"
    return PHONES[place].format(random.randint(*PHONE_RANGES[place]))


def home_network(random: Random, country: str) -> Network:
    """Return an ordinary access network: IPv4, or IPv6 for every third."""
    if random.random() < 0.33:
        ip = f"2001:db8:{random.getrandbits(16):x}:{random.getrandbits(16):x}::{random.randint(1, 0xFFFF):x}"
    else:
        ip = f"192.0.2.{random.randint(1, 254)}"
    return Network(ip, country, HOME_NETWORKS.get(country, OTHER_HOME_NETWORK))


def hosting_network(random: Random, country: str = "NL") -> Network:
    """Return an address in a data centre, where people rarely sit."""
    return Network(f"198.51.100.{random.randint(1, 254)}", country, HOSTING_NETWORK)


def far_network(random: Random, country: str) -> Network:
    """Return an access network abroad."""
    return Network(f"203.0.113.{random.randint(1, 254)}", country, OTHER_HOME_NETWORK)


def client(random: Random, network: Network, user_agent: str | None = None) -> Client:
    """Return a browser of its own on that network."""
    return Client(network, f"dev_{token(random)}", user_agent or random.choice(BROWSERS))


def slug(text: str) -> str:
    """Return a name as it appears in a host: lower-case ASCII letters, digits, nothing else."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return "".join(char for char in plain if char.isalnum())


def person(random: Random, language: str) -> str:
    """Return a first and last name usual for the language."""
    return f"{random.choice(FIRST_NAMES[language])} {random.choice(LAST_NAMES[language])}"


def recipient(random: Random, language: str = "en") -> str:
    """Return the address of somebody who is written to."""
    first, last = person(random, language).split(" ", 1)
    return f"{slug(first)}.{slug(last)}{random.randint(1, 999)}@{random.choice(MAIL_PROVIDERS)}"


def make_sender(
    seed: int,
    index: int,
    role: str,
    *,
    trade: str = "newsletter",
    language: str = "en",
    plan: str = "starter",
    company: str | None = None,
    vertical: str | None = None,
    email_host: str | None = None,
    hosting: bool = False,
) -> Sender:
    """
    Return the sender at a place of the world. `company` and `email_host` replace the usual ones; `hosting` puts the
    sender into a data centre.
    """
    random = stream(seed, "sender", index, "profile")
    name = company or f"{random.choice(COMPANIES[trade])} {index + 1}"
    who = person(random, language)
    country = random.choice(COUNTRIES[language])
    domain = f"{slug(name)}.example"
    network = hosting_network(random) if hosting else home_network(random, country)
    first = slug(who.split(" ", 1)[0])
    return Sender(
        seed=seed,
        index=index,
        role=role,
        account=f"acc_{10_000 + index}",
        company=name,
        person=who,
        email=f"{first}@{email_host or domain}",
        domain=domain,
        website=f"https://www.{domain}/",
        phone=phone(random, country),
        country=country,
        language=language,
        plan=plan,
        vertical=vertical or trade,
        client=client(random, network),
        card=f"card_{token(random, 12)}",
    )
