"""The leagues of a sandbox's day: who plays, and how games and lines come out. No I/O."""

from random import Random
from statistics import NormalDist

from attrs import field, frozen


@frozen
class League:
    """A league. All but the names are in its points: runs, goals, or games of tennis.

    `total` is what both sides score together, and `lead` how far the better side is ahead; each is
    a mean over the games of the league, or for `lead` a deviation from level. `spread` is the one
    line that the league's games have, `None` if the line follows the lead.
    """

    name: str
    sport: str
    rotation: int
    """The rotation number of its first team."""
    teams: tuple[str, ...] = field(repr=False)
    total: float
    lead: float
    total_deviation: float
    lead_deviation: float
    spread: float | None = None
    has_halves: bool = False
    has_draws: bool = False


@frozen
class Strengths:
    """What is to be expected of a game: by how much the home side leads, and the total."""

    lead: float
    total: float
    lead_deviation: float
    total_deviation: float

    @classmethod
    def draw(cls, league: League, random: Random) -> "Strengths":
        """Draw those of a game."""
        return cls(
            random.gauss(league.lead / 4, league.lead),
            random.gauss(league.total, league.total_deviation / 4),
            league.lead_deviation,
            league.total_deviation,
        )

    def half(self) -> "Strengths":
        """Return those of the first half of the game."""
        return Strengths(
            self.lead / 2,
            self.total / 2,
            self.lead_deviation * 0.7,
            self.total_deviation * 0.7,
        )

    def home_covers(self, number: float) -> float:
        """Return the chance that the home side wins by more than `-number`."""
        return 1 - NormalDist(self.lead, self.lead_deviation).cdf(-number)

    def over(self, number: float) -> float:
        """Return the chance that the total is more than `number`."""
        return 1 - NormalDist(self.total, self.total_deviation).cdf(number)

    def score(self, random: Random, *, has_draws: bool) -> tuple[int, int]:
        """Draw the score of the away side and that of the home side."""
        lead = random.gauss(self.lead, self.lead_deviation)
        total = max(random.gauss(self.total, self.total_deviation), abs(lead))
        away, home = round((total - lead) / 2), round((total + lead) / 2)
        if away == home and not has_draws:
            return (away, home + 1) if lead > 0 else (away + 1, home)
        return away, home


LEAGUES = (
    League(
        "NBA",
        "basketball",
        501,
        (
            "Boston Celtics",
            "Los Angeles Lakers",
            "Denver Nuggets",
            "Milwaukee Bucks",
            "Dallas Mavericks",
            "New York Knicks",
            "Phoenix Suns",
            "Miami Heat",
            "Golden State Warriors",
            "Oklahoma City Thunder",
        ),
        total=228.0,
        lead=6.0,
        total_deviation=18.0,
        lead_deviation=12.0,
        has_halves=True,
    ),
    League(
        "NFL",
        "football",
        101,
        (
            "Kansas City Chiefs",
            "Buffalo Bills",
            "San Francisco 49ers",
            "Dallas Cowboys",
            "Philadelphia Eagles",
            "Green Bay Packers",
            "Baltimore Ravens",
            "Detroit Lions",
        ),
        total=45.0,
        lead=5.0,
        total_deviation=12.0,
        lead_deviation=13.0,
        has_halves=True,
    ),
    League(
        "MLB",
        "baseball",
        901,
        (
            "New York Yankees",
            "Los Angeles Dodgers",
            "Houston Astros",
            "Atlanta Braves",
            "Boston Red Sox",
            "Chicago Cubs",
            "San Diego Padres",
            "Seattle Mariners",
        ),
        total=8.7,
        lead=0.7,
        total_deviation=4.0,
        lead_deviation=4.0,
        spread=1.5,
    ),
    League(
        "NHL",
        "hockey",
        1,
        (
            "Toronto Maple Leafs",
            "Edmonton Oilers",
            "Colorado Avalanche",
            "New York Rangers",
            "Florida Panthers",
            "Vegas Golden Knights",
            "Boston Bruins",
            "Dallas Stars",
        ),
        total=6.1,
        lead=0.5,
        total_deviation=2.3,
        lead_deviation=2.4,
        spread=1.5,
    ),
    League(
        "EPL",
        "soccer",
        201001,
        (
            "Arsenal",
            "Manchester City",
            "Liverpool",
            "Chelsea",
            "Tottenham Hotspur",
            "Newcastle United",
            "Aston Villa",
            "Brighton & Hove Albion",
        ),
        total=2.8,
        lead=0.5,
        total_deviation=1.6,
        lead_deviation=1.6,
        spread=0.5,
        has_halves=True,
        has_draws=True,
    ),
    League(
        "ATP",
        "tennis",
        8001,
        (
            "Carlos Alcaraz",
            "Jannik Sinner",
            "Novak Djokovic",
            "Daniil Medvedev",
            "Alexander Zverev",
            "Casper Ruud",
            "Taylor Fritz",
            "Félix Auger-Aliassime",
        ),
        total=22.6,
        lead=2.5,
        total_deviation=4.5,
        lead_deviation=4.5,
    ),
)
