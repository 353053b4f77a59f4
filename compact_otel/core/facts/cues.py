"""Words with which people demand, and change their minds: tables, no logic.

A table holds alternatives of a regular expression over a folded sentence (lower case, single
blanks). A line has some of them with ` | ` between; one that is indented goes on with the one
above. By language, English first; `cjk` is Japanese, Chinese and Korean, where nothing parts words.
"""

# ruff: noqa: RUF001 - Cyrillic letters are what is looked for

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

_CONTINUED = re.compile(r"\n +")
_BETWEEN = re.compile(r" \| |\n")
_CHOICE = re.compile(r"\(\?:((?:[^()\[\]]|\[[^\]]*\])*)\)(?![?*+{])")
_LETTER = re.compile(r"[^\W\d_](?![?*+{])")


def words(text: str) -> frozenset[str]:
    """Return the words of a table that has nothing but words."""
    return frozenset(text.split())


def one_of(*tables: str) -> str:
    """Return an expression for any of the alternatives in some tables.

    Those that begin with the same letter stand behind it once: a search then tries twenty letters
    where a word begins, and not two hundred alternatives, which takes half of the time.
    """
    by_letter: defaultdict[str, list[str]] = defaultdict(list)
    for table in tables:
        for form in _alternatives(table):
            letter = _LETTER.match(form)
            by_letter[letter[0] if letter else ""].append(form[letter.end() if letter else 0 :])
    others = by_letter.pop("", [])
    return "|".join([*(f"{key}(?:{'|'.join(ends)})" for key, ends in by_letter.items()), *others])


def in_any_language(tables: Mapping[str, str]) -> str:
    """Return an expression for a table of each language, as whole words where words are parted."""
    spaced = one_of(*(table for language, table in tables.items() if language != "cjk"))
    return "|".join([rf"\b(?:{spaced})\b", *([one_of(tables["cjk"])] if "cjk" in tables else ())])


def first_words(table: str) -> frozenset[str]:
    """Return the words with which the alternatives of a table begin, where those are plain."""
    return frozenset(re.findall(r"(?:^| \| )(\w+)", table, re.MULTILINE))


def _alternatives(table: str) -> Iterator[str]:
    """Yield the alternatives of a table; one that begins with a choice is as many as that has."""
    for form in _BETWEEN.split(_CONTINUED.sub("", table.strip())):
        choice = _CHOICE.match(form)
        if choice:
            yield from (start + form[choice.end() :] for start in choice[1].split("|"))
        else:
            yield form


# What is demanded, in English

BANS = r"""
under no circumstances? | in no (?:case|event) | on no account | by no means | no matter what
(?:must|shall|may|should|can) (?:not|never|only|under no) | mustn't | shan't | shouldn't
may not | (?:is|are) not to be | not (?:allowed|permitted|acceptable|negotiable)
isn't (?:allowed|acceptable) | aren't allowed | no longer allowed | forbidden | prohibited
off[- ]limits | out of the question | non-?negotiable
(?:hard|red|firm|strict|golden|key|ground) (?:line|rule|limit|requirement|stop|no)
deal[- ]?breaker | throughout | across the board | at all (?:times|costs?) | no exceptions?
without exception | absolutely not
(?:you|nobody|no one|nothing|none of (?:you|us|them)) (?:can't|cannot|may|must|is to)
(?:rule|constraint|requirement|condition|policy)(?: (?:one|two|three|\d))? ?:
one (?:rule|condition|requirement|constraint|thing to (?:note|remember))
nothing (?:with|that|containing|over|above|before) | refuse to | do nothing | let's not
let us not | we don't want | hands off | keep (?:your hands )?off
(?:is|are|'re|'m) (?:strictly |simply |just )?(?:out|off|a no-?go|taboo|
    not on)(?: of bounds| limits)?(?=[.!,;]|$)
(?:is|are|'re|am|was|were) (?:not )?to (?:be|have|stay|remain|use|contact|call|go|include|
    contain|get|send)
if in doubt | when in doubt | confidential | classified | private and | between us
off the record | must(?:n't)? be
ha(?:s|ve) to be (?:preserved|kept|respected|followed|met|approved|signed)
"""
"""What must not be, or must be without exception."""

LIMITS = r"""
at (?:the )?(?:very )?(?:most|least|latest|earliest)
(?:no|not|nothing|never) (?:be )?(?:more|less|fewer|later|earlier|sooner|longer|shorter|
    bigger|larger|higher|lower|older|newer|over|under|above|below|beyond|before|after|past|
    until) (?:than )?
(?:up to|under|below|within|over|above|beyond|exceed\w*|max\.?|maximum(?: of)?|
    minimum(?: of)?|at or (?:below|above)|capp?ed at|limit(?:ed)? (?:to|is|of)) (?:a |an |
    the )?(?:total of )?[$\u20ac\u00a3\u00a5]?\d
(?:stay|keep|kept|remain|be) (?:it |them |this |that |everything |
    \S+ (?:\S+ )?)?(?:under (?!\w+_)|below|within|above|inside|clear of|away from|free of)
(?:stays?|keeps?|remains?) (?:unpushed|unchanged|private|confidential|secret|local|as is)
(?:budget|deadline|due date|spend(?:ing)?|time limit|cut-?off|quota|ceiling|allowance|limit|
    cap|maximum|minimum|max|min)s?\b[^.!?]{0,40}?(?:[$\u20ac\u00a3\u00a5\d]|\b(?:hundred|
    thousand|noon|midnight|tomorrow|tonight|monday|tuesday|wednesday|thursday|friday|
    saturday|sunday|end of|fixed|tight|strict|firm|final|january|february|march|april|june|
    july|august|september|october|november|december)\b)
(?:needs?|has|have|must|got) to be (?:done|ready|finished|there|delivered|in|out|back|live|sent)
(?:is|are|it's) due (?:on|by|in|\d|next|tomorrow|today|mon|tue|wed|thu|fri|sat|sun|end|at)
does not move | doesn't move | hard stop | time[- ]?box
can(?:'t| ?not) (?:exceed|be (?:more|less|over|late|later|earlier|moved|changed|shared|
    there)|go over|spend|afford|pay|take|do|make it|arrive|leave|eat|have (?:any|nuts)|
    drink|fly|travel|drive|tolerate|stand|accept|wait|work|use)
"""
"""Budgets, deadlines, the most and the least."""

