"""Labels by annotators that are no persons: language models, programs, functions. They are guesses, and never truth.

`askwise check` says how good such labels are, and which may stay.
"""

from askwise.annotators.endpoint import LanguageModel, Money, Spent
from askwise.annotators.kept import Replies, Reply
from askwise.annotators.others import Function, Program
from askwise.annotators.run import annotate
from askwise.annotators.said import Annotation, annotation_of, label_in

__all__ = [
    "Annotation",
    "Function",
    "LanguageModel",
    "Money",
    "Program",
    "Replies",
    "Reply",
    "Spent",
    "annotate",
    "annotation_of",
    "label_in",
]
