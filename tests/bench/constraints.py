"""Demands and changes of mind, planted in real dialogues, after one compaction and after three.

    uv run python tests/bench/constraints.py [--json] [--data DIR] [--budget 0.1] [--missed]

Each dialogue gets all of the demands, in users' messages anywhere, and pairs of a statement and
what changes it later. It is compacted to a share of its tokens, at once and in three stretches; a
demand counts if it still stands there word for word, a change if the new value does and the old
one does not. Rules of the package were written with the first half of the corpus and the trades
(`constraints_trades`) at hand, the second half was held out when most of them were written, and
`constraints_unseen` was written before they were last changed and run when that was done.

Dialogues: the recording of the demo, and transcripts in `--data` where they are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import constraints_trades
import constraints_unseen
import kit_pipeline
from constraints_trades import Change
from kit_pipeline import Item, shorten, text_of, tokens_of

from compact_otel.demo.recording import bundled

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "transcripts"
_ROUNDS = 3
_TOGETHER = 12
"""Demands in one dialogue: more than that no user states in passing."""
_CHANGES_TOGETHER = 5


TUNED = (
    "Never book a flight that leaves before 11 am.",
    "Please always send the confirmation to my work address.",
    "Only use the blue template for invoices.",
    "Don't touch the migrations folder.",
    "My budget for the whole trip is 1,200 euros.",
    "The report has to be finished by Friday noon.",
    "All amounts in Swiss francs, please.",
    "From now on answer in German.",
    "I'm allergic to peanuts, so nothing with nuts.",
    "I prefer aisle seats.",
    "No calls after 6 pm.",
    "You must ask me before you delete anything.",
    "Under no circumstances share my phone number with the hotel.",
    "Keep the summary under 200 words.",
    "Make sure the tests pass before you commit.",
    "At most two stops on the way.",
    "Without my written consent nothing gets published.",
    "I can't fly on Saturdays.",
    "Use metric units for every measurement.",
    "I'd rather have a small hotel than a chain.",
    "Bitte buche niemals einen Nachtflug.",
    "Antworte immer auf Deutsch.",
    "Das Budget beträgt höchstens 500 Euro.",
    "Ne réserve jamais d'hôtel sans petit-déjeuner.",
    "Je préfère un siège côté couloir.",
    "Nunca compartas mi número de teléfono.",
    "El presupuesto máximo es de 300 euros.",
    "Non prenotare mai voli con scalo.",
    "Preferisco una camera silenziosa.",
    "Nunca me ligue depois das 18 horas.",
    "Gebruik alleen hernieuwbare energie.",
    "Nigdy nie dzwoń do mnie przed dziewiątą.",
    "Никогда не удаляй файлы без моего согласия.",
    "絶対に本番環境を変更しないでください。",
    "请不要在周末给我打电话。",
    "절대 신용카드를 사용하지 마세요.",
    "Whatever you do, stay away from the production database.",
    "It goes without saying that the customer list is confidential and must not leave the team.",
    "We can spend 4k at the very most.",
    "Deadline is the 14th, no extensions.",
    "Dates should be written like 2024-03-01.",
    "Please refer to me as Dr. Okafor.",
    "Vegetarian meals only.",
    "I refuse to pay a change fee.",
    "Window seat is a must for me.",
    "Run everything past Marta before it goes out.",
    "Nothing over three pages.",
    "If anything costs more than 80 dollars, check with me first.",
    "Leave the public API exactly as it is.",
    "Two-space indentation throughout, please.",
    "I need a ground-floor room because of my knee.",
    "Skip any vendor that is not GDPR compliant.",
    "Weekly updates, every Monday morning.",
    "I hate early mornings, so nothing before nine.",
    "Stick to the standard library.",
    "My spending limit this month is $350.",
    "Exclude Alaska and Hawaii from every quote.",
    "Be brief in your replies.",
    "Ich vertrage keine Milchprodukte.",
    "Spätestens am 3. Juni muss alles geliefert sein.",
    "Verwende ausschließlich die Testdatenbank.",
    "Surtout, pas de musique dans la vidéo.",
    "Le rapport doit faire dix pages au maximum.",
    "Prefiero pagar en efectivo.",
    "No envíes nada sin mi aprobación.",
    "Il pagamento deve arrivare entro venerdì.",
    "Sono allergico ai crostacei.",
    "Não gaste mais de 200 reais.",
    "Stuur nooit e-mails in het weekend.",
    "Budżet wynosi maksymalnie 2000 zł.",
    "Отвечай только по-русски.",
    "予算は5万円以内です。",
    "预算不能超过三千元。",
    "회의는 반드시 오후에 잡아 주세요.",
)
HELD_OUT = (
    "Oh, and the kids get carsick, so keep each leg below two hours.",
    "One more thing: my boss must not find out about the surprise party.",
    "Hands off the payroll table, please.",
    "I only fly with airlines that allow cats in the cabin.",
    "Every email goes through legal before you send it.",
    "Figures to two decimal places, thanks.",
    "We absolutely cannot miss the 30 September filing date.",
    "Just so you know, I don't drink alcohol.",
    "Please write in British English.",
    "Spend no more than an hour on the logging issue.",
    "You're not to contact my ex-husband about this.",
    "I'd appreciate it if you stuck to plain text, no HTML.",
    "Anything with gelatine is out.",
    "If in doubt, ask; don't guess.",
    "The ceiling for the venue is 9,000 pounds.",
    "Names of patients are to be replaced by initials everywhere.",
    "Show me the diff before you apply anything.",
    "Don't ever store the passport number.",
    "I want the invoices grouped by client, not by month.",
    "Let's keep Fridays free of meetings.",
    "Python 3.9 compatibility has to be preserved.",
    "Rooms should be non-smoking.",
    "Treat the figures I gave you as confidential.",
    "Deliveries between 8 and 10 in the morning work best for us, never later.",
    "Ich esse kein Schweinefleisch.",
    "Bitte duzen Sie mich nicht.",
    "Die Frist endet am 15. Oktober.",
    "Pas de publicité dans la newsletter, s'il te plaît.",
    "Tu dois toujours me demander avant de payer.",
    "Solo acepto devoluciones en la tarjeta original.",
    "Escribe siempre en mayúsculas los nombres de producto.",
    "Voglio spendere al massimo 80 euro.",
    "Per favore non chiamarmi in ufficio.",
    "Só viajo de comboio, nunca de avião.",
    "Ik wil geen telefoontjes voor tien uur.",
    "Proszę nie wysyłać SMS-ów.",
    "Мне нельзя молочное.",
    "会議は必ず午前中にお願いします。",
    "只订靠窗的座位。",
    "매운 음식은 빼 주세요.",
)
TUNED_CHANGES = (
    Change(
        "Please reserve the meeting room for Wednesday.",
        "Make that Thursday.",
        "Thursday",
        "Wednesday",
    ),
    Change(
        "Run the staging server on port 8080.",
        "Actually, use port 8081 for the staging server instead.",
        "8081",
        "8080",
    ),
    Change(
        "Order 5 units of the gasket.",
        "Change the gasket order to 12 units.",
        "12 units",
        "5 units",
    ),
    Change(
        "The launch is on 2027-05-03.",
        "We moved the launch to 2027-06-11.",
        "2027-06-11",
        "2027-05-03",
    ),
    Change(
        "The catering budget is $800.",
        "Update: the catering budget is now $650.",
        "$650",
        "$800",
    ),
    Change(
        "Never use the corporate card for this.",
        "You may use the corporate card after all.",
        "corporate card after all",
        "Never use the corporate card",
    ),
    Change(
        "Let's host the docs on the wiki.",
        "Scratch that, let's publish the docs as a static site.",
        "static site",
        "on the wiki",
    ),
    Change(
        "The release owner is Paula Reyes.",
        "Tom Becker is the release owner now.",
        "Tom Becker",
        "Paula Reyes",
    ),
    Change(
        "Bitte liefern Sie am Montag.",
        "Liefern Sie doch lieber am Donnerstag.",
        "Donnerstag",
        "am Montag",
    ),
    Change(
        "La réunion est le 12 mai.", "Finalement, la réunion est le 19 mai.", "19 mai", "12 mai"
    ),
    Change(
        "Send the parcel to 14 Elm Street.",
        "I moved, please send the parcel to 90 Harbour Road instead.",
        "90 Harbour Road",
        "14 Elm Street",
    ),
    Change(
        "Our weekly review takes place on Tuesdays at 3 pm.",
        "From next week the weekly review is at 5 pm.",
        "5 pm",
        "Tuesdays at 3 pm",
    ),
    Change(
        "Paint the fence green.",
        "On second thought, paint the fence white.",
        "fence white",
        "green",
    ),
    Change(
        "We will go with Postgres 14 for the warehouse.",
        "Let's upgrade: the warehouse now runs on Postgres 16.",
        "Postgres 16",
        "Postgres 14",
    ),
    Change(
        "The discount code is SPRING-20.",
        "Marketing replaced the discount code, it is SUMMER-15 now.",
        "SUMMER-15",
        "SPRING-20",
    ),
    Change(
        "Don't contact the supplier directly.",
        "It's fine to contact the supplier directly now.",
        "fine to contact the supplier",
        "Don't contact the supplier",
    ),
    Change(
        "I think we should rewrite the parser in Rust.",
        "Forget the rewrite, we'll just add a cache in front of the old parser.",
        "add a cache",
        "in Rust",
    ),
    Change(
        "My contact for this is anna@example.org.",
        "Please use ben@example.org as my contact from now on.",
        "ben@example.org",
        "anna@example.org",
    ),
    Change(
        "Reserva una mesa para cuatro el viernes.",
        "Mejor cambia la mesa al sábado.",
        "sábado",
        "viernes",
    ),
    Change(
        "会议定在星期二。",
        "会议改到星期四。",
        "星期四",
        "星期二",
    ),
)
HELD_OUT_CHANGES = (
    Change(
        "Put the dinner down for 7 pm on Saturday.",
        "Can we do 8 pm on Saturday for the dinner instead.",
        "8 pm",
        "7 pm",
    ),
    Change(
        "The invoice goes to Harlow Ltd, VAT number GB-11822.",
        "Correction on the invoice: the VAT number is GB-40917.",
        "GB-40917",
        "GB-11822",
    ),
    Change(
        "We settled on 24 guests for the workshop.",
        "The workshop grew to 31 guests.",
        "31 guests",
        "24 guests",
    ),
    Change(
        "Deploy the crawler to eu-west-1.",
        "Please deploy the crawler to ap-south-2 rather than what I said before.",
        "ap-south-2",
        "eu-west-1",
    ),
    Change(
        "Marta Nowak signs off the contract.",
        "Marta is on leave, so Igor Petrov signs off the contract.",
        "Igor Petrov",
        "Marta Nowak",
    ),
    Change(
        "Don't install anything globally.",
        "Installing things globally is OK after all.",
        "globally is OK",
        "Don't install anything globally",
    ),
    Change(
        "We'll paginate with offsets.",
        "I changed my mind about pagination, we'll use cursors.",
        "cursors",
        "with offsets",
    ),
    Change(
        "Ship it in the small box.",
        "Better make it the large box.",
        "large box",
        "small box",
    ),
    Change(
        "Das Hotel ist vom 3. bis 5. Mai gebucht, Zimmerpreis 120 Euro.",
        "Der Zimmerpreis ist jetzt 140 Euro.",
        "140 Euro",
        "120 Euro",
    ),
    Change(
        "La riunione è martedì alle 9:30.",
        "La riunione è stata spostata a giovedì.",
        "giovedì",
        "martedì",
    ),
)


def transcripts(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the conversations of a folder of `.jsonl.gz` and `.jsonl` files."""
    for path in sorted(folder.glob("*.jsonl*")):
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def dialogues(folder: Path) -> Iterator[tuple[str, list[Item]]]:
    """Yield names and items: the bundled recording, and long real dialogues where there are any."""
    yield "recording", [dict(item) for item in bundled().items]
    for conversation in transcripts(folder):
        if conversation.get("shape") == "seq":
            yield str(conversation["id"]), conversation["items"]


