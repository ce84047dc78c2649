"""Questions with choices of notebook 04."""

from pancreas_ssl.course.question import Choice, Question

__all__ = ["QUESTIONS"]

QUESTIONS = [
    Question(
        "04-q1",
        "In the loss of this notebook, who is pulled together?",
        (
            Choice(
                "pancreas with pancreas, fat with fat, bowel with bowel", "The background is never pulled together."
            ),
            Choice("pancreatic voxels with the pancreas prototype", "Core and rim_in are the anchors.", right=True),
            Choice("everything that lies close together in the scan", "Place does not enter the loss; regions do."),
        ),
    ),
    Question(
        "04-q2",
        "The cohesion of a space is .99. Is it a good space?",
        (
            Choice(
                "yes, the pancreas forms one tight cloud", "So may everything else: a collapsed space has that, too."
            ),
            Choice("one cannot tell without the separation", "All voxels may point the same way.", right=True),
            Choice("no, it is too tight", "A tight cloud is fine if the rest lies elsewhere."),
        ),
    ),
    Question(
        "04-q3",
        "The temperature is lowered from 1.0 to 0.05. What changes?",
        (
            Choice("training gets slower", "The temperature is no learning rate; it shares out the push."),
            Choice(
                "the nearest negatives get nearly the whole push", "Small temperatures sharpen the softmax.", right=True
            ),
            Choice("all negatives are pushed alike", "That is what a large temperature does."),
        ),
    ),
    Question(
        "04-q4",
        "Why is the loss also run with voxels from random places?",
        (
            Choice("to make the training more robust", "It is a control, not a remedy."),
            Choice(
                "to see whether the guidance helps, or any additional loss would",
                "Form, size and cost are the same; only the choice of voxels differs.",
                right=True,
            ),
            Choice("to measure the speed of the sampling", "Nothing is timed there."),
        ),
    ),
]
