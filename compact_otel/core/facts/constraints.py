"""What a user demands in passing: prohibitions, limits, deadlines, formats, preferences.

    "By the way, never book anything before 11 am."     a rule
    "I prefer window seats."                            a wish
    "The report should be short."                       a hint

Only for what users said: what a tool prints or a model writes is no demand, however it is worded.
A sentence is told by its words alone, so a demand in an unusual wording is missed, and one is taken
now and then that is none. Both are cheaper than to ask: a hint costs tokens, nothing else.

Time is linear in the text. No pattern repeats a group that could match in two ways, and a sentence
is cut before it is looked at.
"""

# ruff: noqa: RUF001 - Cyrillic letters are what is looked for

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import cache, lru_cache


class Strength(IntEnum):
    """How much a sentence demands: nothing, a hint of something, a wish, a rule."""

    NONE = 0
    HINT = 1
    WISH = 2
    RULE = 3


_LONGEST = 600
"""Characters of a sentence that are looked at. Who demands something says so in fewer."""

_SHORT = 8
"""Words of a sentence that may end in "only"."""

_NOTE = 8
"""Words of a note without a verb: "Vegetarian meals"."""

_LONG_MESSAGE = 24
"""Sentences from which on a message is a document: a pasted issue, a mail, a policy."""
_OWN = 2
"""Sentences at the beginning and the end of such a message that are the user's own."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\Wa-z])")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")

# --- English ---------------------------------------------------------------------------------

_BAN_EN = (
    r"under no circumstances?|in no (?:case|event)|on no account|by no means|no matter what|"
    r"(?:must|shall|may|should|can) (?:not|never|only|under no)|mustn't|shan't|shouldn't|"
    r"may not|(?:is|are) not to be|not (?:allowed|permitted|acceptable|negotiable)|"
    r"isn't (?:allowed|acceptable)|aren't allowed|no longer allowed|"
    r"forbidden|prohibited|off[- ]limits|out of the question|non-?negotiable|"
    r"(?:hard|red|firm|strict|golden|key|ground) (?:line|rule|limit|requirement|stop|no)|"
    r"deal[- ]?breaker|throughout|across the board|at all (?:times|costs?)|no exceptions?|"
    r"without exception|absolutely not|"
    r"(?:you|nobody|no one|nothing|none of (?:you|us|them)) (?:can't|cannot|may|must|is to)|"
    r"(?:rule|constraint|requirement|condition|policy)(?: (?:one|two|three|\d))? ?:|"
    r"one (?:rule|condition|requirement|constraint|thing to (?:note|remember))|"
    r"nothing (?:with|that|containing|over|above|before)|refuse to|do nothing|let's not|let us "
    r"not|we don't want|hands off|keep (?:your hands )?off|"
    r"(?:is|are|'re|'m) (?:strictly |simply |just )?(?:out|off|a no-?go|taboo|not on)(?: of "
    r"bounds| limits)?(?=[.!,;]|$)|"
    r"(?:is|are|'re|am|was|were) (?:not )?to (?:be|have|stay|remain|use|contact|call|go|"
    r"include|contain|get|send)|"
    r"if in doubt|when in doubt|confidential|classified|private and|between us|off the record|"
    r"must(?:n't)? be|ha(?:s|ve) to be (?:preserved|kept|respected|followed|met|approved|signed)"
)
_LIMIT_EN = (
    r"at (?:the )?(?:very )?(?:most|least|latest|earliest)|"
    r"(?:no|not|nothing|never) (?:be )?(?:more|less|fewer|later|earlier|sooner|longer|shorter|"
    r"bigger|"
    r"larger|higher|lower|older|newer|over|under|above|below|beyond|before|after|past|until) "
    r"(?:than )?|"
    r"(?:up to|under|below|within|over|above|beyond|exceed\w*|max\.?|maximum(?: of)?|"
    r"minimum(?: of)?|"
    r"at or (?:below|above)|capp?ed at|limit(?:ed)? (?:to|is|of)) (?:a |an |the )?(?:total of )?"
    r"[$\u20ac\u00a3\u00a5]?\d|"
    r"(?:stay|keep|kept|remain|be) (?:it |them |this |that |everything |\S+ (?:\S+ )?)?"
    r"(?:under (?!\w+_)|below|within|above|inside|clear of|away from|free of)|"
    r"(?:stays?|keeps?|remains?) (?:unpushed|unchanged|private|confidential|secret|local|as is)|"
    r"(?:budget|deadline|due date|spend(?:ing)?|time limit|cut-?off|quota|ceiling|allowance|"
    r"limit|cap|"
    r"maximum|minimum|max|min)s?\b[^.!?]{0,40}?(?:[$\u20ac\u00a3\u00a5\d]|\b(?:hundred|"
    r"thousand|noon|midnight|tomorrow|"
    r"tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|end of|fixed|tight|"
    r"strict|firm|"
    r"final|january|february|march|april|june|july|august|september|october|november|december)\b)|"
    r"(?:needs?|has|have|must|got) to be (?:done|ready|finished|there|delivered|in|out|back|"
    r"live|sent)|"
    r"(?:is|are|it's) due (?:on|by|in|\d|next|tomorrow|today|mon|tue|wed|thu|fri|sat|sun|end|"
    r"at)|does not move|doesn't move|hard stop|time[- ]?box|"
    r"can(?:'t| ?not) (?:exceed|be (?:more|less|over|late|later|earlier|moved|changed|shared|"
    r"there)|go over|spend|afford|pay|take|do|make it|arrive|leave|eat|have (?:any|nuts)"
    r"|drink|fly|travel|drive|tolerate|stand|accept|wait|work|use)"
)
_ALWAYS_EN = (
    r"every (?:single |other )?(?:mon|tues|wednes|thurs|fri|satur|sun|week|month|quarter|year|"
    r"morning|evening|"
    r"night|hour|half)\w*|each (?:morning|evening|week|month|day)|"
    r"from (?:now|here|this point|today) on(?:wards?)?|going forward|henceforth|in (?:the )?future|"
    r"for the (?:rest|remainder|duration) of|(?:until|till|unless) (?:i|we|you|\w+ (?:says?|"
    r"approv\w+|"
    r"review\w*|confirm\w*|sign\w*))|every (?:single )?time|each time|whenever|"
    r"(?:every|each|all|any) (?:of )?(?:your |the |our |my )?(?:answers?|repl(?:y|ies)|responses?|"
    r"messages?|times?(?:tamps?)?|dates?|amounts?|prices?|measurements?|numbers?|commits?|files?|"
    r"reports?|e-?mails?|summar(?:y|ies)|examples?|outputs?|payments?|changes) "
    r"(?:in|as|must|should|to|with|need|has|have|go|goes|are to|is to)\b"
)
_CARE_EN = (
    r"make (?:absolutely |very |double )?(?:sure|certain)|ensure|be sure to|(?:please )?remember"
    r" (?:to|that|not|never|,)|keep in mind|bear in mind|(?:don't|do not|never) forget|"
    r"(?:please|kindly) (?:note|avoid|refrain|stick|keep|only|always|never|don't|do not|no)|"
    r"avoid|refrain from|stick (?:to|with)|steer clear|stay away from|hold off|wait (?:for|until)|"
    r"(?:ask|check with|consult|confirm with|tell|warn|notify|inform|let) (?:me|us|\w+) "
    r"(?:first|before|know before|beforehand|if|when)|"
    r"(?:get|need|needs|require[sd]?|with(?:out)?) (?:my |our |an? |any |the |explicit |prior |"
    r"written |"
    r"your |second )*(?:approval|consent|permission|confirmation|sign-?off|go-?ahead|review|"
    r"operator)|"
    r"without (?:asking|checking|telling|consulting|confirming|my|our|explicit|prior|a second|"
    r"first)|"
    r"unless|except (?:for|if|when|on)|as long as|provided that|on (?:the )?condition|"
    r"(?:is|are) (?:mandatory|required|compulsory|obligatory|a must|essential|crucial|critical|"
    r"vital)"
)
_WISH_EN = (
    r"(?:i|we|user|users|she|he|they|customer)(?:'d| would)?(?: (?:strongly|really|much|also|still|"
    r"generally|usually|always|definitely))? (?:prefers?|rather|insists?|hates?|dislikes?|"
    r"favou?rs?)|"
    r"prefer(?:red|ence|ences|ably| not)|"
    r"(?:i'm|i am|we're|we are|she's|he's|(?:my|our) \w+ (?:is|are|has)) (?:\w+ )?"
    r"(?:allergic|allerg(?:y|ies)|vegan|vegetarian|pescatarian|celiac|coeliac|diabetic|lactose|"
    r"gluten|"
    r"intolerant|kosher|halal|pregnant|colou?r-?blind|afraid of|only (?:free|available|"
    r"interested))|"
    r"allergic|allerg(?:y|ies) to|(?:gluten|dairy|nut|sugar|lactose|alcohol|meat)-free|wheelchair|"
    r"i (?:don't|do not|never|only|always|won't|will not|refuse to|can only|will only|must) "
    r"(?:\w+ly )?(?:eat|drink|fly|work|want|like|need you|use|take|do (?:\w+ ){0,2}(?:on|"
    r"before|after)|"
    r"buy|accept|pay|travel|drive|stay|trust|wear|read|speak|answer|care for|appreciate|"
    r"consent|agree)|"
    r"(?:i|we) (?:only )?(?:want|need|would like|'d like|expect|require) (?:you |it |them |"
    r"that |this |"
    r"everything |all |every |each |any |the |my |our )*(?:to (?:be|stay|remain|arrive|have|"
    r"use|keep|"
    r"include|not|only|never|always|match|follow)|(?:answers?|repl(?:y|ies)|responses?|"
    r"measurements?|"
    r"times?|dates?|amounts?|prices?|reports?|summar(?:y|ies)|examples?|code|output|results?) "
    r"(?:in|as|on|with|to))|"
    r"wants? (?:\w+ ){0,4}(?:answers?|repl(?:y|ies)|responses?|in|on|as|units?|style|format)\b|"
    r"(?:refer to|call|address) (?:me|us|him|her|them) (?:as|by)?|instead of|rather than|as "
    r"opposed to|in (?:plain|simple) (?:english|text|words|language)|"
    r"(?:answer|reply|response|writing|code) style|contact code|style is|no need to|"
    r"(?:don't|do not) (?:bother|need)"
)
# An order at the beginning of a sentence or clause.
_ORDER_EN = (
    r"(?:answer|reply|respond|write|speak|format|report|show|give|use|put|express|convert|"
    r"round|list|"
    r"call|address|sign|quote|keep|return|output|summari[sz]e|cite|include|exclude|skip|omit|leave|"
    r"treat|limit|restrict|cap|send|deliver|spell|name|mark|tag|store|log|run|prefix|start|end|"
    r"stop|"
    r"ask|present|display|order|sort|group|translate|document|commit|stay|be|book|pay|charge|ship)"
)
_SCOPE_EN = (
    r"(?:all|every|each|any|everything|always|never|only|always|in (?:english|german|french|"
    r"spanish|"
    r"italian|portuguese|dutch|polish|russian|japanese|chinese|korean|json|yaml|xml|csv|"
    r"markdown|html|"
    r"plain|bullet\w*|tables?|metric|imperial|utc|gmt|celsius|fahrenheit|euros?|dollars?|pounds?|"
    r"usd|eur|gbp|uppercase|lowercase|caps|iso|(?:24|12)\b|kilomet\w+|miles|the form\w*|one|"
    r"two|three|\d|"
    r"a single|full|short|british|american|\w+ (?:style|format|timezone|time|units?|case|tense|"
    r"english))|"
    r"as (?:json|csv|yaml|markdown|a (?:table|list)|bullet\w*|plain)|bullet points?|short|brief|"
    r"concise|terse|polite|formal|informal|under|below|within|away from|for (?:this|every|each|"
    r"all)|"
    r"before (?:you|any|each|every|push\w*|releas\w*|deploy\w*|merg\w*)|"
    r"on (?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekly|daily|"
    r"decimals?|decimal places|significant|grouped|sorted|ordered by|by (?:client|date|month|"
    r"name|size|price)|"
    r"as (?:confidential|private|final|read-only|given|is)|"
    r"twice|no |not |no more|until|to (?:two|three|\d))"
)
# Where the work stands.
_STAND_EN = (
    r"(?:current|next|remaining|open|pending|last|final|first) (?:task|step|goal|question|"
    r"issue|item|phase|"
    r"milestone|plan|point)s?\b|(?:is|are) (?:still )?(?:done|finished|complete|completed|"
    r"blocked|pending|failing|"
    r"broken|missing|open)\b|awaiting|waiting (?:on|for)|to-?do\b|(?:the|my|our) goal|goal:|"
    r"steps? \d"
)
# An order that is meant to last, whatever follows.
_LASTING_EN = (
    r"(?:treat|exclude|include|stick|limit|cap|respect|follow|obey|maintain|preserve|protect|"
    r"assume|"
    r"prioriti[sz]e|refrain|hide|mask|redact|anonymi[sz]e|encrypt|round|format|spell|sort|"
    r"group|quote|cite|"
    r"honou?r|observe|beware|mind|watch out|keep|leave|skip|avoid|prefer|remember|consider|"
    r"hold|favou?r|"
    r"document|log|label|tag|prefix|indent|wrap|back up|double-check|cross-check|verify|validate|"
    r"ask|check with|consult|notify|warn|inform|cc|copy in|loop in|run everything) "
)
_HINT_EN = (
    r"(?:if|when|in case|should) [^,]{3,80}, |decimal|as possible|at your discretion|sensitive|"
    r"best (?:for|if)|(?:i|we) (?:want|expect|would like|'d like|appreciate|'d appreciate) "
    r"(?:it|the|all|my|our|"
    r"no|only|everything|you to)|as (?:little|few|much|many|soon|short|long) as|at most|"
    r"ideally|hopefully|"
    r"compatib\w+|non-\w+ing\b|matters? to (?:me|us)|rule of thumb|policy|convention|standard|"
    r"tradition|"
    r"work best|works best|suits? (?:me|us)|no-?\w+ please|"
    r"should|ought to|need(?:s)? to|ha(?:s|ve) to|must|has got to|supposed to|"
    r"(?:it's|it is|this is|that's) (?:important|essential|crucial|critical|urgent|vital)|"
    r"important|"
    r"without|before (?:\d|noon|midnight|mon|tue|wed|thu|fri|sat|sun|the end|end of|tomorrow)|"
    r"(?:before|after|by|until) (?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve)\b|"
    r"after (?:\d|noon|work|mon|tue|wed|thu|fri|sat|sun)|"
    r"by (?:\d|noon|midnight|mon|tue|wed|thu|fri|sat|sun|the end|end of|tomorrow|tonight|next|"
    r"january|february|march|april|may \d|june|july|august|september|october|november|december)|"
    r"between \d|not (?:the|on|in|at|before|after|from|with|via|by) |exactly|strictly|"
    r"(?:the )?(?:cheapest|fastest|shortest|earliest|latest|smallest|largest)|non-?stop|"
    r"(?:i|we)(?:'d| would)? (?:like|love|want|need)(?: it| them| this| that)? to be|"
    r"because of (?:my|our)|(?:i|we) (?:absolutely |really )?(?:need|require) (?:an?|my|our) "
    r"\w+ (?:\w+ )?"
    r"(?:room|seat|meal|table|car|place|bed|floor|one|version|format|copy|invoice)|"
    r"budget|deadline|limit|maximum|minimum|willing to (?:pay|spend|wait)"
)
_PAST = _words(
    "got came went had was were been said told heard saw knew did made took gave found sent paid "
    "thought left felt used seen gotten done given taken happened mind again even really quite "
    "worked showed showing came asked ordered"
)
_HAVING = _words("have has had 've having i've we've they've he's it's she's hasn't haven't")
_ONLY_BEFORE = _words("the not if my our your its their an")
_ONLY_AFTER = _words(
    "have has had one see saw got found know knew problem issue thing just way reason difference "
    "option person two be is was were can't getting noticed wondering asking kidding that to"
)
_ORDERING = _words(
    "please and but so then also just or kindly though ok okay again still however btw definitely "
    "absolutely really simply otherwise remember user users we you everyone nobody anyone"
)
_STORY = _words(
    "know think remember have see understand recall mind believe feel get find worry mean hear "
    "care seem look appear work exist let's"
)
# Without any of these a short sentence of three words and more is a note of what is wanted.
_VERBS = _words(
    "is are was were be been am i'm i'd i'll i've it's that's there's we're we'll you're he's "
    "she's they're "
    "let's what's have has had do does did can could will would shall should may might must i "
    "you he she "
    "they we thanks thank sorry hi hello hey great ok okay yes no sure go see look looks seems "
    "sounds get "
    "got proceed cancel book change works work"
) - {"thanks", "thank"}
_NO_TALK = _words(
    "problem problems worries worry thanks thank idea one need rush luck matter further other "
    "i it that that's we you they there this not longer clue doubt wonder offence offense "
    "hurry but "
    "please my sorry just don't do of"
)

# --- Other languages -------------------------------------------------------------------------

_RULES: dict[str, str] = {
    "de": (
        r"niemals|nie|nie (?:mehr|wieder)|immer|stets|nur|ausschließlich|auf keinen fall|"
        r"keinesfalls|"
        r"keinerlei|unter keinen umständen|auf jeden fall|unbedingt|bloß nicht|höchstens|maximal|"
        r"mindestens|spätestens|frühestens|nicht (?:mehr|später|früher|vor|nach|ohne|über|"
        r"unter|auf)|"
        r"(?:darf|dürfen|darfst|soll|sollen|sollst|muss|müssen|musst|kann|können)(?: \w+){0,4} "
        r"(?:nicht|"
        r"keine?[nmrs]?|nie|nur|immer|sein|bleiben|haben)|bitte(?: \w+){0,2} (?:nicht|"
        r"keine?[nmr]?|nur|immer|nie)|"
        r"keine?[nmr]? \w+|budget|frist|ab (?:sofort|jetzt|heute)|von (?:nun|jetzt) an|künftig|"
        r"in zukunft|lieber|bevorzug\w*|am liebsten|vermeid\w*|achte[nt]? (?:bitte )?darauf|"
        r"stell\w* sicher|"
        r"denk\w* daran|ohne (?:meine?|vorher\w*|rückfrage|zustimmung|rücksprache)|es sei denn|"
        r"außer|"
        r"allerg\w+|antworte\w*|(?:an)?statt|verboten|pflicht|zwingend|vegetari\w+|vegan\w*"
    ),
    "fr": (
        r"jamais|toujours|uniquement|seulement|exclusivement|en aucun cas|sous aucun prétexte|"
        r"surtout pas|"
        r"il (?:ne )?faut(?: pas)?|(?:ne|n') ?\w+(?: \w+)? (?:pas|jamais|plus|que)|pas (?:de|"
        r"plus|avant|après)|"
        r"au (?:plus|maximum|moins|minimum)|maximum|budget|date limite|avant (?:le|la|lundi|"
        r"mardi|mercredi|"
        r"jeudi|vendredi|midi|\d)|désormais|dorénavant|à partir de maintenant|je préfère|je "
        r"préférerais|"
        r"de préférence|évite\w*|assure\w*|veille\w* à|n'oublie\w*|sans (?:mon|ma|me|demander|"
        r"l'accord|"
        r"autorisation)|sauf|à moins que|allergique|répond(?:s|ez)|doit|doivent|interdit\w*|"
        r"obligatoire|"
        r"au lieu de|plutôt que|végétari\w+"
    ),
    "es": (
        r"nunca|jamás|siempre|solo|sólo|solamente|únicamente|exclusivamente|bajo ningún\w*|"
        r"en ningún (?:caso|momento)|de ninguna (?:manera|forma)|por favor,? no|"
        r"no (?:quiero|debe\w*|se (?:puede|debe)|más de|menos de|antes de|después de|sin|me "
        r"gustan?|como)|"
        r"debe[ns]?|deberían?|tienen? que|hay que|presupuesto|fecha límite|plazo|como "
        r"(?:máximo|mínimo)|"
        r"máximo|mínimo|a más tardar|antes del?|de ahora en adelante|a partir de (?:ahora|hoy)|"
        r"prefiero|"
        r"preferiría|preferentemente|preferiblemente|evit\w+|asegúr\w+|recuerd\w+|sin (?:mi|pedir|"
        r"preguntar|consultar)|a menos que|excepto|salvo|alérgic\w+|responde\w*|prohibid\w+|"
        r"obligatori\w+|"
        r"en (?:lugar|vez) de|vegetarian\w+|vegan\w+"
    ),
    "it": (
        r"mai|sempre|solo|soltanto|solamente|esclusivamente|in nessun caso|per nessun motivo|"
        r"non \w+(?:ar|er|ir)\w{1,3}|non (?:più|oltre|prima|dopo|superare|voglio|deve|devono|"
        r"mangio)|deve|"
        r"devono|bisogna|budget|scadenza|entro|al (?:massimo|minimo)|almeno|massimo|d'ora in poi|"
        r"da (?:ora|adesso|oggi) in poi|preferisco|preferirei|preferibilmente|evita\w*|"
        r"assicura\w*|ricorda\w*|"
        r"senza (?:il mio|la mia|chiedere|permesso)|a meno che|tranne|eccetto|allergic\w+|"
        r"rispond[ia]\w*|"
        r"vietat\w+|obbligatori\w+|invece di|piuttosto che|vegetarian\w+"
    ),
    "pt": (
        r"nunca|jamais|sempre|só|somente|apenas|em hipótese alguma|de jeito nenhum|em nenhum caso|"
        r"de forma alguma|por favor,? não|não (?:pode\w*|deve\w*|quero|mais (?:de|que|do)|"
        r"antes|depois|como|passe)|"
        r"devem?|deveria|t[eê]m que|é preciso|orçamento|prazo|no (?:máximo|mínimo)|pelo menos|"
        r"a partir de (?:agora|hoje)|de agora em diante|prefiro|preferiria|de preferência|evit\w+|"
        r"certifi\w+|garant\w+|lembre\w*|sem (?:minha|meu|perguntar|a minha|o meu)|a menos que|"
        r"exceto|salvo|"
        r"alérgic\w+|respond[ae]\w*|proibid\w+|obrigatóri\w+|em vez de|ao invés de|vegetarian\w+"
    ),
    "nl": (
        r"nooit|altijd|alleen|uitsluitend|onder geen|in geen geval|absoluut niet|"
        r"niet (?:meer|later|eerder|voor|na|zonder|boven|onder|op|vóór)|(?:mag|mogen|moet|"
        r"moeten|kan|zal)(?: \w+){0,4} "
        r"(?:niet|geen|altijd|nooit|alleen|zijn|blijven)|geen \w+|budget|deadline|uiterlijk|"
        r"hoogstens|"
        r"maximaal|minimaal|minstens|ten (?:minste|hoogste)|vanaf nu|voortaan|liever|bij "
        r"voorkeur|voorkeur|"
        r"vermijd\w*|zorg (?:dat|ervoor)|vergeet niet|zonder (?:mijn|te|eerst|toestemming)|"
        r"tenzij|behalve|"
        r"allergisch|antwoord|verboden|verplicht|in plaats van|vegetari\w+"
    ),
    "pl": (
        r"proszę nie|nigdy|zawsze|tylko|wyłącznie|pod żadnym|w żadnym|nie (?:wolno|można|może|"
        r"mogą|więcej|"
        r"później|wcześniej|bez|przed|po|\w+(?:aj|uj|ij|yj|ób|ędzaj|ieraj)(?:cie)?)|musi|muszą|"
        r"należy|trzeba|budżet\w*|"
        r"termin\w*|najpóźniej|maksymalnie|co (?:najmniej|najwyżej)|najwyżej|od (?:teraz|dziś)|"
        r"odtąd|"
        r"wolę|wolał\w*|najlepiej|unikaj\w*|upewnij|pamiętaj\w*|bez (?:mojej|mojego|pytania|zgody)|"
        r"chyba że|oprócz|uczulon\w+|alergi\w+|odpowiadaj\w*|zabronion\w+|obowiązkow\w+|zamiast"
    ),
    "ru": (
        r"никогда|всегда|только|исключительно|"
        r"ни (?:в коем|в коём|при каких|за что)|нельзя|"
        r"не (?:более|больше|менее|меньше|позже|позднее|раньше|ранее|должн\w+|хочу|\w+(?:й|йте|"
        r"ите))|"
        r"долж(?:ен|на|но|ны)|нужно|необходимо|обязательн\w*|бюджет\w*|срок\w*|"
        r"дедлайн\w*|максимум|минимум|отныне|с этого момента|впредь|"
        r"предпоч\w+|лучше|желательно|избега\w+|убед\w+|помн\w+|"
        r"без (?:моего|моей|спроса|согласия|разрешения)|если только|кроме|аллерг\w+|"
        r"отвечай\w*|запрещ\w+|вместо"
    ),
}
# Scripts without blanks between words: whatever stands in the sentence counts.
_RULES_CJK = (
    # Japanese
    r"絶対|決して|必ず|常に|いつも|だけ|のみ|ないで|ては(?:いけ|なら|だめ)|ちゃだめ|禁止|以内|"
    r"以下|以上|"
    r"までに|締め?切り?|期限|予算|上限|最大|最低|今後|これからは|以後|(?:方|ほう)が(?:いい|"
    r"良い|好)|避け|"
    r"アレルギー|ではなく|代わりに|なしで|で(?:答え|回答|書い|お願い)|ずに|"
    # Chinese, simplified and traditional
    r"[绝絕決决](?:对|對)?不|从不|永远不|永遠不|不要|不得|不能|不可|不[许許]|禁止|严禁|嚴禁|"
    r"[务務]必|必[须須]|一定要|"
    r"[总總]是|始[终終]|只[能用要接使在订訂]|[仅僅]|最[多少晚]|至少|不[超少早晚][过過于於]|"
    r"之前|截止|[预預]算|[从從]现?現?在[起开開]|"
    r"今[后後]|以[后後][都请請]|偏好|更喜[欢歡]|[宁寧][愿願]|避免|[确確]保|[记記]住|除非|"
    r"[过過]敏|未[经經]|而不是|请勿|請勿|"
    r"(?:请|請)?别(?=[给用订发改动说删再在把买])|用[中英日韓韩德法][文语語]|"
    # Korean
    r"절대|결코|항상|언제나|반드시|꼭 |오직|지 ?마|지 ?말|안 ?된?돼?됩|안 돼|금지|이내|이하|"
    r"이상|까지|마감|예산|"
    r"한도|최대|최소|앞으로|이제부터|지금부터|선호|차라리|피해|알레르기|대신|말고|없이|빼(?:고|"
    r" ?주|줘)|"
    r"(?<!지)만 (?=\S)"
)
# Beside these a sentence tells of what was, or asks.
_NOT_RULES: dict[str, str] = {
    "de": r"ich muss|noch nie|nie (?:bekommen|erhalten|angekommen)|immer noch|wie immer|"
    r"nicht nur|keine? (?:problem|ahnung)",
    "fr": r"jamais reçu|toujours pas|je ne (?:sais|trouve|peux|comprends|vois|me souviens)|je n'ai",
    "es": r"nunca (?:recib\w+|lleg\w+|me|he|ha)|no solo|siempre (?:he|ha)",
    "it": r"mai (?:ricevut\w+|arrivat\w+)|non solo|ho sempre|come sempre|"
    r"non (?:so|trovo|riesco|capisco)",
    "pt": r"nunca (?:recebi|chegou|tive)|não só|sempre (?:foi|fui)",
    "nl": r"nooit (?:ontvangen|aangekomen|gekregen)|nog nooit|niet alleen|geen (?:probleem|idee)",
    "pl": r"nigdy nie (?:dostał\w*|otrzymał\w*|dotarł\w*)|nie tylko",
    "ru": r"не только|так и не",
}
_ENGLISH = _words(
    "the and to of is i you for my a in it that this please with on be are not do don't me we your "
    "our never always only can will would should must if from at by as or but any all"
)
_ANAPHORA = _words(
    "that this it those these them so let's not do don't again ever please way time anymore either "
    "no never thing things happen the and again to like want we i you must now rule hard"
)
_LIST_HEADER = re.compile(
    r"\b(?:rules?|constraints?|requirements?|restrictions?|guidelines?|conditions?|must-haves?|"
    r"limits?|preferences?|instructions?|regeln|bedingungen|anforderungen|règles|contraintes|"
    r"reglas|requisitos|regole|requisiti|regras|regels|eisen|zasady|wymagania)\b"
)
_ITEM = re.compile(r"^\s*(?:[-*\u2022\u2013]|\d{1,2}[.)]|[a-z][.)])\s+")
# Who needs or has to do something tells of an errand.
_ERRAND = re.compile(
    r"\b(?:i|we)(?: \w+ly| just| also)? (?:need|have|had|got|must) (?:to |go|say|admit)"
)
_COURTESY = re.compile(
    r"(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|thanks?|thank you|great|"
    r"perfect|awesome|"
    r"wonderful|excellent|cool|nice|got it|ok|okay|sure|yes|yeah|alright|all right|understood|"
    r"sounds good|that works|bye|goodbye|have a (?:great|good|nice) \w+|you too|i see|no problem|"
    r"much appreciated|so much|very much|there|for (?:your|the|that|all)|help|again|everything|it|"
    r"hallo|danke|merci|gracias|grazie|obrigad[oa]|bedankt)[ ,.!]*){1,8}"
)
# What says of itself that it does not belong here.
_ASIDE = re.compile(
    r"(?:oh,? )?(?:and )?(?:quick |just a )?(?:random(?:ly| thought| question)?\b|side ?note|"
    r"off[- ]topic|"
    r"unrelated|(?:quick )?tangent|fun fact|not (?:really )?related)"
)
_ASKING = re.compile(
    r"(?:^|[,:;\u2013\u2014-] ?|\b(?:so|and|but|way|right|oh|know what) )"
    r"(?:do|did|does|have|has|had|are|were|was|is|what|what's|how|how's|who|who's|when|where|"
    r"which|why|"
    r"any|isn't|aren't|don't|didn't|hasn't)\b"
)
_REQUEST = re.compile(
    r"\b(?:can|could|would|will|may|might|shall|should) (?:you|we|i|it|they)\b|please|\bhelp\b|"
    r"possible|"
    r"\bis there\b|\bare there\b|do you (?:offer|sell|accept|support|ship|have)\b|how (?:much|"
    r"many|long|about)\b|"
    r"what (?:about|if|are (?:my|the|our)|is (?:my|the|our))"
)
_CODE_MARKS = "()[]{}=*<>_\\|^`"
_PER_MARK = 12
"""A sentence with more than one of these marks in so many characters is code or output."""
_CODE = re.compile(
    r"^\s*(?:>>>|\.\.\.|[$#>|@]|def |class |import |from \w+ import|return |if .*:$|for .*:$|else:|"
    r"raise |assert |(?:In|Out) ?\[|\w*(?:Error|Exception|Warning)\b|E  |File \"|Traceback|"
    r"<[a-z/!]|\{|\}|//|/\*|\+\+\+|---|@@|\w+(?:\.\w+)*\(.*\)$|\w+ ?= ?\S)"
)


@cache
def _english() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return the patterns for rules, wishes and hints."""
    rules = rf"\b(?:{_BAN_EN}|{_LIMIT_EN}|{_ALWAYS_EN}|{_CARE_EN})"
    start = (
        r"(?:^|[,;:.\u2013\u2014-] ?|"
        r"\b(?:please|and|but|so|then|also|just|kindly|always|to|you|should|must) )"
    )
    wishes = rf"\b(?:{_WISH_EN})|{start}{_ORDER_EN} (?:\S+ ){{0,6}}?{_SCOPE_EN}"
    wishes += (
        rf"|(?:^|[,;:] ?)(?:(?:please|and|but|so|also|then|oh|just|btw),? ){{0,2}}{_LASTING_EN}"
    )
    return re.compile(rules), re.compile(wishes), re.compile(rf"\b(?:{_HINT_EN}|{_STAND_EN})")