def planted(
    items: Sequence[Item], demands: Iterable[str], changes: Iterable[Change], seed: int
) -> list[Item]:
    """Return a dialogue in which users say these things, too.

    Every other demand is the end of a user's message, the others are messages of their own that
    the assistant acknowledges; a change comes in the second half, what it changes in the first.
    """
    rng = random.Random(seed)
    users = [n for n, item in enumerate(items) if item.get("role") == "user"][1:-2]
    half = len(users) // 2
    said: defaultdict[int, list[str]] = defaultdict(list)
    for demand in demands:
        said[rng.choice(users)].append(demand)
    for change in changes:
        said[rng.choice(users[:half])].append(change.first)
        said[rng.choice(users[half:])].append(change.later)
    result: list[Item] = []
    for n, item in enumerate(items):
        for turn, text in enumerate(said.get(n, ())):
            if turn % 2 or not isinstance(item.get("content"), str):
                result += [
                    {"role": "user", "content": text},
                    {"role": "assistant", "content": "Understood, noted."},
                ]
            else:
                item = {**item, "content": f"{item['content']} {text}"}  # noqa: PLW2901
        result.append(item)
    return result


def stretches(items: Sequence[Item], number: int) -> Iterator[list[Item]]:
    """Yield a history in so many parts of about equal tokens; calls stay with their outputs."""
    share = tokens_of(items) / number
    part: list[Item] = []
    used = 0
    for item in items:
        if item.get("role") == "user" and tokens_of(part) >= share and used < number - 1:
            yield part
            part, used = [], used + 1
        part.append(item)
    yield part


