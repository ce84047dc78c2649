"""Questions of notebook 05: a restoration, its controls, and what a plausible picture hides."""

from pancreas_ssl.course.question import Choice, Question

__all__ = ["QUESTIONS"]

QUESTIONS = [
    Question(
        "05-q1",
        "A restoration loss is averaged over all voxels of a patch instead of over the corrupted ones. What happens?",
        (
            Choice(
                "the network is rewarded for copying its input",
                "Most voxels are intact, and a copy is perfect there: the reward for it outweighs the boxes.",
                right=True,
            ),
            Choice(
                "nothing, a factor cancels out", "A mean over other voxels is another aim, not the same one scaled."
            ),
            Choice("the network learns faster, from more voxels", "The added voxels need no context at all."),
        ),
    ),
    Question(
        "05-q2",
        "Guided corruption gives a better network than none. What does that say about the guidance?",
        (
            Choice(
                "that it helps",
                "Corruption anywhere may help as much: it is an augmentation. The guidance has not been tested.",
            ),
            Choice(
                "nothing before it is compared with random boxes of equal volume",
                "Only what it has beyond that control may be credited to the places.",
                right=True,
            ),
            Choice(
                "nothing, unless the network also beats one that sees boxes everywhere",
                "That control has far more corrupted voxels, so two things differ at once.",
            ),
        ),
    ),
    Question(
        "05-q3",
        "In-painting leaves nothing of a box, and its border could lie in several places. What does a loss like |d| "
        "ask the network for?",
        (
            Choice("one of the possible borders, drawn sharply", "A sharp border in the wrong place costs twice."),
            Choice("the most detailed picture", "Detail that is not known costs more than it gains."),
            Choice(
                "in each voxel the middle of what is possible",
                "So the likelier tissue wins, thin parts vanish and corners are rounded.",
                right=True,
            ),
        ),
    ),
    Question(
        "05-q4",
        "A restored scan looks plausible to a radiologist. Is it safe to show?",
        (
            Choice(
                "no, plausible is what the network was trained to be",
                "It draws what is likely there. What is rare, such as a tumour, is what such a picture leaves out.",
                right=True,
            ),
            Choice("yes, if the mean error is small", "A mean hides the one place where an organ was invented."),
            Choice(
                "yes, if it beats every rival", "The rivals invent nothing; beating them on average rules nothing out."
            ),
        ),
    ),
]
