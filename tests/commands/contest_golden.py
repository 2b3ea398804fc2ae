"""Commands of contests, with the fingerprints they have for ever."""

from commands.command import Command
from commands.contests import (
    AnnounceContest,
    DisqualifyEntrant,
    EnterContest,
    StrikeRanks,
    WithdrawEntry,
)
from domain.contests.events import RanksStruck
from tests.schemas.contest_samples import CONTEST_SAMPLES, FULL_TERMS

(_STRUCK,) = CONTEST_SAMPLES["contest.ranks_struck.v1"]
assert isinstance(_STRUCK, RanksStruck), "the sample is of that type"

CONTEST_GOLDEN: dict[str, Command] = {
    "96979d6cf8ada6f1cf9674a961c8d7e563352b0f081e55cf30574f03071aed28": AnnounceContest(
        "march", FULL_TERMS
    ),
    "6fab7858aac3b470020b6d2c7d5fbe6c53d722e00e0e14e92fd21114122b45e2": EnterContest(
        "march", "alpha"
    ),
    "2bf77dc3f95d906db191bf2f54b91cf26fb201d11810542b74c97a4d8a058a55": WithdrawEntry(
        "march", "user-7"
    ),
    "baafc71c8326f0bd22e849811863fd9670c0bfe55f31489b635e2bddfc4d3ee5": DisqualifyEntrant(
        "march", "user-7", "wash_trades"
    ),
    "5ab501bad6b56a1330403f835fa8bbaf3f7065d0ef0f911f2cdf426800a84607": StrikeRanks((_STRUCK,)),
}
