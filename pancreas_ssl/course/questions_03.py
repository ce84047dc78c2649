"""Questions with choices of notebook 03."""

from pancreas_ssl.course.question import Choice, Question

__all__ = ["QUESTIONS"]

QUESTIONS = [
    Question(
        "03-q1",
        "All answers of an ensemble say 0.5 for a voxel. What are its entropy and its mutual information?",
        (
            Choice("both are 1 bit", "The mutual information takes away what all answers agree on, and they agree."),
            Choice("entropy 1 bit, mutual information 0", "They agree that they do not know.", right=True),
            Choice("both are 0", "0.5 is a coin: its entropy is 1 bit."),
        ),
    ),
    Question(
        "03-q2",
        "Over the whole scan a map finds errors with an AUROC of .97, in the band of 15 mm with .60, and the edge "
        "distance with .62 there. What does the map tell you?",
        (
            Choice(
                "hardly more than the predicted border", "In the band it does not beat the edge distance.", right=True
            ),
            Choice(
                "it is excellent: .97",
                "Over a whole scan, being dark in distant fat and bone is enough; any map looks good.",
            ),
            Choice("it is worse than guessing", "Guessing would be .50."),
        ),
    ),
    Question(
        "03-q3",
        "Which map can be made for a new patient without a label?",
        (
            Choice("the structural map", "It is computed from the label's surface."),
            Choice("the training map", "It contains the structural map."),
            Choice("the entropy of test-time augmentation", "It needs the image and the network only.", right=True),
        ),
    ),
    Question(
        "03-q4",
        "A network is well calibrated at home. In another hospital it says 0.9 for many voxels. What follows?",
        (
            Choice("nine in ten of them are pancreas", "That held at home; a domain shift can change it."),
            Choice(
                "nothing certain: calibration has to be checked there",
                "Reliability curves of other sources may leave the diagonal.",
                right=True,
            ),
            Choice("the network has seen such scans", "Networks can be sure of what they have never seen."),
        ),
    ),
]
