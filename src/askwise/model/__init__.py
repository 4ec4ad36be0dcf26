"""A session's model as an object that outlives it: predicts, explains, is saved without pickle."""

from askwise.model.card import Card
from askwise.model.files import read_card
from askwise.model.fitted import Model, load
from askwise.model.said import Said, beside, card_now, of, save, through

__all__ = ["Card", "Model", "Said", "beside", "card_now", "load", "of", "read_card", "save", "through"]
