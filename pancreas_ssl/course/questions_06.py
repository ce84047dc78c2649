"""Questions of notebook 06: a joint loss, several processes, memory and the moving average."""

from pancreas_ssl.course.question import Choice, Question

__all__ = ["QUESTIONS"]

QUESTIONS = [
    Question(
        "06-q1",
        "The sum of the loss terms rises while a module sets in. What has happened to the network?",
        (
            Choice("it forgets how to segment", "Look at the segmentation's own term: the sum does not tell."),
            Choice(
                "nothing that the sum could tell: more is asked of it",
                "A term with a rising weight was added. Compare a term with itself.",
                right=True,
            ),
            Choice("the learning rate is too high", "That would show in a term whose weight stays the same."),
        ),
    ),
    Question(
        "06-q2",
        "A training predicts with the moving average (EMA) of its weights, not with the last ones. Why?",
        (
            Choice("the average is smaller in memory", "It is a second copy of the weights, so it takes more."),
            Choice("the last weights belong to another process", "All processes hold the same weights."),
            Choice(
                "single steps are noisy, and an average of many is steadier",
                "Each step follows the gradient of a few patches; the average hardly notices a single one.",
                right=True,
            ),
        ),
    ),
    Question(
        "06-q3",
        "A training is stopped and resumed; its curve looks like that of an undisturbed one. Is it the same training?",
        (
            Choice("yes, the curve shows it", "A missing state of the optimiser can be invisible on a curve."),
            Choice(
                "that is known when weights and losses are compared number by number",
                "On a processor the difference must be 0; on a GPU, of the size of rounding.",
                right=True,
            ),
            Choice("no, chance differs after each start", "Here every draw has a key, so no generator has a memory."),
        ),
    ),
]
