"""The votes of FER+ (Barsoum et al., ICMI 2016): ten people's opinions on each picture of FER2013."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from emomask.errors import DataError
from emomask.faces import EMOTIONS
from emomask.training.fer2013 import Fer2013

COLUMNS = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
NAMES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")  # of ``EMOTIONS``, in its order
TINY = 1e-6


def with_votes(data: Fer2013, path) -> Fer2013:
    """``data`` with the shares of the votes in ``fer2013new.csv``, a row for each of its rows, in their order.

    Raises DataError when the file is missing, is not that table, or has another number of rows.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("No such file: %s. FER+ is distributed as fer2013new.csv by its authors." % path)
    try:
        with open(path, newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError("%s is not FER+: it has no column %s." % (path, missing[0]))
            votes = np.array([[float(row[name]) for name in COLUMNS] for row in reader], np.float32)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError) as error:
        raise DataError("%s cannot be read as FER+: %s" % (path, error)) from error
    if len(votes) != len(data):
        raise DataError("%s has %d rows, not one for each of the %d of FER2013." % (path, len(votes), len(data)))
    return replace(data, votes=votes / np.maximum(votes.sum(axis=1, keepdims=True), 1))


def emotion_shares(data: Fer2013) -> np.ndarray:
    """Float32 ``(N, 7)``: how the votes for one of ``EMOTIONS`` are shared out; zeros where there is no such vote."""
    votes = data.votes[:, [COLUMNS.index(name) for name in NAMES]]
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), TINY)


def label_probabilities(data: Fer2013) -> np.ndarray:
    """Float32 ``(N, 7)``: how probable each of FER2013's labels is, given the votes on the picture.

    A multinomial logistic regression from the shares of the votes to the labels, fitted on ``data`` itself. FER2013's
    labels are one opinion each and disagree with most of the ten in a third of the cases.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=10, max_iter=1000).fit(data.votes, data.labels)
    probabilities = np.zeros((len(data), len(EMOTIONS)), np.float32)
    probabilities[:, model.classes_] = model.predict_proba(data.votes)
    return probabilities