STANDING = r"""
every (?:single |other )?(?:mon|tues|wednes|thurs|fri|satur|sun|week|month|quarter|year|
    morning|evening|night|hour|half)\w*
each (?:morning|evening|week|month|day) | from (?:now|here|this point|today) on(?:wards?)?
going forward | henceforth | in (?:the )?future | for the (?:rest|remainder|duration) of
(?:until|till|unless) (?:i|we|you|\w+ (?:says?|approv\w+|review\w*|confirm\w*|sign\w*))
every (?:single )?time | each time | whenever
(?:every|each|all|any) (?:of )?(?:your |the |our |my )?(?:answers?|repl(?:y|ies)|responses?|
    messages?|times?(?:tamps?)?|dates?|amounts?|prices?|measurements?|numbers?|commits?|
    files?|reports?|e-?mails?|summar(?:y|ies)|examples?|outputs?|payments?|changes) (?:in|
    as|must|should|to|with|need|has|have|go|goes|are to|is to)\b
"""
"""What holds from now on, or every time."""

CARE = r"""
make (?:absolutely |very |double )?(?:sure|certain) | ensure | be sure to
(?:please )?remember (?:to|that|not|never|,) | keep in mind | bear in mind
(?:don't|do not|never) forget
(?:please|kindly) (?:note|avoid|refrain|stick|keep|only|always|never|don't|do not|no) | avoid
refrain from | stick (?:to|with) | steer clear | stay away from | hold off | wait (?:for|until)
(?:ask|check with|consult|confirm with|tell|warn|notify|inform|let) (?:me|us|\w+) (?:first|
    before|know before|beforehand|if|when)
(?:get|need|needs|require[sd]?|with(?:out)?) (?:my |our |an? |any |the |explicit |prior |
    written |your |second )*(?:approval|consent|permission|confirmation|sign-?off|go-?ahead|
    review|operator)
without (?:asking|checking|telling|consulting|confirming|my|our|explicit|prior|a second|first)
unless | except (?:for|if|when|on) | as long as | provided that | on (?:the )?condition
(?:is|are) (?:mandatory|required|compulsory|obligatory|a must|essential|crucial|critical|vital)
"""
"""What is to be seen to, or asked before."""

WISHES = r"""
(?:i|we|user|users|she|he|they|customer)(?:'d| would)?(?: (?:strongly|really|much|also|
    still|generally|usually|always|definitely))? (?:prefers?|rather|insists?|hates?|
    dislikes?|favou?rs?)
prefer(?:red|ence|ences|ably| not)
(?:i'm|i am|we're|we are|she's|he's|(?:my|our) \w+ (?:is|are|has)) (?:\w+ )?(?:allergic|
    allerg(?:y|ies)|vegan|vegetarian|pescatarian|celiac|coeliac|diabetic|lactose|gluten|
    intolerant|kosher|halal|pregnant|colou?r-?blind|afraid of|only (?:free|available|
    interested))
allergic | allerg(?:y|ies) to | deaf | dyslexi\w+ | asthma\w* | epilep\w+ | diabet\w+ | phobi\w+
claustrophob\w+ | intoleran\w+ | disab(?:led|ility|ilities) | pregnan\w+
(?:scared|afraid|terrified) of
(?:i|we)(?:'ve| have) (?:decided|agreed|settled|chosen) (?:to|on|that|against|not)
(?:gluten|dairy|nut|sugar|lactose|alcohol|meat)-free
wheelchair
i (?:don't|do not|never|only|always|won't|will not|refuse to|can only|will only|
    must) (?:\w+ly )?(?:eat|drink|fly|work|want|like|need you|use|take|
    do (?:\w+ ){0,2}(?:on|before|after)|buy|accept|pay|travel|drive|stay|trust|wear|read|
    speak|answer|care for|appreciate|consent|agree)
(?:i|we) (?:only )?(?:want|need|would like|'d like|expect|require) (?:you |it |them |that |
    this |everything |all |every |each |any |the |my |our )*(?:to (?:be|stay|remain|arrive|
    have|use|keep|include|not|only|never|always|match|follow)|(?:answers?|repl(?:y|ies)|
    responses?|measurements?|times?|dates?|amounts?|prices?|reports?|summar(?:y|ies)|
    examples?|code|output|results?) (?:in|as|on|with|to))
wants? (?:\w+ ){0,4}(?:answers?|repl(?:y|ies)|responses?|in|on|as|units?|style|format)\b
(?:refer to|call|address) (?:me|us|him|her|them) (?:as|by)? | instead of | rather than
as opposed to | in (?:plain|simple) (?:english|text|words|language)
(?:answer|reply|response|writing|code) style | contact code | style is | no need to
(?:don't|do not) (?:bother|need)
"""
"""Preferences, diets, ways to be answered."""

ORDERS = r"""
answer | reply | respond | write | speak | format | report | show | give | use | put | express
convert | round | list | call | address | sign | quote | keep | return | output
summarise | summarize
cite | include | exclude | skip | omit | leave | treat | limit | restrict | cap | send | deliver
spell | name | mark | tag | store | log | run | prefix | start | end | stop | ask | present
display | order | sort | group | translate | document | commit | stay | be | book | pay | charge
ship
"""
"""Orders at the beginning of a clause that last if `SCOPES` follow."""

