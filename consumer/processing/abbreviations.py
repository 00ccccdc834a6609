"""Words before a full stop that ends no sentence, as they are spelt within one; at its beginning they have capitals.

Case counts: `Sen.` is a title, `sen` a word. A word that often ends a sentence is in no list. In doubt it is in one:
a sentence too many is cut to length, but one that ends too soon says nothing.
"""

from typing import Final

EVERYWHERE: Final = frozenset(
    """
    Mr Mrs Ms Mx Dr Prof Rev Hon Fr Sr Jr St Mt Ft No Nos vs Gov Sen Rep Pres Amb Atty Supt Det Insp Gen Col Maj Capt
    Cmdr Adm Lt Sgt Cpl Pvt approx
    Hr Frl Hl Nr Str Dipl Ing Mio Mrd Tsd bzw ca evtl ggf inkl vgl zzgl sog geb gest
    Mme Mmes Mlle Mlles MM Mgr Pr Ste
    Sra Srta Sres Dra Dña Gral Cnel Avda Lic Arq Mons EE UU Ud Uds Exmo Exma Eng Sig Dott Avv
    Dhr dhr Mevr mevr Drs Ir nr kl Doç Sn
    ul św ks gen płk mjr kpt inż mgr dr prof im
    ул им пр просп тов акад проф св ген тыс млн млрд κα Δρ
    """.split()  # noqa: SIM905 - easier to read
)

_BY_LANGUAGE: Final = {
    "en": "Ald Asst Brig Capts Cdr Cllr Cols Comdr Dep Dept Ens Fig Figs Gens Govs Lieut Lts Mdm Messrs Msgr Pfc Profs"
    " Pte Reps Revs Sens Sgts Spc Univ Vol Vols cf pp viz",
    "de": "Abb Abs Abt Art Bd Bsp Chr Co Fa Fam Hrsg Kap Nrn Pfr Präs Tel Ziff allg bes bspw betr bezgl einschl gem gez"
    " kath lt max med min mind röm stellv str urspr verh wg zit zw",
    "fr": "Av Bd Dr Drs Mes Prs Vve av bd boul chap env fig hab pp tél vol éd",
    "es": "Av Avd Dip Excma Excmo Gob Hnos Ilma Ilmo Mtra Mtro Pdta Pdte Profa Pza Sta Sto art cap fig núm pág vol",
    "pt": "Al Av Cap Cel Dep Des Pça Pe Profa Sras Srs Ten art fig núm pág tel vol",
    "ca": "Av Mn Pg Sta art núm pàg",
    "it": "Arch Geom On Rag Sigg arch art artt avv cap dott fig geom ing on pag pagg sen tel vol",
    "nl": "Ds Mej Mw art bijv blz drs ds excl incl ing ir jhr mld mln mr mw nrs resp tel zgn",
    "sv": "fr frk hr jfr mdr milj mkr resp tel",
    "da": "fr frk hr jf mia mio pga stk tlf",
    "nb": "frk hr jf mill mrd pga tlf",
    "fi": "esim klo milj mm mrd nro ns puh toht",
    "et": "dots hr lk mld mln nt pr vt",
    "lv": "piem plkst tūkst",
    "lt": "doc pvz tūkst žr",
    "is": "frk hr nr sr",
    "pl": "al art dn doc godz hab lek mec mld mln nadkom np nt os pl por pp prok red rtm str tel tj tys tzw ur wg woj",
    "cs": "Bc doc kap mil mld např nám plk por str sv tel tis tj tzn tzv tř",
    "sk": "Bc doc kap mil mld napr nám plk por sv tel tis tj tzn tzv",
    "sl": "doc inž mag npr oz tel tj tzv",
    "hr": "doc gđa ing mil mr npr tel tj tzv",
    "sr": "doc mil mr npr tj tzv др мил мр нпр инж тзв",
    "hu": "Bp Id Ifj Sz id ifj ill kb pl st ún vö özv",
    "ro": "Acad Bd Cpt Dl Dna Dra Lt Sf acad alin art cca dl dna dra ing lit nr pag sf str tel",
    "tr": "Alb Av Bkz Cad Mah Op Org Sok Tel Uz Yrd Yzb bkz",
    "vi": "BS GS KS LS NSND NSƯT PGS TP TS TX ThS Tp Tx",
    "id": "Bpk Brigjen CV Dra Hj Hjh Jl Jln KH Kapt Kol Letjen Letkol Mayjen Nn Ny PT Sdr Tn UD Yth drg hlm",
    "ru": "англ бул гг дер доц кап кв корп лат лейт наб напр обл ок оз пгт пер пл полк пос респ рис серж ср ст стр табл"
    " тел трлн тт",
    "uk": "бул вул див доц ім кв напр обл пл полк пров рис тел тис трлн",
    "bg": "ал арх бул вж гр доц инж кв напр обл пл полк стр хил чл",
    "el": "Αγ Αρ Καθ Λεωφ Πλ αρ βλ δηλ εκ καθ κκ λεωφ περ πρβλ σελ τηλ χιλ",
    "hi": "इंजी कु डा डॉ पं प्रो मो रु श्री सौ स्व",
    "bn": "অধ্যা ড ডা প্রো মো",
    "gu": "ડો ડૉ પ્રો શ્રી",
    "pa": "ਡਾ ਪ੍ਰੋ ਸ੍ਰੀ",
    "ta": "டாக்டர் திரு திருமதி பேரா",
    "te": "డా డాక్టర్ ప్రొ శ్రీ",
    "kn": "ಡಾ ಪ್ರೊ ಶ್ರೀ",
    "ml": "ഡോ പ്രൊഫ ശ്രീ",
}
_SAME: Final = {"nn": "nb", "no": "nb", "bs": "hr", "ms": "id", "mr": "hi", "ne": "hi", "mk": "bg", "be": "uk"}

OF: Final = {
    **{language: EVERYWHERE.union(words.split()) for language, words in _BY_LANGUAGE.items()},
    **{language: EVERYWHERE.union(_BY_LANGUAGE[other].split()) for language, other in _SAME.items()},
}
"""By language code; a language that is missing has those used everywhere."""

OFTEN_LAST: Final = {"en": frozenset({"Ave", "Blvd", "Bros", "Co", "Corp", "Inc", "Ltd", "Rd"})}
"""Abbreviations that end a sentence as often as not: they do where one of `FIRST_WORDS` follows."""

FIRST_WORDS: Final = frozenset(
    """
    A After All Also An And Another As At Because Before Both But By Earlier Even Every For From He Her Here His How
    However I If In It Its Last Many Meanwhile More Most My Nearly Neither No Nobody Not Now Of On Once One Only Other
    Others Our Police She Shares Since So Some Still That The Their Then There These They This Those Three Though To
    Today Two Under Until We What When Where Which While Who Why With Without You Your
    """.split()  # noqa: SIM905 - likewise
)
"""Words that many English sentences begin with, and few names."""

DOTTED: Final = frozenset(
    "e.g i.e d.h u.a o.ä z.b u.u v.a s.o t.ex f.eks bl.a d.v.s m.a t.d p.ej p.ex o.a b.v d.w.z т.е т.н т.к π.χ".split()  # noqa: SIM905 - likewise
)
"""Abbreviations with full stops inside, in lower case and without the last one, that never end a sentence."""
