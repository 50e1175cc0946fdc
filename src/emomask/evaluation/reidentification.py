"""Whether masked pictures still tell who is on them, and which emotion they showed."""

from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np
from tqdm import tqdm

from emomask.errors import DataError
from emomask.evaluation.finders import Deface
from emomask.evaluation.labelled_pictures import Portrait, portraits
from emomask.evaluation.recogniser import SIDE, Recogniser
from emomask.faces import EMOTIONS, Face
from emomask.masker import Masker
from emomask.masks.cover import Cover
from emomask.perception.perceiver import Perceiver
from emomask.settings import STYLES, Settings

ORIGINAL = "original"
DEFACE = "deface"
ATTACKERS = ("known_pictures", "masked_pictures", "trained_on_descriptions", "trained_on_pixels")
FEWEST = 2  # pictures of a person
ATTACK_THRESHOLD = 0.05  # the attacker finds faces in the original pictures, thoroughly
PRIOR = 0.01  # inverse strength of the regularisation: there are few pictures of each person
PIXEL_SIDE = 24  # of the small picture that the attacker who is trained on pixels sees
SHUFFLES = 20


@dataclass
class Reidentification:
    """By what was done to the pictures and by attacker: rank-1 rate and AUC; and what they are to be compared with.

    ``emotion_alone``: those of an attacker who learns from nothing but the labelled emotion of each picture. Whatever
    tells emotions rightly tells that much of who it is. ``emoji_alone``: the same with the emotion that is shown: what
    attackers of the emojis reach beyond it, they owe to something else.
    ``shuffled``: ``(SHUFFLES, 2)``, those of the most successful attacker on the settings' style when its pictures are
    exchanged, see ``Identities.shuffled``: what is to be expected of these attackers if nothing but the emotion tells
    people apart.
    """

    rates: Dict[str, Dict[str, Tuple[float, float]]]
    shuffled: np.ndarray
    emotion_alone: Tuple[float, float]
    emoji_alone: Tuple[float, float]
    people: int
    pictures: int
    agreement: float

    @property
    def chance(self) -> float:
        """The rank-1 rate of guessing."""
        return 1 / self.people


class Crops(NamedTuple):
    """What an attacker cuts out of each portrait, uint8 ``(112, W, 3)`` BGR.

    ``aligned``: as recognisers want faces, by the landmarks of the original picture, which no attacker has: the worst
    case. ``seen``: the box around what was replaced, which the masked picture shows by itself; the same as ``aligned``
    where nothing was replaced.
    """

    aligned: List[np.ndarray]
    seen: List[np.ndarray]


class Evidence(NamedTuple):
    """What an attacker knows of each portrait, in rows.

    ``originals``, ``aligned``, ``seen``: the recogniser's descriptions of the original aligned crop and of the masked
    ``Crops``; ``pixels``: small pictures of what is seen, 0..1.
    """

    originals: np.ndarray
    aligned: np.ndarray
    seen: np.ndarray
    pixels: np.ndarray

    def exchanged(self, order: np.ndarray) -> "Evidence":
        """The masked picture of portrait ``order[i]`` in the place of that of portrait ``i``."""
        return Evidence(self.originals, *(rows[order] for rows in self[1:]))