SCOPES = r"""
all | every | each | any | everything | always | never | only | always
in (?:english|german|french|spanish|italian|portuguese|dutch|polish|russian|japanese|
    chinese|korean|json|yaml|xml|csv|markdown|html|plain|bullet\w*|tables?|metric|imperial|
    utc|gmt|celsius|fahrenheit|euros?|dollars?|pounds?|usd|eur|gbp|uppercase|lowercase|caps|
    iso|(?:24|12)\b|kilomet\w+|miles|the form\w*|one|two|three|\d|a single|full|short|
    british|american|\w+ (?:style|format|timezone|time|units?|case|tense|english))
as (?:json|csv|yaml|markdown|a (?:table|list)|bullet\w*|plain) | bullet points? | short | brief
concise | terse | polite | formal | informal | under | below | within | away from
for (?:this|every|each|all) | before (?:you|any|each|every|push\w*|releas\w*|deploy\w*|merg\w*)
on (?:mon|tues|wednes|thurs|fri|satur|sun)days? | weekly | daily | decimals? | decimal places
significant | grouped | sorted | ordered by | by (?:client|date|month|name|size|price)
as (?:confidential|private|final|read-only|given|is) | twice | no\s | not\s | no more | until
to (?:two|three|\d)
"""
"""What an order is to hold for."""

LASTING_ORDERS = r"""
treat | exclude | include | stick | limit | cap | respect | follow | obey | maintain | preserve
protect | assume | prioritise | prioritize | refrain | hide | mask | redact | anonymise | anonymize
encrypt
round | format | spell | sort | group | quote | cite | honor | honour | observe | beware | mind
watch out | keep | leave | skip | avoid | prefer | remember | consider | hold | favor | favour
document | log | label | tag | prefix | indent | wrap | back up | double-check | cross-check
verify | validate | ask | check with | consult | notify | warn | inform | cc | copy in | loop in
run everything
"""
"""Orders that are meant to last, whatever follows."""

HINTS = r"""
(?:if|when|in case|should) [^,]{3,80},\s | decimal | as possible | at your discretion
sensitive | best (?:for|if)
(?:i|we) (?:want|expect|would like|'d like|appreciate|'d appreciate) (?:it|the|all|my|our|
    no|only|everything|you to)
as (?:little|few|much|many|soon|short|long) as | at most | ideally | hopefully | compatib\w+
non-\w+ing\b | matters? to (?:me|us) | rule of thumb | policy | convention | standard
tradition | work best | works best | suits? (?:me|us) | no-?\w+ please | should | ought to
need(?:s)? to | ha(?:s|ve) to | must | has got to | supposed to
(?:it's|it is|this is|that's) (?:important|essential|crucial|critical|urgent|vital) | important
without | before (?:\d|noon|midnight|mon|tue|wed|thu|fri|sat|sun|the end|end of|tomorrow)
(?:before|after|by|until) (?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b
after (?:\d|noon|work|mon|tue|wed|thu|fri|sat|sun)
by (?:\d|noon|midnight|mon|tue|wed|thu|fri|sat|sun|the end|end of|tomorrow|tonight|next|
    january|february|march|april|may \d|june|july|august|september|october|november|december)
between \d | not (?:the|on|in|at|before|after|from|with|via|by)\s | exactly | strictly
(?:the )?(?:cheapest|fastest|shortest|earliest|latest|smallest|largest) | non-?stop
(?:i|we)(?:'d| would)? (?:like|love|want|need)(?: it| them| this| that)? to be
because of (?:my|our)
(?:i|we) (?:absolutely |really )?(?:need|require) (?:an?|my|our) \w+ (?:\w+ )?(?:room|seat|
    meal|table|car|place|bed|floor|one|version|format|copy|invoice)
budget | deadline | limit | maximum | minimum | willing to (?:pay|spend|wait)
"""
"""What may be a demand."""

STANDS = r"""
(?:current|next|remaining|open|pending|last|final|first) (?:task|step|goal|question|issue|
    item|phase|milestone|plan|point)s?\b
(?:is|are) (?:still )?(?:done|finished|complete|completed|blocked|pending|failing|broken|
    missing|open)\b
awaiting | waiting (?:on|for) | to-?do\b | (?:the|my|our) goal | goal: | steps? \d
"""
"""Where the work stands: what is on, what comes next, what is open."""

PAST = words(
    """
    got came went had was were been said told heard saw knew did made took gave found sent paid
    thought left felt used seen gotten done given taken happened mind again even really quite
    worked showed showing asked ordered
    """
)
"""Behind "never" or "always" these tell of what was."""

HAVING = words(
    """
    have has had 've having i've we've they've he's it's she's hasn't haven't
    """
)
"""Before "never" or "always" these do."""

ONLY_BEFORE = words(
    """
    the not if my our your its their an
    """
)
"""Before "only" these demand nothing."""

ONLY_AFTER = words(
    """
    have has had one see saw got found know knew problem issue thing just way reason difference
    option person two be is was were can't getting noticed wondering asking kidding that to
    """
)
"""Behind "only" these demand nothing."""

ORDERING = words(
    """
    please and but so then also just or kindly though ok okay again still however btw definitely
    absolutely really simply otherwise remember user users we you everyone nobody anyone
    """
)
"""Before "don't" these order."""

TELLING = words(
    """
    know think remember have see understand recall mind believe feel get find worry mean hear
    care seem look appear work exist let's
    """
)
"""Behind "don't" these tell of oneself."""