@cache
def _foreign() -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    return tuple(
        (re.compile(rf"\b(?:{rules})\b"), re.compile(rf"\b(?:{_NOT_RULES[language]})"))
        for language, rules in _RULES.items()
    )


@cache
def _cjk() -> re.Pattern[str]:
    return re.compile(_RULES_CJK)


@lru_cache(maxsize=2048)  # asked for what changes what, and again for what is kept
def strength(sentence: str) -> Strength:
    """Say how much a sentence of a user demands, by its words alone."""
    return max(map(_strength, _SENTENCE.split(sentence[:_LONGEST])))


_CJK_MARK = re.compile("[\u3040-\u9fff\uac00-\ud7a3]")


def _strength(sentence: str) -> Strength:
    text = " ".join(sentence.lower().replace("\u2019", "'").split())
    if len(text) < 4 or _is_code(sentence):  # noqa: PLR2004 - "no", "ok"
        return Strength.NONE
    if not text.isascii() and _CJK_MARK.search(text):
        asks = text.endswith(("?", "\uff1f", "吗", "か。", "까"))
        return Strength.RULE if _cjk().search(text) and not asks else Strength.NONE
    words = _WORD.findall(text)
    found = _english_strength(text, words)
    if found < Strength.WISH and not _is_english(words) and "?" not in text[-2:]:
        for rules, stories in _foreign():
            if rules.search(text) and not stories.search(text):
                return Strength.RULE
        # In a language that is not known a sentence of a user is worth a hint, unless it is a word.
        return max(found, Strength.HINT) if len(words) > 3 else found  # noqa: PLR2004
    return found