def compacted(items: Sequence[Item], budget: float, rounds: int, **policy: Any) -> str:
    """Return the text of a history after so many compactions to a share of its tokens."""
    room = int(tokens_of(items) * budget)
    history: list[Item] = []
    for part in stretches(items, rounds):
        history = shorten([*history, *part], room, **policy)
    return "\n".join(text_of(item) for item in history)


def _chunks(things: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), size):
        yield things[start : start + size]


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()


def measure(
    folder: Path, demands: Sequence[str], changes: Sequence[Change], budget: float, rounds: int
) -> tuple[dict[str, float], list[str]]:
    """Return the shares that survive, in per cent, and what did not."""
    kept = seen = resolved = latest = pairs = 0
    missed: list[str] = []
    for number, (name, items) in enumerate(dialogues(folder)):
        for batch, some in enumerate(_chunks(demands, _TOGETHER)):
            with_them = planted(items, some, (), seed=100 * number + batch)
            text = _squeezed(compacted(with_them, budget, rounds))
            for demand in some:
                seen += 1
                kept += _squeezed(demand) in text
                if _squeezed(demand) not in text:
                    missed.append(f"{name}: {demand}")
        for batch, pair in enumerate(_chunks(changes, _CHANGES_TOGETHER)):
            with_them = planted(items, (), pair, seed=100 * number + 50 + batch)
            text = _squeezed(compacted(with_them, budget, rounds))
            for change in pair:
                new, old = _squeezed(change.new) in text, _squeezed(change.old) in text
                pairs += 1
                latest += new
                resolved += new and not old
                if not new or old:
                    missed.append(f"{name}: {change.later} ({'stale' if old else 'lost'})")
    figures = {
        "verbatim": 100 * kept / seen,
        "updates_resolved": 100 * resolved / pairs,
        "updates_kept": 100 * latest / pairs,
    }
    return figures, missed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--budget", type=float, default=0.1)
    parser.add_argument(
        "--only", action="append", choices=("tuned", "held_out", "trades", "unseen")
    )
    parser.add_argument("--missed", action="store_true", help="print what did not survive")
    parser.add_argument(
        "--keep-user-tokens",
        type=int,
        default=0,
        help="users' messages that stay as they are, beside the note (the product: 20000)",
    )
    given = parser.parse_args()
    kit_pipeline.POLICY["keep_user_tokens"] = given.keep_user_tokens
    found: dict[str, dict[str, float]] = {}
    for half, demands, changes in (
        ("tuned", TUNED, TUNED_CHANGES),
        ("held_out", HELD_OUT, HELD_OUT_CHANGES),
        ("trades", constraints_trades.DEMANDS, constraints_trades.CHANGES),
        ("unseen", constraints_unseen.DEMANDS, constraints_unseen.CHANGES),
    ):
        if given.only and half not in given.only:
            continue
        for rounds in (1, _ROUNDS):
            name = f"{half}_{rounds}_rounds"
            found[name], missed = measure(given.data, demands, changes, given.budget, rounds)
            if not given.json:
                print(
                    name, {key: round(value, 1) for key, value in found[name].items()}, flush=True
                )
            if given.missed:
                print("\n".join(missed))
    if given.json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