NO_TALK = words(
    """
    problem problems worries worry thanks thank idea one need rush luck matter further other i
    it that that's we you they there this not longer clue doubt wonder offence offense hurry but
    please my sorry just don't do of
    """
)
"""Behind "no" at the beginning these demand nothing."""

VERBS = words(
    """
    is are was were be been am i'm i'd i'll i've it's that's there's we're we'll you're he's
    she's they're let's what's have has had do does did can could will would shall should may
    might must i you he she they we sorry hi hello hey great ok okay yes no sure go see look
    looks seems sounds get got proceed cancel book change works work
    """
)
"""A short sentence without any of these is a note of what is wanted."""

ENGLISH = words(
    """
    the and to of is i you for my a in it that this please with on be are not do don't me we
    your our never always only can will would should must if from at by as or but any all
    """
)
"""Words of which every English sentence has some."""

POINTING_BACK = words(
    """
    that this it those these them so let's not do don't again ever please way time anymore
    either no never thing things happen the and to like want we i you must now rule hard
    """
)
"""A sentence of these alone speaks of the one before."""

# What is demanded, in other languages

DEMANDS = {
    "de": r"""
niemals | nie | nie (?:mehr|wieder) | immer | stets | nur | ausschließlich | auf keinen fall
keinesfalls | keinerlei | unter keinen umständen | auf jeden fall | unbedingt | bloß nicht
höchstens | maximal | mindestens | spätestens | frühestens
nicht (?:mehr|später|früher|vor|nach|ohne|über|unter|auf)
(?:darf|dürfen|darfst|soll|sollen|sollst|muss|müssen|musst|kann|
    können)(?: \w+){0,4} (?:nicht|keine?[nmrs]?|nie|nur|immer|sein|bleiben|haben)
bitte(?: \w+){0,2} (?:nicht|keine?[nmr]?|nur|immer|nie) | keine?[nmr]? \w+ | budget | frist
ab (?:sofort|jetzt|heute) | von (?:nun|jetzt) an | künftig | in zukunft | lieber | bevorzug\w*
am liebsten | vermeid\w* | achte[nt]? (?:bitte )?darauf | stell\w* sicher | denk\w* daran
ohne (?:meine?|vorher\w*|rückfrage|zustimmung|rücksprache) | es sei denn | außer | allerg\w+
antworte\w* | (?:an)?statt | verboten | pflicht | zwingend | vegetari\w+ | vegan\w*
""",
    "fr": r"""
jamais | toujours | uniquement | seulement | exclusivement | en aucun cas | sous aucun prétexte
surtout pas | il (?:ne )?faut(?: pas)? | (?:ne|n') ?\w+(?: \w+)? (?:pas|jamais|plus|que)
pas (?:de|plus|avant|après) | au (?:plus|maximum|moins|minimum) | maximum | budget | date limite
avant (?:le|la|lundi|mardi|mercredi|jeudi|vendredi|midi|\d) | désormais | dorénavant
à partir de maintenant | je préfère | je préférerais | de préférence | évite\w* | assure\w*
veille\w* à | n'oublie\w* | sans (?:mon|ma|me|demander|l'accord|autorisation) | sauf
à moins que | allergique | répond(?:s|ez) | doit | doivent | interdit\w* | obligatoire
au lieu de | plutôt que | végétari\w+
""",
    "es": r"""
nunca | jamás | siempre | solo | sólo | solamente | únicamente | exclusivamente | bajo ningún\w*
en ningún (?:caso|momento) | de ninguna (?:manera|forma) | por favor,? no
no (?:quiero|debe\w*|se (?:puede|debe)|más de|menos de|antes de|después de|sin|me gustan?|como)
debe[ns]? | deberían? | tienen? que | hay que | presupuesto | fecha límite | plazo
como (?:máximo|mínimo) | máximo | mínimo | a más tardar | antes del? | de ahora en adelante
a partir de (?:ahora|hoy) | prefiero | preferiría | preferentemente | preferiblemente | evit\w+
asegúr\w+ | recuerd\w+ | sin (?:mi|pedir|preguntar|consultar) | a menos que | excepto | salvo
alérgic\w+ | responde\w* | prohibid\w+ | obligatori\w+ | en (?:lugar|vez) de | vegetarian\w+
vegan\w+
""",
    "it": r"""
(?<!im )(?<!von )(?<!en )(?<!ab )(?<![\d.] )mai | sempre | solo | soltanto | solamente
esclusivamente | in nessun caso | per nessun motivo
non \w+(?:ar|er|ir)\w{1,3} | non (?:più|oltre|prima|dopo|superare|voglio|deve|devono|mangio)
deve | devono | bisogna | budget | scadenza | entro | al (?:massimo|minimo) | almeno | massimo
d'ora in poi | da (?:ora|adesso|oggi) in poi | preferisco | preferirei | preferibilmente
evita\w* | assicura\w* | ricorda\w* | senza (?:il mio|la mia|chiedere|permesso) | a meno che
tranne | eccetto | allergic\w+ | rispond[ia]\w* | vietat\w+ | obbligatori\w+ | invece di
piuttosto che | vegetarian\w+
""",
    "pt": r"""
nunca | jamais | sempre | só | somente | apenas | em hipótese alguma | de jeito nenhum
em nenhum caso | de forma alguma | por favor,? não
não (?:pode\w*|deve\w*|quero|mais (?:de|que|do)|antes|depois|como|passe) | devem? | deveria
t[eê]m que | é preciso | orçamento | prazo | no (?:máximo|mínimo) | pelo menos
a partir de (?:agora|hoje) | de agora em diante | prefiro | preferiria | de preferência
evit\w+ | certifi\w+ | garant\w+ | lembre\w* | sem (?:minha|meu|perguntar|a minha|o meu)
a menos que | exceto | salvo | alérgic\w+ | respond[ae]\w* | proibid\w+ | obrigatóri\w+
em vez de | ao invés de | vegetarian\w+
""",
    "nl": r"""
nooit | altijd | alleen | uitsluitend | onder geen | in geen geval | absoluut niet
niet (?:meer|later|eerder|voor|na|zonder|boven|onder|op|vóór)
(?:mag|mogen|moet|moeten|kan|zal)(?: \w+){0,4} (?:niet|geen|altijd|nooit|alleen|zijn|blijven)
geen \w+ | budget | deadline | uiterlijk | hoogstens | maximaal | minimaal | minstens
ten (?:minste|hoogste) | vanaf nu | voortaan | liever | bij voorkeur | voorkeur | vermijd\w*
zorg (?:dat|ervoor) | vergeet niet | zonder (?:mijn|te|eerst|toestemming) | tenzij | behalve
allergisch | antwoord | verboden | verplicht | in plaats van | vegetari\w+
""",
    "pl": r"""
proszę nie | nigdy | zawsze | tylko | wyłącznie | pod żadnym | w żadnym
nie (?:wolno|można|może|mogą|więcej|później|wcześniej|bez|przed|po|\w+(?:aj|uj|ij|yj|ób|
    ędzaj|ieraj)(?:cie)?)
musi | muszą | należy | trzeba | budżet\w* | termin\w* | najpóźniej | maksymalnie
co (?:najmniej|najwyżej) | najwyżej | od (?:teraz|dziś) | odtąd | wolę | wolał\w* | najlepiej
unikaj\w* | upewnij | pamiętaj\w* | bez (?:mojej|mojego|pytania|zgody) | chyba że | oprócz
uczulon\w+ | alergi\w+ | odpowiadaj\w* | zabronion\w+ | obowiązkow\w+ | zamiast
""",
    "ru": r"""
никогда | всегда | только | исключительно | ни (?:в коем|в коём|при каких|за что) | нельзя
не (?:более|больше|менее|меньше|позже|позднее|раньше|ранее|должн\w+|хочу|\w+(?:й|йте|ите))
долж(?:ен|на|но|ны) | нужно | необходимо | обязательн\w* | бюджет\w* | срок\w* | дедлайн\w*
максимум | минимум | отныне | с этого момента | впредь | предпоч\w+ | лучше | желательно
избега\w+ | убед\w+ | помн\w+ | без (?:моего|моей|спроса|согласия|разрешения) | если только
кроме | аллерг\w+ | отвечай\w* | запрещ\w+ | вместо
""",
    "cjk": r"""
絶対 | 決して | 必ず | 常に | いつも | だけ | のみ | ないで | ては(?:いけ|なら|だめ)
ちゃだめ | 禁止 | 以内 | 以下 | 以上 | までに | 締め?切り? | 期限 | 予算 | 上限 | 最大
最低 | 今後 | これからは | 以後 | (?:方|ほう)が(?:いい|良い|好) | 避け | アレルギー
ではなく | 代わりに | なしで | で(?:答え|回答|書い|お願い) | ずに | [绝絕決决](?:对|對)?不
从不 | 永远不 | 永遠不 | 不要 | 不得 | 不能 | 不可 | 不[许許] | 禁止 | 严禁 | 嚴禁
[务務]必 | 必[须須] | 一定要 | [总總]是 | 始[终終] | 只[能用要接使在订訂] | [仅僅]
最[多少晚] | 至少 | 不[超少早晚][过過于於] | 之前 | 截止 | [预預]算 | [从從]现?現?在[起开開]
今[后後] | 以[后後][都请請] | 偏好 | 更喜[欢歡] | [宁寧][愿願] | 避免 | [确確]保 | [记記]住
除非 | [过過]敏 | 未[经經] | 而不是 | 请勿 | 請勿
(?:请|請)?别(?=[给用订发改动说删再在把买]) | 用[中英日韓韩德法][文语語] | 절대 | 결코 | 항상
언제나 | 반드시 | 꼭\s | 오직 | 지 ?마 | 지 ?말 | 안 ?된?돼?됩 | 안 돼 | 금지 | 이내 | 이하
이상 | 까지 | 마감 | 예산 | 한도 | 최대 | 최소 | 앞으로 | 이제부터 | 지금부터 | 선호
차라리 | 피해 | 알레르기 | 대신 | 말고 | 없이 | 빼(?:고| ?주|줘) | (?<!지)만 (?=\S)
""",
}
"""Words of demands by language; `cjk` are those without blanks between words."""

