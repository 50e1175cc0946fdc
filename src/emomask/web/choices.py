"""What a visitor may choose: how faces are covered. Whether they are is nobody's choice."""

from dataclasses import dataclass
from typing import Any, Mapping

from emomask.errors import SettingsError
from emomask.settings import STYLES, Settings, Validated, setting
from emomask.web.settings import BUILT_IN


@dataclass(frozen=True)
class Choices(Validated):
    """A visitor's choices. Raises SettingsError when a value is out of its range."""

    style: str = setting("emoji", "what covers a face", STYLES)
    emoji_set: str = setting(BUILT_IN, "whose emojis, for the style emoji")
    margin: float = setting(
        0.1, "how far the mask goes beyond the face, as a fraction of the face's size", low=0.0, high=2.0
    )

    def changed(self, values: Mapping[str, Any]) -> "Choices":
        """These with other ``values`` by their names. Raises SettingsError for an unknown name or a bad value."""
        return self.from_mapping({**self.as_dict(), **values})

    def applied(self, settings: Settings, sets: Mapping[str, str]) -> Settings:
        """``settings`` with these choices; ``sets``: names and folders. Raises SettingsError for an unknown set."""
        if self.emoji_set not in sets:
            raise SettingsError("emoji_set must be one of %s, not %r." % (", ".join(sets), self.emoji_set))
        return settings.replace(style=self.style, emojis=sets[self.emoji_set], margin=self.margin)
