"""The words a sentence splitter must know: what ends in a full stop, what begins a sentence, who "said" it."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _prefixes(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word[:n] for word in words for n in range(1, len(word) + 1))


# A capital after these is a name, a number or the rest of the phrase, never a new sentence.
NEVER = _words(
    "mr mrs ms mx messrs mme mlle dr drs prof e.g i.e eg ie cf vs v viz approx a.k.a c.f incl esp p.s ps p.p.s n.b"
)
# After these a new sentence begins only with a word that usually begins one.
MAYBE = _words(
    "st mt ft hon rev fr capt cpt col gen lt sgt cpl pvt brig cmdr maj adm gov sen rep pres supt jarl jr sr esq al"
    " inc corp ltd llc plc co bros dept univ assn ave blvd rd hwy est jan feb apr jun jul aug sep sept oct nov dec"
    " mon tue tues thu thur thurs fri ph.d hr hrs min mins lb lbs oz yr yrs wm geo chas etc"
)
# These are short for something only before a figure.
BEFORE_FIGURE = _words("no nos n° nº p pp pg pt art fig figs sec ch chap vol vols eq op ver v lv lvl ext tel")
SHORT = NEVER | MAYBE | BEFORE_FIGURE
STARTERS = _words(
    "a about after again all also although an and another any anyone are as ask at be because before both bring"
    " but by can come could did do does don't don’t during each even every everyone everything few find follow"
    " for from get give go great had has have he her here his how however i if in is it its just keep later leave"
    " let listen look make many maybe meanwhile meet most my never nobody not nothing now of on once only others"
    " our over perhaps please remember see she should since so some someone something sometimes sorry speak stand"
    " stay still stop take tell thank thanks that the their then there these they this those though through to"
    " today tomorrow tonight try under unless until use very wait was watch we welcome were what when where which"
    " while who whose why with would yes yesterday yet you your"
)
AFTER_TIME = _words(
    "monday tuesday wednesday thursday friday saturday sunday est edt cst cdt mst mdt pst pdt gmt utc eastern"
    " central pacific"
)
AFTER_TIME_PREFIXES = _prefixes(AFTER_TIME)
DETERMINERS = _words("the my our your his her their a this that new old young good")
# An ellipsis after these is a hesitation, whatever comes next.
UNFINISHED = _words(
    "i he she we they the a an my your his our their to of for with from at by into and but or nor if because is"
    " was are were am be than i'm it's"
)
SPEECH = _words(
    "said says asked asks replied replies answered answers shouted shouts yelled yells cried cries whispered"
    " whispers muttered mutters growled growls called calls roared roars barked barks hissed hisses snapped snaps"
    " sighed sighs laughed laughs added adds continued murmured murmurs bellowed exclaimed grunted grunts declared"
    " demanded demands spat began warned warns agreed screamed"
)
SPEECH_PREFIXES = _prefixes(SPEECH)
EXCLAIMING = _words("yahoo jeopardy yum oh ah o ho ha alas lo hark")  # the sentence goes on in lower case