STORIES = {
    "de": r"""
ich muss | noch nie | nie (?:bekommen|erhalten|angekommen) | immer noch | wie immer | nicht nur
keine? (?:problem|ahnung)
""",
    "fr": r"""
jamais reçu | toujours pas | je ne (?:sais|trouve|peux|comprends|vois|me souviens) | je n'ai
""",
    "es": r"nunca (?:recib\w+|lleg\w+|me|he|ha) | no solo | siempre (?:he|ha)",
    "it": r"""
mai (?:ricevut\w+|arrivat\w+) | non solo | ho sempre | come sempre
non (?:so|trovo|riesco|capisco)
""",
    "pt": "nunca (?:recebi|chegou|tive) | não só | sempre (?:foi|fui)",
    "nl": r"""
nooit (?:ontvangen|aangekomen|gekregen) | nog nooit | niet alleen | geen (?:probleem|idee)
""",
    "pl": r"nigdy nie (?:dostał\w*|otrzymał\w*|dotarł\w*) | nie tylko",
    "ru": "не только | так и не",
}
"""Beside these a sentence tells of what was, or asks."""

# What makes a demand likely in any wording

SIGNS = {
    "denial": words(
        """
        no not never nobody nothing none nowhere neither nor without cannot can't don't doesn't
        isn't aren't won't wouldn't shouldn't mustn't
        """
    ),
    "totality": words(
        """
        every each all everyone everybody everything everywhere whole entire always only
        anyone anybody whoever whatever wherever whenever whichever otherwise except throughout
        exclusively strictly
        """
    ),
    "duty": words(
        """
        must should shall may ought need needs required requires allowed permitted forbidden
        supposed
        mandatory entitled responsible insists expects demands wants
        """
    ),
    "condition": words(
        """
        if when unless until till before after while once whenever by during between
        """
    ),
    "measure": words(
        """
        half third quarter double twice minimum maximum max min two three four five six seven
        eight nine ten eleven twelve dozen hundred thousand first last noon midnight
        monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays
        thursdays fridays saturdays sundays weekends weekdays daily weekly monthly
        """
    ),
    "reason": words("so because since due therefore hence"),
    "wish": words("like love hate dislike prefer rather want fond keen"),
    "kin": words(
        """
        mother father mum mom dad son daughter wife husband brother sister parents kid kids child
        children baby grandma grandpa grandmother grandfather boss colleague client clients customer
        customers patient patients guest guests tenant landlord neighbour neighbours pupils students
        people members staff dog cat
        """
    ),
    "custom": words(
        """
        stay stays remain remains belong belongs goes gets keeps leaves comes counts ends starts
        takes costs lasts
        """
    ),
}
"""Of these a demand has at least two, whatever it is about."""

