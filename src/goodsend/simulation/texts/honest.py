"""
Letters of honest senders, as templates: `{first}`, `{company}`, `{site}` and `{number}` are filled in, nothing else.

`site` is the sender's own website with a slash at its end.
"""

from goodsend.simulation.mail import Letter, letter

NEWSLETTERS: dict[str, tuple[Letter, ...]] = {
    "en": (
        letter(
            "en",
            "Issue {number}: what to plant before the frost",
            """
            Good morning {first},

            Garlic goes into the ground this week, and so do the last tulips. We spoke with two growers who swear by
            leaf mould and show how they make it in a bin behind the shed.

            Also in this issue: a reader's balcony in four pictures, and why slugs like beer more than you do.
            """,
            "Read the whole issue",
            "{site}issues/{number}",
        ),
        letter(
            "en",
            "{company}: soups for a long evening",
            """
            Hello {first},

            Three soups this week, all of them better on the second day. The lentil one needs nothing that is not
            already in your cupboard.

            Thank you to everyone who sent corrections for the bread recipe. The oven is hotter than we thought.
            """,
            "See the recipes",
            "{site}recipes/{number}",
        ),
        letter(
            "en",
            "Five quiet routes for the weekend",
            """
            Hi {first},

            The river path has reopened after the works. We walked it on Tuesday and met four people and a heron.

            If you prefer hills, route three climbs slowly and ends at a bakery that opens at seven.
            """,
            "Open the maps",
            "{site}routes/{number}",
        ),
        letter(
            "en",
            "A note from the workshop, no. {number}",
            """
            Dear {first},

            We set the last page of the almanac yesterday. It will be printed on Thursday, weather permitting, because
            the paper does not like rain.

            There are still nine places in the bookbinding course. Bring an apron.
            """,
            "Read more on our site",
            "{site}notes/{number}",
        ),
    ),
    "de": (
        letter(
            "de",
            "Ausgabe {number}: Was jetzt ins Beet kommt",
            """
            Guten Morgen {first},

            der Knoblauch darf in die Erde, und wer noch Tulpen im Keller hat, sollte sich beeilen. Zwei Gärtnerinnen
            erzählen, wie sie ihren Laubkompost machen.

            Außerdem: ein Balkon in vier Bildern, eingesandt von einer Leserin aus Kassel.
            """,
            "Zur ganzen Ausgabe",
            "{site}ausgaben/{number}",
        ),
        letter(
            "de",
            "Drei Suppen für lange Abende",
            """
            Hallo {first},

            alle drei schmecken am zweiten Tag besser. Für die Linsensuppe brauchen Sie nichts, was nicht ohnehin im
            Schrank steht.

            Danke für die vielen Zuschriften zum Brot: Unser Ofen ist heißer, als wir dachten.
            """,
            "Zu den Rezepten",
            "{site}rezepte/{number}",
        ),
    ),
    "es": (
        letter(
            "es",
            "Número {number}: rutas tranquilas para el domingo",
            """
            Hola {first}:

            El camino del río ha vuelto a abrir. Lo recorrimos el martes y solo encontramos a un pescador y a su perro.

            Si prefiere la montaña, la tercera ruta sube despacio y termina junto a una panadería.
            """,
            "Ver los mapas",
            "{site}rutas/{number}",
        ),
        letter(
            "es",
            "Carta del taller, número {number}",
            """
            Estimado lector, estimada lectora:

            Ayer cerramos la última página del almanaque. Se imprime el jueves si no llueve, porque el papel es
            caprichoso.

            Quedan nueve plazas en el curso de encuadernación. Traiga delantal.
            """,
            "Leer más",
            "{site}cartas/{number}",
        ),
    ),
    "fr": (
        letter(
            "fr",
            "Numéro {number} : que planter avant les gelées",
            """
            Bonjour {first},

            C'est la semaine de l'ail et des dernières tulipes. Deux jardiniers nous montrent leur compost de feuilles.

            Et aussi : le balcon d'une lectrice en quatre images.
            """,
            "Lire le numéro",
            "{site}numeros/{number}",
        ),
        letter(
            "fr",
            "Trois soupes pour les longues soirées",
            """
            Bonjour {first},

            Les trois sont meilleures le lendemain. Pour la soupe de lentilles, tout est déjà dans votre placard.

            Merci pour vos remarques sur le pain : notre four est plus chaud que prévu.
            """,
            "Voir les recettes",
            "{site}recettes/{number}",
        ),
    ),
    "pt": (
        letter(
            "pt",
            "Edição {number}: cinco passeios calmos",
            """
            Olá {first},

            O caminho junto ao rio voltou a abrir. Fomos lá na terça-feira e encontrámos quatro pessoas e uma garça.

            Se preferir colinas, o terceiro passeio termina numa padaria que abre às sete.
            """,
            "Abrir os mapas",
            "{site}passeios/{number}",
        ),
    ),
}