def strengths(sentences: Sequence[str]) -> list[Strength]:
    """Say how much each sentence of one message demands, in its place among the others.

    What stands under a heading such as "Rules:" demands, whatever its words. A demand that names
    what it is about by "that" alone takes along what was said before it. And inside of a pasted
    document mere hints are no demands: they are about something else.
    """
    found = [strength(sentence) for sentence in sentences]
    for place in _listed(sentences):
        found[place] = max(found[place], Strength.WISH)
    if len(sentences) > _LONG_MESSAGE:
        for place in range(_OWN, len(found) - _OWN):
            if found[place] is Strength.HINT:
                found[place] = Strength.NONE
    for place, one in enumerate(tuple(found)):
        if one >= Strength.WISH and _is_about_the_last(sentences[place]):
            for before in range(max(0, place - 2), place):
                if not sentences[before].rstrip().endswith("?"):
                    found[before] = max(found[before], Strength.WISH)
    return found


def is_small_talk(sentence: str) -> bool:
    """Say whether a sentence of a user asks or tells nothing that lasts.

    A greeting, thanks, an aside that says of itself that it is one, a question that is no request:
    it was answered when it was asked.
    """
    text = " ".join(sentence[:_LONGEST].lower().replace("\u2019", "'").split())
    if strength(sentence) > Strength.HINT:
        return False
    if _COURTESY.fullmatch(text) or _ASIDE.match(text):
        return True
    return text.endswith("?") and bool(_ASKING.search(text)) and not _REQUEST.search(text)