SIGNS_ABROAD = {
    "denial": words(
        """
        nicht nichts kein keine keinen keinem keiner nie niemals niemand weder ohne pas rien aucun
        aucune personne jamais ni sans no nada nadie ningún ninguna nunca jamás sin non niente
        nessuno nessuna mai né senza não nenhum nenhuma ninguém nem sem niet niets geen nooit
        niemand noch zonder nie nic nikt żaden żadna bez не нет ни никто ничего нельзя никогда без
        inte ingen inget aldrig utan ikke ingen aldri aldrig uden
        """
    ),
    "totality": words(
        """
        jede jeder jedes jeden jedem alle allen alles immer nur stets beide überall grundsätzlich
        sonst chaque tous toutes tout toute toujours seulement seul seule sinon cada todo toda todos
        todas siempre solo sólo ambos ogni tutti tutte tutto tutta sempre soltanto entrambi apenas
        somente só tudo ambos elke elk iedere ieder iedereen alleen altijd każdy każda każde
        wszystkie wszyscy zawsze tylko каждый каждая каждое все всё всегда только alla varje alltid
        bara alltid bare hver
        """
    ),
    "duty": words(
        """
        muss müssen soll sollen sollte darf dürfen doit doivent faut peut peuvent debe deben deberá
        tiene tienen puede pueden hay deve devono può possono deve devem precisa pode podem tem
        moet moeten mag mogen hoort musi muszą może mogą wolno trzeba должен должна должны нужно
        надо можно måste får ska må skal
        """
    ),
    "condition": words(
        """
        wenn falls sobald bevor bis solange während vor nach ab unter über zwischen si quand dès
        avant après jusque jusqu tant entre cuando antes después hasta mientras entre se quando
        prima dopo finché entro depois até enquanto entre als wanneer voordat zodra tot voor na
        tussen jeśli jeżeli gdy zanim dopóki przed po do если когда пока до после перед om innan
        när tills hvis før når
        """
    ),
    "measure": words(
        """
        zwei drei vier fünf sechs sieben acht neun zehn zwölf halb hälfte deux trois quatre cinq
        six sept huit neuf dix douze moitié dos tres cuatro cinco seis siete ocho nueve diez doce
        mitad due tre quattro cinque sei sette otto nove dieci dodici metà dois duas três quatro
        sete oito nove dez metade twee drie vier vijf zes zeven negen tien twaalf helft
        dwa dwie trzy cztery pięć два две три четыре пять
        """
    ),
    "reason": words(
        """
        weil denn deshalb daher wegen also parce car puisque donc porque pues perché poiché quindi
        pois portanto omdat want dus bo ponieważ więc bowiem потому поэтому
        """
    ),
    "wish": words(
        """
        möchte möchten will wollen hätte lieber gern gerne wünsche veux voulons voudrais souhaite
        aime quiero queremos quisiera gusta voglio vogliamo vorrei piace quero queremos gostaria
        gosto wil willen graag liever chcę chcemy wolę хочу хотим хотелось vill
        """
    ),
    "kin": words(
        """
        mutter vater sohn tochter frau mann bruder schwester eltern kind kinder chef chefin kunden
        patient patientin gäste mère père fils fille femme mari frère sœur parents enfant enfants
        patron clients madre padre hijo hija mujer marido hermano hermana padres niño niña niños
        jefe jefa clientes figlio figlia moglie marito fratello sorella genitori bambino bambini
        capo
        clienti mãe pai filho filha mulher irmão irmã pais criança crianças chefe moeder vader zoon
        dochter vrouw broer zus ouders kinderen baas klanten matka ojciec syn córka żona mąż dzieci
        klienci мама папа мать отец сын дочь жена муж дети клиенты
        """
    ),
    "custom": words(
        """
        bleibt bleiben gehört gehören kommt kommen geht gehen wird werden reste restent va vont
        queda quedan va van sale salen resta restano rimane rimangono fica ficam blijft blijven
        gaat gaan komt wordt worden zostaje zostają остаётся остается остаются
        """
    ),
    "please": words(
        "bitte bitten plaît prego favor alsjeblieft alstublieft graag proszę пожалуйста"
    ),
}
"""The same in other languages, taken together: a word is a sign in one and rare in others."""