SHOP_OFFERS: dict[str, tuple[Letter, ...]] = {
    "en": (
        letter(
            "en",
            "New in: winter blankets from {company}",
            """
            Hello {first},

            The new blankets have arrived from the mill. Lambswool, four colours, and heavier than last year's.

            Orders until Sunday are sent without postage. Everything can be returned within thirty days.
            """,
            "See the blankets",
            "{site}blankets",
        ),
        letter(
            "en",
            "20 % off lamps this weekend",
            """
            Hi {first},

            We are making room for the spring collection, so all table lamps are 20 % off from Friday to Sunday.

            The small brass one is back after a year. We ordered more this time.
            """,
            "Browse lamps",
            "{site}lamps",
        ),
        letter(
            "en",
            "You asked for wide shoes: here they are",
            """
            Dear {first},

            Many of you wrote that our lasts are narrow. From today the three bestsellers come in two widths.

            Not sure about your size? Our fitters answer questions by mail on working days.
            """,
            "Find your size",
            "{site}wide",
        ),
    ),
    "de": (
        letter(
            "de",
            "Neu eingetroffen: Winterdecken",
            """
            Guten Tag {first},

            die neuen Decken sind da: Lammwolle, vier Farben, schwerer als im letzten Jahr.

            Bis Sonntag versenden wir ohne Porto. Rückgabe innerhalb von dreißig Tagen wie immer möglich.
            """,
            "Decken ansehen",
            "{site}decken",
        ),
    ),
    "es": (
        letter(
            "es",
            "Un 20 % menos en lámparas, solo este fin de semana",
            """
            Hola {first}:

            Hacemos sitio para la colección de primavera: todas las lámparas de mesa tienen un 20 % de descuento.

            La pequeña de latón ha vuelto después de un año.
            """,
            "Ver lámparas",
            "{site}lamparas",
        ),
    ),
    "fr": (
        letter(
            "fr",
            "Les couvertures d'hiver sont arrivées",
            """
            Bonjour {first},

            Laine d'agneau, quatre couleurs, plus épaisses que l'an dernier.

            Livraison offerte jusqu'à dimanche, retours acceptés pendant trente jours.
            """,
            "Voir les couvertures",
            "{site}couvertures",
        ),
    ),
    "pt": (
        letter(
            "pt",
            "Chegaram as mantas de inverno",
            """
            Olá {first},

            Lã de cordeiro, quatro cores.

            Portes grátis até domingo.
            """,
            "Ver as mantas",
            "{site}mantas",
        ),
    ),
}

SCHOOL: tuple[Letter, ...] = (
    letter(
        "en",
        "Week {number}: museum trip, lost coats, parents' evening",
        """
        Dear parents,

        Year 4 visits the museum of science on Thursday. Please pack lunch and a rain jacket; the bus leaves at 8:20.

        Eleven coats are waiting in the lost property box. Parents' evening is on the 26th, slots can be booked online.
        """,
        "Book a slot",
        "{site}parents/{number}",
    ),
    letter(
        "en",
        "Choir concert and closing times",
        """
        Dear families,

        The winter concert starts at six in the main hall. Children should be there half an hour earlier.

        The office closes at noon on Friday for staff training.
        """,
        "See the programme",
        "{site}concert",
    ),
)

CHARITY: tuple[Letter, ...] = (
    letter(
        "en",
        "What your support did in autumn",
        """
        Dear {first},

        Because of people like you, 412 families had a warm meal each evening this autumn, and two kitchens could open.

        Our accounts for the year are on the website, checked by an outside auditor.
        """,
        "Read the report",
        "{site}autumn",
    ),
    letter(
        "en",
        "Volunteers wanted for the river clean-up",
        """
        Hello {first},

        On Saturday we clean the bank between the two bridges. Gloves, bags and soup are there; boots are on you.

        If you cannot come, tell a neighbour.
        """,
        "Join us",
        "{site}rivers",
    ),
)

