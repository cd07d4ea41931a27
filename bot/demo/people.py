"""Who the demo shop knows. Numbers are kept for fiction: 555-0100 to 555-0199 in every area code (NANPA)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """One customer. Days are counted back from the day of the seeding."""

    name: str
    phone: str
    joined: int
    every: int  #: days between purchases, about; 0: never bought anything
    spends: int  #: minor units for a purchase, about
    last: int = 1  #: the last purchase is this many days ago, at least
    language: str = "en"
    birthday: str | None = None
    email: str | None = None
    redeems: int = 0  #: every so many purchases, when there are points enough
    uses: bool = True  #: whether vouchers are brought to the till
    tells: bool = False  #: answers our questions: name, birthday, how it was
    friend_of: str | None = None  #: the number of the customer whose code was used to join
    texts: tuple[tuple[int, str, str], ...] = ()  #: (days ago, local time, words)


PEOPLE = (
    # Regulars of the neighbourhood
    Person(
        "Priya",
        "+19175550118",
        356,
        7,
        1450,
        birthday="06-21",
        email="priya@example.com",
        redeems=9,
        tells=True,
        texts=(
            (120, "08:41", "how many points do i have"),
            (112, "08:44", "REFER"),
            (31, "09:05", "what tier am i"),
            (0, "07:32", "BALANCE"),
        ),
    ),
    Person(
        "Marcus",
        "+16465550131",
        352,
        11,
        1100,
        birthday="02-09",
        redeems=6,
        tells=True,
        texts=((200, "12:10", "HOURS"), (9, "10:15", "rewards pls")),
    ),
    Person(
        "Elena",
        "+13475550142",
        348,
        13,
        950,
        language="es",
        birthday="11-30",
        redeems=5,
        tells=True,
        texts=((162, "12:20", "INVITAR"), (88, "13:05", "cuántos puntos tengo"), (3, "11:20", "SALDO")),
    ),
    Person(
        "Deshawn",
        "+17185550153",
        341,
        9,
        780,
        redeems=8,
        tells=True,
        texts=((63, "15:44", "blance"), (62, "15:45", "my voucher code?"), (1, "08:50", "any rewards for me?")),
    ),
    Person(
        "Aoife",
        "+12125550164",
        330,
        15,
        1250,
        email="aoife@example.com",
        redeems=6,
        texts=((150, "19:02", "are you open on sunday?"), (20, "09:40", "Bal")),
    ),
    Person("Wei", "+19295550175", 322, 11, 820, redeems=7, tells=True, texts=((44, "08:12", "POINTS"),)),
    Person(
        "Fatima",
        "+15515550186",
        310,
        17,
        990,
        birthday="04-17",
        redeems=4,
        uses=False,
        texts=((11, "17:30", "can I cash in my points"),),
    ),
    Person("Tomasz", "+19735550197", 305, 13, 1320, redeems=5, texts=((77, "07:58", "INFO"), (5, "08:03", "HOURS"))),
    Person(
        "Naomi",
        "+16465550128",
        301,
        19,
        700,
        redeems=0,
        tells=True,
        texts=((210, "14:10", "thanks!"), (14, "14:12", "what expires when")),
    ),
    Person(
        "Gabriela",
        "+13475550139",
        290,
        15,
        880,
        language="es",
        redeems=4,
        tells=True,
        texts=((35, "12:45", "PREMIOS"),),
    ),
    Person(
        "Olu",
        "+19175550140",
        283,
        11,
        1010,
        redeems=6,
        texts=((150, "09:15", "can i invite a friend"), (130, "09:22", "LESS"), (6, "09:24", "status")),
    ),
    Person(
        "Hannah",
        "+17185550151",
        275,
        21,
        640,
        birthday="09-03",
        redeems=3,
        tells=True,
        texts=((91, "18:18", "SETTINGS"),),
    ),
    Person("Ravi", "+12125550162", 260, 17, 1180, redeems=4, texts=((52, "11:31", "where are you exactly?"),)),
    Person(
        "Sofia",
        "+19295550173",
        251,
        25,
        930,
        language="es",
        redeems=3,
        texts=((17, "16:00", "quiero canjear"),),
    ),
    Person("Liam", "+15515550184", 240, 19, 720, redeems=3, texts=((28, "08:29", "redeeem"),)),
    Person(
        "Mei", "+16465550195", 233, 13, 860, redeems=4, tells=True, texts=((8, "13:13", "how far to the next reward"),)
    ),
    Person("Yusuf", "+13475550106", 225, 23, 1040, redeems=3, texts=((40, "10:10", "do you have oat milk?"),)),
    Person(
        "Chloe",
        "+19175550117",
        214,
        15,
        690,
        email="chloe@example.com",
        redeems=4,
        texts=((70, "20:05", "can i talk to a person"), (69, "09:10", "Never mind, found it, thanks")),
    ),
    Person("Ines", "+17185550128", 205, 27, 1150, language="es", redeems=2, texts=((22, "15:50", "MENOS"),)),
    Person("Jamal", "+12125550139", 190, 11, 940, redeems=5, tells=True, texts=((13, "07:49", "points?"),)),
    Person("Greta", "+19735550150", 171, 29, 1290, redeems=2, texts=((60, "12:00", "MENU"),)),
    Person(
        "Mateo",
        "+19295550161",
        160,
        21,
        810,
        language="es",
        redeems=2,
        friend_of="+13475550142",
        texts=((90, "11:11", "PUNTOS"),),
    ),
    Person(
        "Amara", "+16465550172", 148, 17, 900, redeems=3, friend_of="+19175550140", texts=((19, "17:12", "BALANCE"),)
    ),
    Person("Noah", "+13475550183", 130, 19, 760, redeems=2, tells=True, texts=((33, "08:30", "Hi"),)),
    Person(
        "Kiri",
        "+17185550194",
        110,
        13,
        680,
        redeems=3,
        friend_of="+19175550118",
        texts=((25, "18:45", "what can i get for 100 points"),),
    ),
    Person("Victor", "+12125550105", 95, 25, 1410, redeems=2, texts=((15, "09:59", "do you have decaf?"),)),
    Person("Zainab", "+15515550116", 80, 15, 830, redeems=2, tells=True, texts=((10, "14:35", "REWARDS"),)),
    Person(
        "Ben", "+19175550127", 62, 17, 590, redeems=0, texts=((7, "10:40", "did i get points for my last purchase"),)
    ),
    Person("Leila", "+16465550138", 41, 13, 970, redeems=2, tells=True, texts=((4, "19:20", "REFER"),)),
    Person("Oscar", "+19735550149", 26, 11, 880, redeems=2, texts=((12, "08:08", "bALANCE"),)),
    Person("Dana", "+13475550160", 12, 9, 750, texts=((6, "11:48", "how do points work"),)),
    Person("Theo", "+17185550171", 4, 4, 610, texts=((1, "09:33", "BALANCE"),)),
    # Moved away, travelling, or from elsewhere: other time zones
    Person("Caleb", "+13035550182", 270, 51, 1500, redeems=2, texts=((36, "13:00", "do you ship beans?"),)),
    Person("Rosa", "+14155550193", 244, 61, 1750, last=20, language="es", redeems=2),
    Person("Keola", "+18085550104", 180, 81, 2100, last=12, redeems=2, texts=((12, "15:00", "BALANCE"),)),
    # Not seen for half a year or nearly: win-back reaches them when the clock turns
    Person("Ingrid", "+13125550115", 351, 19, 920, last=181, redeems=3),
    Person("Samir", "+16025550126", 345, 25, 860, last=178, redeems=0, tells=True),
    Person("Lucía", "+13055550137", 339, 21, 1010, last=176, language="es", redeems=3),
    Person("Walter", "+19175550148", 333, 31, 730, last=183, redeems=0),
    # Left, undecided, and asking for a person
    Person("Bob", "+16465550159", 200, 29, 690, last=48, texts=((40, "21:17", "STOP"),)),
    Person("Ruth", "+12125550170", 1, 0, 0),
    Person(
        "Andre",
        "+17185550181",
        150,
        23,
        980,
        redeems=2,
        texts=((0, "00:20", "I was charged twice on Tuesday, can someone help me?"),),
    ),
)

UNDECIDED = "+12125550170"  #: texted JOIN and has not said YES yet