TOLD = words(
    """
    was were had did didn't wasn't weren't hadn't been ago yesterday already went came said told
    happened thought knew saw heard tried bought paid sent made found drove ate ran wrote began
    froze broke chose fell felt flew forgot gave grew held lost met rang spoke stood taught took
    wore won
    spent slept built caught sold
    """
)
TOLD_ABROAD = words(
    """
    war waren wurde wurden hatte hatten habe gestern schon ai avons avez étais était étaient hier
    he hemos fue fueron era estaba ayer ho abbiamo stato stata eravamo ieri foi fui tive estava
    ontem heb hebben werd werden gisteren był była było były wczoraj был была было были вчера
    """
)
"""These tell of what was."""

TALKING = words("i i'm i've we we're you it it's that that's this there there's what which")
"""Who denies with these at the beginning speaks of the talk, or of a trouble."""

SELF_ABROAD = words("ich je yo io eu ik ja я")
"""Who speaks of oneself in other languages."""

PERSONS = words(
    "i i'm i'd i've i'll we we're we'd you you're it it's that that's this there there's"
)
"""Where none of these stands, a duty is one of others: a rule, and no errand."""

NO_VERBS = words(
    """
    i you he she it we they this that these those there the a an my our your their his her its
    is are was were be been am do does did have has had will would can could should may might must
    in on at by for from with to of about into over under after before until since during without
    and or but so if when while because as than then not no yes just only all any both each every
    what who how why where which also even still more most some one like says said sure see
    """
)
"""A word before an article or a pronoun is an order, unless it is one of these."""

TROUBLE = words(
    """
    work works working load loads find finds see know understand remember recall think sure seem
    seems appear appears happen happens respond responds return returns match matches compile
    compiles recognise recognize recognized show shows wrong problem issue error help helps
    matter mind support parse detect fail fails look looks
    """
)
TROUBLE_ABROAD = words(
    """
    finde weiß verstehe kann funktioniert trouve sais peux comprends marche encuentro sé puedo
    entiendo funciona trovo riesco capisco funziona encontro sei consigo entendo vind weet begrijp
    werkt wiem mogę rozumiem działa могу знаю понимаю работает
    """
)
"""What goes wrong is denied as well: beside these a denial demands nothing."""

# How a change of mind is said

CHANGES = {
    "en": r"""
actually | instead | rather | make (?:that|it) | change[ds]? (?:(?!from\b|on\b)[^.]){0,60}?\bto
moved? | switch(?:ed)? | swap(?:ped)? | update[ds]? | correction | corrected | (?<=\w )now
no longer | any ?more | from now on | revised | replaced? | on second thoughts? | i meant
should (?:have been|read) | turns out | postponed? | rescheduled? | pushed (?:back|to)
brought forward | bump(?:ed)? | raised? | lowered? | increased? | reduced? | cut to
(?:grew|grown|rose|risen|fell|fallen|shrank|shrunk|dropped|went (?:up|down)|is up|is down) to
rename[ds]? | sorry | oops | after all | put (?:back|off|forward) | shifted | extend(?:ed)?
scrap(?:ped)? | typo | misread | my mistake | mistaken | mixed \w+ up | was wrong
(?:counted|checked|measured|looked \w+ up|asked|weighed)(?: \w+){0,2} again | i (?:re-?)?checked
(?:drops?|rises?|climbs?|goes (?:up|down)|up|down) to | push(?:ed)? (?:\w+ ){1,4}to
(?:starting|effective|as of|from) (?:today|tomorrow|next|mon|tue|wed|thu|fri|sat|sun)\w*
^new | ^no(?=, (?!thank)) | not (?:the )?\w+, | rebased onto
the old (?:\w+ ){1,3}(?:is|are|was) (?:retired|revoked|invalid|void|gone|dead|closed|history)
""",
    "de": r"""
stattdessen | doch | lieber | geändert | änder\w* | verschoben | jetzt | nun | nicht mehr | verlegt
ab sofort | korrektur | sondern | verlängert | vorgezogen | umgebucht | neue[rs]?
""",
    "fr": r"""
finalement | plutôt | en fait | désormais | au lieu | chang(?:ez|é|ée|eons) | reportée?
correction | nouve(?:au|lle) | maintenant | avancée? | à la place
""",
    "es": r"""
mejor | en realidad | cambi\w+ | ahora | ya no | corrección | aplaz\w+ | adelant\w+ | al final
nuev[oa] | en vez
""",
    "it": r"""
anzi | invece | cambia\w* | meglio | spostat\w+ | ora | adesso | correzione | rinviat\w+ | alla fine
nuov[oa]
""",
    "pt": r"""
na verdade | melhor | mud[ae]\w* | agora | afinal | correção | adiad\w+ | em vez | nov[oa]
""",
    "nl": r"""
eigenlijk | toch | wijzig\w* | verander\w* | verplaatst | nu | correctie | verzet | verschoven
uiteindelijk | nieuwe?
""",
    "pl": r"jednak | zmień\w* | teraz | zamiast | zmiana | poprawka | przełożon\w+",
    "ru": r"теперь | лучше | вместо | измени\w* | перен\w+ | вс[её]-таки",
    "cjk": r"""
やっぱり | やはり | に変更 | に変え | 訂正 | 代わりに | 改[成为為到] | [换換][成到]
[还還]是 | 更正 | 其[实實] | 대신 | 바꿔 | 변경 | 역시 | 정정
""",
}
"""Words beside which a new value takes the place of another."""

ANNOUNCED = {
    "en": r"""
^(?:actually|instead|correction|update|oops|scratch that|on second thoughts?|no,? wait|wait|
    sorry)\b
make (?:that|it) | change (?:that|it|the|my|our) | switch (?:to|the|my) | instead | moved to
no longer | after all | i meant | should have been
""",
    "de": "stattdessen",
    "fr": "finalement",
    "es": "mejor",
    "it": "invece",
    "pl": "zamiast",
}
"""These announce a change even if nothing is found that they change."""