def _listed(sentences: Sequence[str]) -> Iterator[int]:
    """Yield the places of what stands in a list under a heading that announces demands."""
    listing = False
    for place, sentence in enumerate(sentences):
        if sentence.rstrip().endswith(":") and _LIST_HEADER.search(sentence.lower()):
            listing = True
        elif listing and _ITEM.match(sentence):
            yield place
        else:
            listing = False


def _is_about_the_last(sentence: str) -> bool:
    words = _WORD.findall(sentence.lower().replace("\u2019", "'"))
    if not 0 < len(words) <= 10:  # noqa: PLR2004 - a longer one says what it is about
        return False
    pointing = {"that", "this", "it", "those", "these"}.intersection(words)
    return bool(pointing) and _ANAPHORA.issuperset(words)


def _is_code(sentence: str) -> bool:
    marks = sum(map(sentence.count, _CODE_MARKS))
    return bool(_CODE.match(sentence)) or marks * _PER_MARK > len(sentence)


def _is_english(words: Sequence[str]) -> bool:
    known = sum(word in _ENGLISH for word in words)
    return known * 4 >= len(words)


def _english_strength(text: str, words: Sequence[str]) -> Strength:
    rules, wishes, hints = _english()
    asks = text.rstrip(" )\"'").endswith("?")
    if _absolute(words):
        return Strength.WISH if asks else Strength.RULE
    if rules.search(text):
        return Strength.WISH if asks else Strength.RULE
    if asks:
        return Strength.NONE
    if wishes.search(text):
        return Strength.WISH
    own_errand = _ERRAND.search(text)
    if len(words) < 3 or own_errand:  # noqa: PLR2004 - "must be"
        return Strength.NONE
    polite = words[-1] in ("please", "thanks")
    note = polite or (len(words) <= _NOTE and not words[0].endswith("ing"))
    hinted = hints.search(text) or (note and not _VERBS.intersection(words))
    return Strength.HINT if hinted else Strength.NONE


_ABSOLUTE = _words("never always only don't dont do no")


def _absolute(words: Sequence[str]) -> bool:
    """Say whether one of never, always, only, no and do not is an order and no story."""
    if _ABSOLUTE.isdisjoint(words):
        return False
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        if word in ("never", "always"):
            told = after in _PAST or after.endswith("ed") or before in _HAVING
            if not told and after and before not in ("as", "not", "there's"):
                return True
        elif word == "only":
            told = (
                before in _ONLY_BEFORE
                or after in _ONLY_AFTER
                or (after.endswith("ed") and after not in ("allowed", "permitted", "supposed"))
                or (before in ("is", "are", "was") and after in ("a", "an"))
            )
            short = len(words) <= _SHORT and before not in ("one", "now")
            if not told and (after or short):
                return True
        elif word in ("don't", "dont") or (word == "do" and after == "not"):
            following = words[place + 2] if word == "do" and place + 2 < len(words) else after
            if (not before or before in _ORDERING) and following and following not in _STORY:
                return True
        elif word == "no" and not place and after and after not in _NO_TALK and len(words) > 2:  # noqa: PLR2004
            return True
    return False