class Identities:
    """The face of each portrait, before and after masking; of several the one nearest to the middle.

    Where it is in the original is found thoroughly, and independent of the masking.

    Attributes
    ----------
    people: ``(N,)`` the person's number, for each portrait whose face the attacker finds.
    emotions: the emotion of each by the table.
    lost: portraits in which the attacker finds no face.
    """

    def __init__(self, portraits: Iterable[Portrait], recogniser: Recogniser, settings: Settings):
        finder = Perceiver(settings.replace(thorough=True, detection_threshold=ATTACK_THRESHOLD))
        self._recogniser = recogniser
        self._pictures, self._maps, self._places = [], [], []
        names, self.emotions, self.lost = [], [], 0
        for portrait in portraits:
            face = _central(finder.picture(portrait.image), portrait.image)
            if face is None:
                self.lost += 1
                continue
            self._pictures.append(portrait.image)
            self._maps.append(recogniser.alignment(face.landmarks))
            self._places.append(face.landmarks.mean(axis=0))
            names.append(portrait.person)
            self.emotions.append(portrait.emotion)
        known = sorted(set(names))
        self.people = np.array([known.index(name) for name in names], int)
        counts = np.bincount(self.people) if names else np.array([0])
        if len(known) < 2 or counts.min() < FEWEST:
            raise DataError("Re-identification needs two people and more, with %d pictures of each and more." % FEWEST)

    def crops(self, mask: Optional[Callable[[np.ndarray], np.ndarray]] = None) -> Crops:
        """The crops of every portrait, masked by ``mask`` if it is given."""
        size = (self._recogniser.width, SIDE)
        crops = Crops([], [])
        for picture, matrix, place in zip(self._pictures, self._maps, self._places):
            masked = picture if mask is None else mask(picture)
            aligned = cv2.warpAffine(masked, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            box = _replaced_around(place, (masked != picture).any(axis=2))
            crops.aligned.append(aligned)
            crops.seen.append(aligned if box is None else cv2.resize(masked[box], size, interpolation=cv2.INTER_AREA))
        return crops

    def evidence(self, originals: Crops, masked: Crops) -> Evidence:
        """What the ``masked`` crops and those of the ``originals`` tell an attacker."""
        described = (self._recogniser.descriptions(crops) for crops in (originals.aligned, *masked))
        side = (PIXEL_SIDE, PIXEL_SIDE)
        small = [cv2.resize(crop, side, interpolation=cv2.INTER_AREA).ravel() / 255 for crop in masked.seen]
        return Evidence(*described, np.stack(small))

    def attack(self, evidence: Evidence) -> Dict[str, Tuple[float, float]]:
        """Rank-1 rate and verification AUC of each of ``ATTACKERS``; both are 0..1.

        Every portrait is attacked once. ``known_pictures``: its aligned crop is compared with those of the originals of
        the other portraits. ``masked_pictures``: what is seen of it with what is seen of the other masked ones.
        ``trained_on_...``: a multinomial logistic regression learns from what is seen of the other masked pictures, of
        which the portraits are divided so that each part has one picture of each person; it is told the recogniser's
        descriptions, or small pictures. AUC: over all pairs, whether those of the same person look more
        alike.
        """
        tables = self._learnt(evidence.seen), self._learnt(evidence.pixels)
        pairs = evidence.aligned @ evidence.originals.T, evidence.seen @ evidence.seen.T
        results = [(self._by_person(similarity), self._auc(similarity)) for similarity in pairs]
        results += [(table, self._auc_by_person(table)) for table in tables]
        return {name: (self._rank1(table), auc) for name, (table, auc) in zip(ATTACKERS, results)}

    def shuffled(self, evidence: Evidence, shown: Sequence[Optional[str]], count: int = SHUFFLES) -> np.ndarray:
        """Rank-1 rate and AUC, ``(count, 2)``, of the most successful attacker each, when nothing but emotions tell.

        The masked pictures of portraits of which ``shown`` is the same emotion are exchanged among them at random
        (always alike), so that each person keeps their emotions, and nothing else: a permutation test (Fisher, 1935).
        """
        random = np.random.default_rng(0)
        best = []
        for _ in range(count):
            order = np.arange(len(shown))
            for emotion in dict.fromkeys(shown):
                same = [index for index, one in enumerate(shown) if one == emotion]
                order[same] = random.permutation(same)
            best.append(np.max(list(self.attack(evidence.exchanged(order)).values()), axis=0))
        return np.array(best)

    def emotion_alone(self, emotions: Sequence[Optional[str]]) -> Tuple[float, float]:
        """Rank-1 rate and AUC of an attacker like those who are trained, told one of ``emotions`` for each picture (or
        that there is none) and no more."""
        values = (*EMOTIONS, None)
        table = self._learnt(np.eye(len(values))[[values.index(emotion) for emotion in emotions]])
        return self._rank1(table), self._auc_by_person(table)

    def _rank1(self, table: np.ndarray) -> float:
        return float((table.argmax(axis=1) == self.people).mean())

    def shown(self, masker: Masker) -> List[Optional[str]]:
        """The emotion of the emoji that covers the face of each portrait; None where it stays uncovered."""
        return [self._shown(masker, index) for index in range(len(self.emotions))]

    def agreement(self, shown: Sequence[Optional[str]]) -> float:
        """The share of the portraits of which ``shown`` is the emotion that the table tells."""
        return float(np.mean([one == emotion for one, emotion in zip(shown, self.emotions)]))

    def _shown(self, masker: Masker, index: int) -> Optional[str]:
        x, y = self._places[index]
        faces = [
            face
            for face in masker.process(self._pictures[index]).faces
            if face.box.left <= x < face.box.right and face.box.top <= y < face.box.bottom
        ]
        return min(faces, key=lambda face: face.box.area).emotion if faces else None

    def _by_person(self, similarity: np.ndarray) -> np.ndarray:
        """``(N, P)``: of each portrait the similarity of each person's most similar picture, its own left out."""
        similarity = similarity.copy()
        np.fill_diagonal(similarity, -np.inf)
        return np.stack([similarity[:, self.people == one].max(axis=1) for one in range(self.people.max() + 1)], axis=1)

    def _learnt(self, features: np.ndarray) -> np.ndarray:
        """``(N, P)``: log-probabilities of each person from what is learnt of the other parts."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        turn = np.array([int((self.people[:index] == one).sum()) for index, one in enumerate(self.people)])
        table = np.empty((len(features), self.people.max() + 1))
        for part in range(turn.max() + 1):
            attacked = turn == part
            model = make_pipeline(StandardScaler(), LogisticRegression(C=PRIOR, max_iter=1000))
            model.fit(features[~attacked], self.people[~attacked])
            table[attacked] = np.log(model.predict_proba(features[attacked]) + np.finfo(float).tiny)
        return table

    def _auc(self, similarity: np.ndarray) -> float:
        same = self.people[:, None] == self.people[None, :]
        others = ~np.eye(len(self.people), dtype=bool)
        return _auc(same[others], similarity[others])

    def _auc_by_person(self, table: np.ndarray) -> float:
        same = self.people[:, None] == np.arange(table.shape[1])[None, :]
        return _auc(same.ravel(), table.ravel())


def reidentify(pictures, recogniser, settings: Settings, deface: bool) -> Reidentification:
    """Attack the portraits ``pictures`` (see ``portraits``) with the ``Recogniser`` in the file ``recogniser``.

    ``deface``: also as that tool masks them. Raises DataError and ModelError as these do.
    """
    known = Identities(portraits(pictures), Recogniser(recogniser, settings), settings)
    originals = known.crops()
    evidence = {ORIGINAL: known.evidence(originals, originals)}
    for name, mask in tqdm(maskers(settings, deface).items(), desc="recognition", leave=False, disable=None):
        evidence[name] = known.evidence(originals, known.crops(mask))
    shown = known.shown(Masker(settings))
    return Reidentification(
        {name: known.attack(one) for name, one in evidence.items()},
        known.shuffled(evidence[settings.style], shown),
        emotion_alone=known.emotion_alone(known.emotions),
        emoji_alone=known.emotion_alone(shown),
        people=int(known.people.max()) + 1,
        pictures=len(known.people),
        agreement=known.agreement(shown),
    )


def maskers(settings: Settings, deface: bool) -> Dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By name what can be done to a picture: each of ``STYLES``, and the peer deface at its defaults."""
    perceiver = Perceiver(settings)
    made: Dict[str, Callable[[np.ndarray], np.ndarray]] = {}
    for style in STYLES:
        masker = Masker(settings, perceiver, Cover(settings.replace(style=style)))
        made[style] = lambda picture, masker=masker: _shown(masker.process(picture).image, picture)
    if deface:
        made[DEFACE] = Deface(is_ellipse=True).blurred
    return made


def _replaced_around(place: np.ndarray, replaced: np.ndarray) -> Optional[Tuple[slice, slice]]:
    """Rows and columns of the box around the ``replaced`` pixels that touch ``place`` (x, y); None when it has none."""
    height, width = replaced.shape
    # A pixel that happens to keep its value is no hole in the mask.
    closed = cv2.morphologyEx(replaced.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, areas, boxes, _ = cv2.connectedComponentsWithStats(closed)
    area = areas[min(height - 1, max(0, int(place[1]))), min(width - 1, max(0, int(place[0])))]
    if not area:
        return None
    left, top, wide, high, _ = boxes[area]
    return slice(top, top + high), slice(left, left + wide)


def _shown(masked: Optional[np.ndarray], picture: np.ndarray) -> np.ndarray:
    return np.zeros_like(picture) if masked is None else masked


def _central(faces: Sequence[Face], picture: np.ndarray) -> Optional[Face]:
    height, width = picture.shape[:2]
    middle = np.array([width / 2, height / 2])
    return min(faces, key=lambda face: np.linalg.norm(np.array(face.box.center) - middle), default=None)


def _auc(same: np.ndarray, similarity: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(same, similarity))