TAKEN_BACK = {
    "en": r"""
scratch (?:that|this|all|it|the) | strike that
forget (?:that|this|it|about|the|what|everything|all|\w+ and \w+) | never ?mind
(?:ignore|disregard) (?:the|my|what|everything|all|that|this|earlier|previous) | cancel that
i take (?:it|that) back | take that back | on second thoughts? | changed (?:my|our) minds?
change of (?:heart|direction) | change of plans?(?= ?[:,;\u2014-])
let me (?:revise|rephrase|correct) | final (?:answer|decision) | off the table | total reset
start(?:ing)? over | full pivot | pivot(?:ing)? | swap (?:the|out|our) | drop (?:that|the|this)
different (?:plan|approach|direction) | (?:new|revised) (?:plan|approach|direction)
go(?:ing)? (?:\w+ )?(?:with|for) .{1,60} instead | instead | rather than | no longer
""",
    "de": "vergiss | vergessen sie",
    "fr": "oublie[zr]?",
    "es": "olvida | olvídalo",
    "it": "dimentica",
    "pt": "esque[çc][ae]",
    "nl": "vergeet",
    "pl": "zapomnij",
    "ru": "забудь",
    "cjk": "算了 | 忘了 | 忘れて | 잊어",
}
"""A plan is taken back."""

EVERYTHING = r"""
everything | all of (?:this|that|it) | all (?:this|that) | so far | total reset | full pivot
start(?:ing)? over | from scratch | complete(?:ly)? (?:different|new)
"""
"""So is all that was planned."""

LIFTED = {
    "en": r"""
after all
(?:may|can|could|free to|fine to|ok to|okay to|allowed to|alright to) (?:now |
    again )?\w+.{0,60}\b(?:now|again|any ?more|anyway)
(?:no longer|not|isn't|aren't|doesn't|don't|do not|does not)(?: \w+){0,3} (?:necessary|
    required|apply|applies|matters?|important|an issue|a problem|valid|have to|need to)
(?:is|are|has been) (?:lifted|dropped|gone|void|waived|removed|cancelled|canceled|obsolete|
    history|relaxed)
(?:forget|ignore|drop|lift|waive|skip|disregard|never ?mind|scrap|relax) (?:about |
    what i said about )?(?:the|my|that|our|about|what)
(?:it's|it is|that's) (?:fine|ok|okay|alright|all right)
(?:is|are) (?:fine|ok|okay|allowed|alright|permitted|possible|welcome) (?:now|again|too)
you (?:can|may) (?:now|ignore|drop|forget) | i (?:don't|do not) (?:mind|care)
changed my mind about
""",
    "de": "nicht mehr | doch wieder | darfst (?:du )?(?:doch|jetzt|wieder)",
    "fr": "finalement | tu peux",
    "es": "ya no | puedes",
    "it": "non più | puoi",
    "pt": "não precisa | pode agora",
    "nl": "hoeft niet | mag toch",
    "pl": "możesz jednak",
    "ru": "уже не | можно",
}
"""A demand no longer holds."""

STOP = words(
    """
    a an the and or but of to in on at by for from with into onto as is are was were be been
    being am it its it's this that these those there here i you he she we they me him her us
    them my your his our their mine yours do does did done not no yes so if then than too very
    can could will would shall should may might must have has had i'm i'd i'll i've we're we'll
    we've you're that's let's please just also only now actually instead really quick update
    updated correction new current currently latest changed change changes changing moved move
    moving switch switched make made keep use using used set get go going want wants need needs
    like sorry wait hmm oh ok okay well right after all any more anymore longer still again
    later today forward onwards rather scratch forget ignore never mind always ever earlier
    previous previously before old former what which who when about up out over each every said
    say think thought mean meant last first one some thing things user users it'll there's total
    la el los las le les un una une des der die das den dem ein eine einen il lo gli de del al
    alla au aux du het een os na em para por per pour mit con avec van est sind ist auf im zu y
    e et und en beträgt liegt kostet bei wynosi sera es será è são mejor cambia doch lieber
    jetzt nun anzi invece ora agora ahora maintenant finalement
    """
)
"""Words that say nothing of what a sentence is about."""

UPPER = words(
    """
    before until till by under below most max maximum within latest less fewer vor bis unter
    höchstens spätestens avant jusqu'à moins maximum antes hasta menos máximo prima entro massimo
    até voor tot onder hoogstens
    """
)
LOWER = words(
    """
    after from since over above least min minimum earliest more nach ab über mindestens frühestens
    après plus minimum después más mínimo dopo più minimo depois mais na vanaf boven minstens
    """
)
"""Bounds: who names the most after the least takes nothing back."""

FILLING = words(
    """
    the a an is are was were be been will now please just then actually instead at on in to of by
    for
    der die das dem den ein eine ist sind war wird um am im auf jetzt nun doch bitte
    le la les l un une est sont sera à au de du maintenant
    el los las un una es son será en del ahora il lo gli i è sono sarà alle al
    o os as um uma é são de do da het een is zijn wordt nu op om
    """
)
"""Words that may change where something is said again."""

NOT_NAMES = words(
    """
    actually instead sorry correction monday tuesday wednesday thursday friday saturday sunday
    the this that update please never always only all from for our we now new branch access
    release launch project budget report support staging production make keep put use no hard
    safety goal user fact i it der die das dem den ein eine unser unsere mein meine im am für und
    le la les un une mon ma notre el los las mi nuestro nuestra il lo gli o os as de het een mijn
    """
)
"""A capital makes no name of these."""