CLUB: tuple[Letter, ...] = (
    letter(
        "en",
        "Minutes of the meeting, and a date",
        """
        Dear members,

        The minutes are online. In short: the roof is paid, the boat shed gets a new door, and Frank keeps the keys.

        The annual dinner is on the second Saturday in December.
        """,
        "Read the minutes",
        "{site}minutes/{number}",
    ),
    letter(
        "en",
        "Training moves to Tuesday",
        """
        Hello everyone,

        The hall is taken on Mondays until spring. Training moves to Tuesday, same time.

        Newcomers are welcome; the first three evenings are free.
        """,
        "See the calendar",
        "{site}calendar",
    ),
)

EVENTS: tuple[Letter, ...] = (
    letter(
        "en",
        "Line-up for the winter weekend",
        """
        Hi {first},

        Twelve bands, two stages, one bonfire. Doors open at five, the last bus back leaves at half past midnight.

        Tickets bought last year for the cancelled evening stay valid.
        """,
        "See the line-up",
        "{site}lineup",
    ),
)

TRANSACTIONAL: tuple[Letter, ...] = (
    letter(
        "en",
        "Your invoice no. {number} from {company}",
        """
        Hello {first},

        Thank you for your payment. Your invoice no. {number} is ready in your account.

        If something is wrong with it, simply answer this mail.
        """,
        "Open the invoice",
        "{site}invoices/{number}",
    ),
    letter(
        "en",
        "Reset your {company} password",
        """
        Hello {first},

        Somebody, hopefully you, asked to reset the password of your {company} account. The link works for one hour.

        If it was not you, ignore this mail: nothing changes.
        """,
        "Choose a new password",
        "{site}reset/{number}",
    ),
    letter(
        "en",
        "{first}, your weekly summary",
        """
        Hello {first},

        Your team closed {number} tasks last week. Two are waiting for you.

        You can change how often we write in your settings.
        """,
        "Open the board",
        "{site}boards/{number}",
    ),
    letter(
        "en",
        "Welcome to {company}",
        """
        Hello {first},

        Your account is ready. The three-minute tour shows where things are; after that you will not need us.

        Questions? Answer this mail, a person reads it.
        """,
        "Take the tour",
        "{site}tour",
    ),
)

ORDERS: tuple[Letter, ...] = (
    letter(
        "en",
        "We have received your order no. {number}",
        """
        Hello {first},

        Thank you for your order no. {number}. We pack it tomorrow and write again when it leaves the house.
        """,
        "See your order",
        "{site}orders/{number}",
    ),
    letter(
        "en",
        "Your order no. {number} is on its way",
        """
        Hello {first},

        Your order no. {number} left our workshop this morning. It usually takes two to three working days.
        """,
        "Follow your order",
        "{site}orders/{number}",
    ),
)

SMS: tuple[str, ...] = (
    "{company}: your appointment is on Thursday at {number}:30. Call us if you cannot come. Reply STOP to opt out.",
    "{company}: your next check-up is due. Book a time at {site}book Reply STOP to opt out.",
    "{company}: we are closed on Friday for staff training. See {site}hours Reply STOP to opt out.",
    "{company}: your glasses are ready to be picked up, open until {number}. Reply STOP to opt out.",
)

SMS_PARCELS: tuple[str, ...] = (
    "{company}: your parcel {number} leaves our workshop today. Follow it at {site}track Reply STOP to opt out.",
    "{company}: your parcel arrives tomorrow between {number}:00 and {number}:45. {site}neighbour Reply STOP to end.",
    "{company}: your parcel {number} waits at the corner shop until Friday. Reply STOP to opt out.",
)

REPLIES = ("Thanks!", "ok see you then", "Can I come a bit later?", "Yes", "Perfect, thank you")

FORM_MESSAGES: tuple[str, ...] = (
    "Hello, are you open on Saturday? Thank you!",
    "I would like to bring two friends to the next evening, is that possible?",
    "My copy arrived with a bent corner. What should I do?",
    "Do you ship to Ireland?",
    "Great issue, thank you. The link to the second map does not work for me.",
    "",
    "",
    "",
)

PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>{text}</p>
<form method="post" action="{site}subscribe">
<label>Email <input type="email" name="email" required></label>
<label><input type="checkbox" name="consent"> Please send me the newsletter. I can leave at any time.</label>
<button>Sign up</button>
</form>
<p><a href="{site}imprint">Imprint</a> <a href="{site}privacy">Privacy</a></p>
</body></html>
"""

PAGE_TEXTS: tuple[tuple[str, str], ...] = (
    ("The letter for slow mornings", "Once a week, on Sunday, five minutes to read. No advertising."),
    ("Early tickets for the winter weekend", "Leave your address and we write when tickets go on sale."),
    ("Sign up for the spring course", "Eight evenings, ten people, one large table."),
)
