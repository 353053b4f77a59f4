"""Demands and changes of mind from five walks of life, which the rules have seen by now.

Medicine, construction, law, gardening and school, in English, German, French and Spanish. They
were written when the first rules were done, and run once; the rules since were written with a
look at what was missed here.
"""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """What is said first, what is said later, the value that then holds and the one that is off."""

    first: str
    later: str
    new: str
    old: str


DEMANDS = (
    # medicine
    "The patient is on warfarin, so ibuprofen is not an option for her.",
    "Please keep the dose below 40 mg a day until we have the kidney values.",
    "She must fast for twelve hours before the blood test.",
    "No latex gloves in this room, he reacts badly to them.",
    "Whatever happens, the mother is the only one you may give the results to.",
    "I want a second reading of every scan before the letter goes out.",
    "Der Patient darf unter keinen Umständen Penicillin bekommen.",
    "Blutdruck bitte jeden Morgen vor dem Frühstück messen.",
    "Ne donnez surtout rien à base de soja à cet enfant.",
    "La paciente no tolera la anestesia general.",
    # construction
    "The scaffold has to come down by the 20th, the permit runs out then.",
    "Only certified welders are to touch the main beam.",
    "We can't have any drilling before 8 or after 5, the neighbours complained.",
    "Leave the old oak staircase where it is.",
    "All dimensions in millimetres on the drawings, please.",
    "If the ground water rises above the mark, stop the pumps and ring me.",
    "Die Fassade muss weiß bleiben, das verlangt der Denkmalschutz.",
    "Ohne Abnahme durch den Statiker wird nicht weitergebaut.",
    "Le béton doit sécher au moins dix jours avant la pose du carrelage.",
    "No se puede tocar la tubería de gas sin avisar a la compañía.",
    # law
    "Our client's name stays out of every draft.",
    "Cite the statute with its paragraph each time, not just the act.",
    "Nothing leaves the office before Ms Brandt has countersigned.",
    "The limitation period ends on 31 March and cannot be extended.",
    "We would rather settle than go to court.",
    "Schriftsätze gehen bei uns grundsätzlich zweifach hinaus.",
    "Vergleichsangebote unter 15.000 Euro lehnen wir ab.",
    "Je ne veux aucun contact direct avec la partie adverse.",
    "El contrato debe estar firmado antes del 5 de abril.",
    # gardening
    "Nothing poisonous in the borders, we have a puppy.",
    "Water the tomatoes in the evening, never at noon.",
    "I'd like native plants wherever possible.",
    "The hedge can't go over two metres, says the council.",
    "Schneckenkorn kommt mir nicht in den Garten.",
    "On ne taille pas les rosiers avant la fin mars.",
    "Prefiero riego por goteo en todo el huerto.",
    # school
    "Lea has dyslexia and gets a quarter more time in every exam.",
    "Phones are to be handed in before the first lesson.",
    "Don't put the grades on the noticeboard.",
    "The class trip may cost 180 euros per child and not a cent more.",
    "Word limits are strict: 400 words per essay.",
    "Elternbriefe immer auch auf Türkisch.",
    "Les devoirs sont à rendre le jeudi au plus tard.",
    "Los alumnos de primero salen siempre acompañados.",
)
CHANGES = (
    Change(
        "Put her down for metoprolol 50 mg.",
        "We had to adjust it, she now gets metoprolol 75 mg.",
        "75 mg",
        "50 mg",
    ),
    Change(
        "Mr Aydin's knee operation is on 12 March.",
        "The theatre is full, so Mr Aydin's knee operation was put back to 26 March.",
        "26 March",
        "12 March",
    ),
    Change("The patient lies in ward B4.", "They took the patient to ward C2.", "ward C2", "B4"),
    Change(
        "Der Kontrolltermin ist am Dienstag.",
        "Der Kontrolltermin wurde auf Freitag verlegt.",
        "Freitag",
        "Dienstag",
    ),
    Change(
        "We pour the slab on Thursday.",
        "Rain is coming, we pour the slab on Monday instead.",
        "Monday",
        "Thursday",
    ),
    Change(
        "Order 40 bags of cement.",
        "Make it 55 bags, the cellar is bigger than I thought.",
        "55 bags",
        "40 bags",
    ),
    Change(
        "The roof gets red tiles.",
        "My wife prefers grey, so grey tiles for the roof after all.",
        "grey tiles",
        "red tiles",
    ),
    Change(
        "La dalle coûte 4200 euros.",
        "Nouveau devis : la dalle coûte 3900 euros.",
        "3900 euros",
        "4200 euros",
    ),
    Change(
        "The hearing is in room 214.",
        "The court has moved the hearing to room 305.",
        "room 305",
        "room 214",
    ),
    Change(
        "Judge Keller presides.",
        "Judge Keller is ill, Judge Moreau presides.",
        "Moreau presides",
        "Keller presides",
    ),
    Change(
        "Let's plead the limitation period.",
        "I thought it over: let's drop that and argue lack of standing.",
        "lack of standing",
        "plead the limitation",
    ),
    Change(
        "El plazo vence el 3 de junio.",
        "Nos han dado una prórroga: el plazo vence el 17 de junio.",
        "17 de junio",
        "3 de junio",
    ),
    Change(
        "Plant the beans in the north bed.",
        "Too shady there, plant the beans in the south bed.",
        "south bed",
        "north bed",
    ),
    Change(
        "Don't cut the lavender.",
        "You can cut the lavender now, it has finished flowering.",
        "can cut the lavender",
        "Don't cut",
    ),
    Change(
        "The parents' evening starts at 18:30.",
        "Correction: the parents' evening starts at 19:15.",
        "19:15",
        "18:30",
    ),
    Change(
        "Frau Sommer leitet die Klassenfahrt.",
        "Frau Sommer ist krank, jetzt leitet Herr Okafor die Klassenfahrt.",
        "Okafor",
        "Frau Sommer leitet",
    ),
)
