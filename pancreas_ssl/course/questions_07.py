"""Questions of notebook 07: intervals, controls, verdicts, and the worst source."""

from pancreas_ssl.course.question import Choice, Question

__all__ = ["QUESTIONS"]

QUESTIONS = [
    Question(
        "07-q1",
        "A target of *above 0* is met. What does that alone say about a method that does nothing?",
        (
            Choice(
                "it would meet the target in about half of all studies",
                "Its difference is as likely above zero as below. So met is read together with shown.",
                right=True,
            ),
            Choice("it can't meet the target", "Chance alone puts its difference above zero about every other time."),
            Choice(
                "it would meet it in one study of twenty",
                "That is how often its p-value would be below 0.05, on either side of zero. *Met* asks for the sign.",
            ),
        ),
    ),
    Question(
        "07-q2",
        "Guided boxes gain more over plain training than random boxes do. What is the guidance's own share?",
        (
            Choice("the whole gain over plain training", "Random boxes have a part of it without any guidance."),
            Choice(
                "what the guided arm has beyond its control",
                "The control keeps everything but the guidance; only the rest is the guidance's.",
                right=True,
            ),
            Choice("the control's gain", "That is the share of the machinery, which both have."),
        ),
    ),
    Question(
        "07-q3",
        "A p-value stays just above the limit. Two seeds are added until it falls below. What is wrong with that?",
        (
            Choice("nothing, more seeds are better", "They are, if their number is fixed before anyone looks."),
            Choice("seeds must be even in number", "Nothing depends on that."),
            Choice(
                "who stops when it suits will get below the limit by chance, sooner or later",
                "Registering a new study with more seeds is the fair way.",
                right=True,
            ),
        ),
    ),
    Question(
        "07-q4",
        "A hospital of an unknown kind wants a method. Which number of the study should it ask for?",
        (
            Choice("the mean over the sources", "A mean can rise while the source that resembles theirs falls."),
            Choice("the best source", "That is the hospital one hopes to be."),
            Choice(
                "the worst source, asked for before the study runs",
                "It bounds what to expect among these sources; chosen by the data, it is noisier than the mean.",
                right=True,
            ),
        ),
    ),
    Question(
        "07-q5",
        "A recipe was chosen because it did best on two scans. What does its Dice there say about the next patient?",
        (
            Choice("as much as on any two scans", "It was chosen *because* these went well; others need not."),
            Choice(
                "little: the choice used them up, and it is flattered there",
                "The best of many tries is partly luck on these two. Only scans that chose nothing can measure it.",
                right=True,
            ),
            Choice(
                "nothing went wrong, since no network was trained on them",
                "Choosing is learning, too: what is kept and what is dropped came from these two scans.",
            ),
        ),
    ),
]
