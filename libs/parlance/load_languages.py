"""What synthetic talkers ask in other languages, and at length. Parlance itself understands English: what is asked in
another language becomes an open question, unless a stranger's intent provider knows better."""

from parlance.load_questions import Pick

# By language and intent; an intent without ways of its own is asked as an open question.
LANGUAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "de": {
        "chat": (
            "warum ist der Himmel blau",
            "erzähl mir etwas über Leuchttürme",
            "wie koche ich Reis für vier Personen",
            "was sollte ich in Madrid sehen, wenn ich drei Tage habe",
            "wie erklärt man einem Kind ein Teleskop",
        ),
        "time.now": ("wie spät ist es", "wie spät ist es in Tokio"),
        "date.today": ("welcher Tag ist heute",),
        "timer.set": ("stell einen Wecker auf zehn Minuten", "stell einen Timer auf fünf Minuten"),
        "list.add": ("setz Milch auf die Einkaufsliste", "schreib Äpfel auf meine Liste"),
        "list.show": ("was steht auf meiner Einkaufsliste",),
        "calc.evaluate": ("wie viel ist zwölf mal sieben",),
        "greeting": ("guten Morgen", "hallo"),
        "stop": ("hör auf",),
    },
    "es": {
        "chat": (
            "por qué el cielo es azul",
            "cuéntame algo sobre los faros",
            "cómo se hace arroz para cuatro personas",
            "qué debería ver en Oslo en tres días",
        ),
        "time.now": ("qué hora es", "qué hora es en Lima"),
        "date.today": ("qué día es hoy",),
        "timer.set": ("pon un temporizador de diez minutos",),
        "list.add": ("añade leche a la lista de la compra",),
        "list.show": ("qué hay en mi lista de la compra",),
        "calc.evaluate": ("cuánto es doce por siete",),
        "greeting": ("buenos días", "hola"),
        "stop": ("para",),
    },
    "fr": {
        "chat": (
            "pourquoi le ciel est-il bleu",
            "raconte-moi quelque chose sur les phares",
            "comment cuire du riz pour quatre personnes",
            "que faut-il voir à Delhi en trois jours",
        ),
        "time.now": ("quelle heure est-il", "quelle heure est-il à Paris"),
        "date.today": ("quel jour sommes-nous",),
        "timer.set": ("mets un minuteur de dix minutes",),
        "list.add": ("ajoute du lait à la liste de courses",),
        "list.show": ("qu'y a-t-il sur ma liste de courses",),
        "calc.evaluate": ("combien font douze fois sept",),
        "greeting": ("bonjour", "salut"),
        "stop": ("arrête",),
    },
}

_BEFORE = (
    "my neighbour came over yesterday and we talked about it until late in the evening without an answer",
    "I read an article on the train this morning that left me with more questions than I had before",
    "my daughter has to give a talk at school on Thursday and does not know where she should begin",
    "we have guests at the weekend and I promised them that I would find out before they arrive",
    "I have tried twice already and both times it went wrong, although I did what I was told",
    "somebody at work said the opposite, and now I am no longer sure which of us is right",
)
_SENTENCES = (2, 3, 4)


def question_in(language: str, intent: str, pick: Pick) -> str:
    """One way to ask for it there."""
    ways = LANGUAGES[language]
    return pick(ways.get(intent, ways["chat"]))


def at_length(text: str, pick: Pick) -> str:
    """The question after some sentences that nobody needs, as people talk: 40 to 80 words."""
    count = int(pick(tuple(map(str, _SENTENCES))))
    return f"{'; '.join(pick(_BEFORE) for _ in range(count))}; so {text}"
