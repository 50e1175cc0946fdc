"""How well people are hidden: faces that slip through in videos, people that are recognised, emotions that are kept."""

from dataclasses import dataclass, field
from typing import Dict, Optional, Sequence

from tqdm import tqdm

from emomask.errors import DataError, SettingsError
from emomask.evaluation.annotated_faces import AnnotatedPictures
from emomask.evaluation.camera_motion import MOTIONS
from emomask.evaluation.leaks import Leaks, count_leaks
from emomask.evaluation.reidentification import DEFACE, Reidentification, reidentify
from emomask.evaluation.tiles import tiled
from emomask.evaluation.video_maskers import create_video_masker
from emomask.settings import Settings

OURS = "live"  # the video masker whose figures come first


@dataclass
class Privacy:
    """What was measured: leaks of each video masker, the settings' own first, and re-identification if it was asked."""

    settings: Settings
    stills: int
    motions: Sequence[str]
    leaks: Dict[str, Leaks] = field(default_factory=dict)
    reidentification: Optional[Reidentification] = None

    def figures(self) -> Dict[str, object]:
        """One flat object.

        Keys of the leaks, fractions: ``leak_rate`` (faces in frames of which less than 90 % of the pixels are
        replaced), ``slip_rate`` (the same over faces that are covered in a frame of their video or more),
        ``leaked_tracks`` (faces that leak in a frame or more of their video), each also with ``_24px`` and ``_64px``
        for faces of so many pixels and more; ``flips_per_second``, ``emotion_changes_per_second``, ``replaced_share``,
        ``face_frames``, ``faces``; ``leak_rate_MOTION``, ``slip_rate_MOTION``. Those of other maskers begin with their
        name. Of re-identification: ``reid_rank1`` (the most successful attacker on the settings' style),
        ``reid_chance``, ``reid_people``, ``reid_pictures``, ``reid_emotion_alone_rank1`` and ``..._auc`` (an attacker
        who knows the labelled emotion and no more), ``reid_emoji_alone_rank1`` and ``..._auc`` (one who knows the
        emotion that is shown and no more), ``reid_shuffled_rank1``, ``..._auc`` and their deviations ``..._std`` (the
        most successful attacker when the pictures that show the same emotion are exchanged at random),
        ``reid_shuffled_p`` (of the exchanges and none, the share that does as well as none by rank-1),
        ``emotion_agreement``, and ``reid_STYLE_ATTACKER_rank1`` and ``..._auc``.
        """
        figures: Dict[str, object] = {"stills": self.stills, "lookahead": self.settings.lookahead}
        for name, leaks in self.leaks.items():
            start = "" if name == OURS else "".join(c if c.isalnum() else "_" for c in name) + "_"
            own = leaks.figures()
            for motion in self.motions:
                own["leak_rate_" + motion] = leaks.leak_rate(motion=motion)
                own["slip_rate_" + motion] = leaks.slip_rate(motion=motion)
            figures.update((start + key, value) for key, value in own.items())
        found = self.reidentification
        if found:
            best = max(rank1 for rank1, _ in found.rates[self.settings.style].values())
            figures.update(
                reid_rank1=best,
                reid_shuffled_rank1=float(found.shuffled[:, 0].mean()),
                reid_shuffled_rank1_std=float(found.shuffled[:, 0].std()),
                reid_shuffled_auc=float(found.shuffled[:, 1].mean()),
                reid_shuffled_auc_std=float(found.shuffled[:, 1].std()),
                reid_shuffled_p=float((1 + (found.shuffled[:, 0] >= best).sum()) / (1 + len(found.shuffled))),
                reid_chance=found.chance,
                reid_people=found.people,
                reid_pictures=found.pictures,
                reid_emotion_alone_rank1=found.emotion_alone[0],
                reid_emotion_alone_auc=found.emotion_alone[1],
                reid_emoji_alone_rank1=found.emoji_alone[0],
                reid_emoji_alone_auc=found.emoji_alone[1],
                emotion_agreement=found.agreement,
            )
            for style, attackers in found.rates.items():
                for attacker, (rank1, auc) in attackers.items():
                    figures["reid_%s_%s_rank1" % (style, attacker)] = rank1
                    figures["reid_%s_%s_auc" % (style, attacker)] = auc
        return figures


def evaluate_privacy(
    data,
    labels="",
    settings: Optional[Settings] = None,
    every=1,
    tiles=1,
    motions: Sequence[str] = (),
    against: Sequence[str] = (),
    identities=None,
    recogniser=None,
) -> Privacy:
    """Measure on videos made of annotated stills and, when ``identities`` is given, on portraits of known people.

    ``data``, ``labels``: see ``AnnotatedPictures``; ``every``: take only every so-manieth still; ``tiles``:
    put so many in a row and so many rows of them into each frame (see ``tiled``), if more than one; ``motions``: of
    ``MOTIONS``, all when empty. ``against``: see ``create_video_masker``. ``identities``: see ``portraits``;
    ``recogniser``: the file of a ``Recogniser``. The emotion that is shown is compared with the table's.

    Raises DataError when pictures or tables cannot be had, ModelError when a network cannot, SettingsError when
    ``against``, ``motions`` or only one of ``identities`` and ``recogniser`` is wrong.
    """
    settings = settings or Settings()
    if (identities is None) != (recogniser is None):
        raise SettingsError("Re-identification needs both pictures of known people and a recogniser.")
    unknown = sorted(set(motions) - set(MOTIONS))
    if unknown:
        raise SettingsError("Unknown motion %s. Known: %s." % (", ".join(unknown), ", ".join(MOTIONS)))
    stills = list(AnnotatedPictures(data, labels).every(every))
    if tiles > 1:
        stills = tiled(stills, tiles)
        if not stills:
            raise DataError("There are too few stills for a frame of %d x %d." % (tiles, tiles))
    privacy = Privacy(settings, len(stills), list(motions or MOTIONS))
    rivals = {name: create_video_masker(name, settings) for name in dict.fromkeys([OURS, *against])}
    for name, rival in rivals.items():
        counting = count_leaks(rival, stills, privacy.motions)
        for leaks in tqdm(counting, desc=name, total=len(stills), leave=False, disable=None):
            privacy.leaks[name] = leaks
    if identities is not None:
        has_deface = any(name.startswith(DEFACE) for name in against)
        privacy.reidentification = reidentify(identities, recogniser, settings, has_deface)
    return privacy
